"""Models in our own format: their weights, with everything else as JSON in the header. No code is ever run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from graftlab.artifacts import KEY, parsed, write_tensors
from graftlab.checkpoints.build import CONFIGS, Model, fingerprint
from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.model_file import ModelFile, refuse
from graftlab.config import Config
from graftlab.errors import GraftError

BUNDLED = Path(__file__).parents[1] / "bundled"  # models that come with the package
BESIDE = "discriminators."  # before the names of weights that only training needs


def save_model(
    path: Path,
    model: Model,
    about: Mapping[str, Any] | None = None,  # training data, images seen, licence, parent: whatever is known
    half: bool = False,  # store float16
    discriminators: Mapping[str, Tensor] | None = None,  # by our names, for who wants to train on
    allow_nan: bool = False,
) -> None:
    """Write a model for use: weights and configuration, and what is known about them.

    GraftError if, unless allowed, weights are no finite numbers, and if the file cannot be written."""
    dtype = torch.float16 if half else torch.float32
    weights = {**model.state_dict(), **{BESIDE + name: tensor for name, tensor in (discriminators or {}).items()}}
    tensors = {name: tensor.to(dtype) for name, tensor in weights.items()}
    bad = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    refuse(path, "is not written, because weights are not finite numbers", [] if allow_nan else bad)
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith(BESIDE)}
    header = {"kind": model.kind, "config": model.config.to_dict(), "about": dict(about or {})}
    header["fingerprint"] = fingerprint(own)
    write_tensors(path, tensors, header)


def read(contents: Contents) -> ModelFile | None:
    """Our own file, or None if no model of ours is in it."""
    path, tree = contents.path, cast(dict[str, Any], contents.tree)
    if contents.container != "safetensors" or KEY not in tree["metadata"]:
        return None
    header = parsed(path, tree["metadata"])
    kind = header.get("kind")
    if kind not in CONFIGS:
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
        return CONFIGS[header["kind"]].from_dict(header["config"])
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise GraftError(f"{path} has a configuration that makes no sense: {str(error).rstrip('.')}.") from None
