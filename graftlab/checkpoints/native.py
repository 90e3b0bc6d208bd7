"""Models in our own format: their weights, with everything else as JSON in the header. No code is ever run."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from graftlab.artifacts import KEY, check_digest, parsed
from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.model_file import ModelFile
from graftlab.config import Config
from graftlab.errors import GraftError
from graftlab.kinds import KINDS
from graftlab.networks.model import BESIDE, Network


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
    path, tree, header = contents.path, cast(dict[str, Any], contents.tree), header_of(contents) or {}
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
        check=partial(check_digest, path, tree["tensors"], tree["metadata"]),
    )


def header_of(contents: Contents) -> dict[str, Any] | None:
    """What stands in the header of a file of ours; None for another. GraftError if it is damaged."""
    metadata = cast(dict[str, Any], contents.tree)["metadata"] if contents.container == "safetensors" else {}
    return parsed(contents.path, metadata) if KEY in metadata else None


def configured(path: Path, header: Mapping[str, Any]) -> Config:
    """The configuration in our header. GraftError if it makes no sense."""
    try:
        return KINDS[header["kind"]].config.from_dict(header["config"])
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise GraftError(f"{path} has a configuration that makes no sense: {str(error).rstrip('.')}.") from None
