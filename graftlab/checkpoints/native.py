"""Our own format: one safetensors file of tensors, with everything else as JSON in its header. No code is ever run."""

import json
from collections.abc import Mapping
from os.path import isdir  # of any text, where Path.is_dir raises for names that are too long
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open
from torch import Tensor

from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.model_file import ModelFile
from graftlab.config import Config
from graftlab.errors import GraftError
from graftlab.kinds import KINDS
from graftlab.networks.model import BESIDE, Network
from graftlab.tensors import KEY
from graftlab.tensors import write_tensors as write_tensors

BUNDLED = Path(__file__).parents[1] / "bundled"  # models that come with the package


def views(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A file's tensors and our JSON. The tensors are views of the file on the disk, which take no memory until used,
    and change when somebody overwrites it: copy what is to stay.

    GraftError if the file is missing, cut off or not of this kind."""
    if isdir(path):
        raise GraftError(f"{path} is a folder; name a file in it.")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise GraftError(f"{path}: no such file.") from None
    except (SafetensorError, ValueError, OSError, RecursionError) as error:
        raise GraftError(f"{path} is damaged or no safetensors file ({error}); fetch or make it again.") from None
    return tensors, parsed(path, metadata)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and our JSON, in memory. GraftError if the file is missing, cut off or not of this kind."""
    tensors, header = views(path)
    return {name: tensor.clone() for name, tensor in tensors.items()}, header


def save_model(
    path: Path,
    model: Network,
    about: Mapping[str, Any] | None = None,  # training data, images seen, licence, parent: whatever is known
    half: bool = False,  # store float16
    discriminators: Mapping[str, Tensor] | None = None,  # by our names, for who wants to train on
    allow_nan: bool = False,
) -> None:
    """`Network.save`, which writes nothing about the model but what is given."""
    model.save(path, about or {}, half, discriminators, allow_nan)


def read(contents: Contents) -> ModelFile | None:
    """Our own file, or None if no model of ours is in it."""
    path, tree = contents.path, cast(dict[str, Any], contents.tree)
    if contents.container != "safetensors" or KEY not in tree["metadata"]:
        return None
    header = parsed(path, tree["metadata"])
    kind = header.get("kind")
    if kind not in KINDS:
        return None
    config = configured(path, header)
    tensors, about, recorded = dict(tree["tensors"]), header.get("about"), header.get("fingerprint")
    discriminators = {name.removeprefix(BESIDE): tensors.pop(name) for name in list(tensors) if name.startswith(BESIDE)}
    return ModelFile(
        path,
        "graftlab",
        str(kind),
        config,
        tensors,
        discriminators,
        about if isinstance(about, dict) else {},
        fingerprint=recorded if isinstance(recorded, str) else None,
    )


def configured(path: Path, header: Mapping[str, Any]) -> Config:
    """The configuration in our header. GraftError if it makes no sense."""
    try:
        return KINDS[header["kind"]].config.from_dict(header["config"])
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise GraftError(f"{path} has a configuration that makes no sense: {str(error).rstrip('.')}.") from None


def parsed(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Our JSON in a safetensors header."""
    try:
        header = json.loads(metadata.get(KEY, "null"))
    except (ValueError, RecursionError) as error:
        raise GraftError(f"{path} is damaged ({error}); fetch or make it again.") from None
    if not isinstance(header, dict):
        raise GraftError(f"{path} was not written by graftlab: its header has no '{KEY}' entry.")
    return header
