"""Our own format: one safetensors file of tensors, with everything else as JSON in its header. No code is ever run."""

import json
import struct
from collections.abc import Mapping
from os.path import isdir  # of any text, where Path.is_dir raises for names that are too long
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from graftlab.checkpoints.build import CONFIGS, Model, fingerprint
from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.model_file import ModelFile, refuse
from graftlab.config import Config
from graftlab.errors import GraftError
from graftlab.files import atomic_write

BUNDLED = Path(__file__).parents[1] / "bundled"  # models that come with the package
KEY = "graftlab"  # of our JSON in the safetensors header
TYPES = {  # their names in the format
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.bool: "BOOL",
}
BESIDE = "discriminators."  # before the names of weights that only training needs


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Create or replace a safetensors file in one step. Tensors may be on any device; one at a time is copied.

    The library's own `save_file` makes a file of its own and renames it over ours: what was flushed to the disk would
    not be what was written, and other users could not read it."""
    entries: dict[str, Any] = {"__metadata__": {KEY: json.dumps(header)}}
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0]))  # so that all are aligned
    end = 0
    for name, tensor in ordered:
        start, end = end, end + tensor.numel() * tensor.itemsize
        entries[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)

    def fill(file: BinaryIO) -> None:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, tensor in ordered:
            file.write(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)

    atomic_write(path, fill)


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


def parsed(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Our JSON in a safetensors header."""
    try:
        header = json.loads(metadata.get(KEY, "null"))
    except (ValueError, RecursionError) as error:
        raise GraftError(f"{path} is damaged ({error}); fetch or make it again.") from None
    if not isinstance(header, dict):
        raise GraftError(f"{path} was not written by graftlab: its header has no '{KEY}' entry.")
    return header
