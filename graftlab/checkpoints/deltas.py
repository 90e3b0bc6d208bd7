"""Small files of models that were fine-tuned: what differs from the parent, most of it in a byte a number.

A snapshot of a fine-tuning is its parent and a little. Of every tensor that moved the file holds the difference: as
int8 with a scale for each row where that is as exact as float16 would be, else as float16. The parent is found by its
fingerprint, among the models that come with the package and the files beside this one.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from graftlab.artifacts import BUNDLED, check_digest, holds, write_tensors
from graftlab.checkpoints.containers.contents import Contents, open_contents
from graftlab.checkpoints.model_file import ModelFile
from graftlab.checkpoints.native import configured, header_of
from graftlab.checkpoints.native import read as read_whole
from graftlab.errors import GraftError, refuse
from graftlab.networks.model import Network, fingerprint

DELTA, SCALE = "delta.", "scale."  # before a tensor's name: what differs, and the worth of a step of int8 in each row
STEPS = 127  # of int8, either way
EXACT = 2.0**-11  # largest relative error of float16


def save_delta(path: Path, model: Network, parent: ModelFile, about: Mapping[str, Any] | None = None) -> None:
    """Write what differs in a model from its parent.

    No weight is off by more than float16 would be at the tensor's largest. GraftError if the two have other networks,
    weights are no finite numbers, or the file cannot be written."""
    if (parent.kind, parent.config) != (model.kind, model.config):
        raise GraftError(f"{parent.path} has other networks than the model to be written, so it is no parent of it.")
    weights = {name: tensor.detach().cpu().float() for name, tensor in model.state_dict().items()}
    for found in (weights, parent.tensors):
        bad = [name for name, tensor in found.items() if not tensor.isfinite().all()]
        refuse(path, "is not written, because weights are not finite numbers", bad)
    changes: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        difference = tensor.double() - parent.tensors[name].double()
        if difference.any():
            changes |= packed(name, difference, EXACT * tensor.abs().max().item())
    whole = {name: restored(tensor, name, changes) for name, tensor in parent.tensors.items()}
    header = {"kind": model.kind, "config": model.config.to_dict(), "about": dict(about or {})}
    header["delta"] = {"parent": fingerprint(parent.tensors), "name": parent.path.name}
    write_tensors(path, changes, header | {"fingerprint": fingerprint(whole)})


def packed(name: str, difference: Tensor, tolerance: float) -> dict[str, Tensor]:
    """A difference (float64) as the file holds it: as int8 if no number is off by more than the tolerance then."""
    rows = difference.reshape(len(difference) if difference.ndim else 1, -1)
    scale = (rows.abs().amax(1) / STEPS).float().clamp(min=torch.finfo(torch.float32).tiny)
    if scale.max() / 2 > tolerance:
        return {DELTA + name: difference.half()}
    steps = (rows / scale.double()[:, None]).round().clamp(-STEPS, STEPS)
    return {DELTA + name: steps.to(torch.int8).view(difference.shape), SCALE + name: scale}


def restored(tensor: Tensor, name: str, changes: Mapping[str, Tensor]) -> Tensor:
    """The parent's tensor with the difference, float32: the same bits on every machine, as one step rounds."""
    change, scale = changes.get(DELTA + name), changes.get(SCALE + name)
    if change is None:
        return tensor.float()
    if scale is not None:
        shape = change.shape
        change = (change.double().reshape(len(scale), -1) * scale.double()[:, None]).view(shape)
    return (tensor.double() + change.double()).float()


def read(contents: Contents) -> ModelFile | None:
    """A model of its parent's weights and the differences in this file, or None if it is no such file.

    GraftError if the parent is not found, or the two do not give the model that was written."""
    path, tree, header = contents.path, cast(dict[str, Any], contents.tree), header_of(contents) or {}
    told = header.get("delta")
    if not isinstance(told, dict):
        return None
    kind, config = header.get("kind"), configured(path, header)
    parent = parent_of(path, str(told.get("parent")), str(told.get("name")))
    if (parent.kind, parent.config) != (kind, config):
        raise GraftError(f"{path} has other networks than its parent {parent.path}; fetch or make it again.")
    changes: dict[str, Tensor] = tree["tensors"]
    check_digest(path, changes, tree["metadata"])
    refuse(path, "does not fit its parent", list(misfits(changes, parent.tensors)))
    tensors = {name: restored(tensor, name, changes) for name, tensor in parent.tensors.items()}
    if fingerprint(tensors) != header.get("fingerprint"):
        raise GraftError(f"{path} and {parent.path} do not give the model that was written; fetch or make both again.")
    about = header.get("about")
    return ModelFile(
        path,
        f"graftlab, as what differs from {parent.path.name}",
        str(kind),
        config,
        tensors,
        about=about if isinstance(about, dict) else {},
        fingerprint=header["fingerprint"],
        check=lambda: True,  # as was seen above
    )


def misfits(changes: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Iterator[str]:
    """What is wrong with the tensors of a file of differences, by those of the parent."""
    for name, tensor in changes.items():
        of = name.removeprefix(DELTA).removeprefix(SCALE)
        known = weights.get(of)
        rows = (len(known) if known.ndim else 1,) if known is not None else ()
        if known is None or name not in (DELTA + of, SCALE + of):
            yield f"{name} is unknown"
        elif name == SCALE + of and (tuple(tensor.shape), tensor.dtype) != (rows, torch.float32):
            yield f"{name} is {tuple(tensor.shape)} of {tensor.dtype}"
        elif name == DELTA + of:
            wanted = torch.int8 if SCALE + of in changes else torch.float16
            if (tensor.shape, tensor.dtype) != (known.shape, wanted):
                yield f"{name} is {tuple(tensor.shape)} of {tensor.dtype}"


def parent_of(path: Path, wanted: str, name: str) -> ModelFile:
    """The model with a fingerprint: one that comes with the package, or one in the file's folder or the folder above.

    GraftError that names the file if there is none."""
    for folder in (BUNDLED, path.parent, path.absolute().parent.parent):
        for other in sorted(folder.glob("*.safetensors")):
            if other.absolute() != path.absolute() and holds(other, wanted):
                parent = read_whole(open_contents(other))
                if parent is not None:
                    return parent
    raise GraftError(
        f"{path} holds what differs from {name}, which is missing: put that file beside it (fingerprint {wanted[:12]})."
    )
