"""Our own format: one safetensors file of tensors, with everything else as JSON in its header. No code is ever run."""

import hashlib
import json
import struct
from collections.abc import Mapping
from os.path import isdir  # of any text, where Path.is_dir raises for names that are too long
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from graftlab.config import SwappingConfig
from graftlab.errors import GraftError
from graftlab.files import atomic_write
from graftlab.networks.swapping import SwappingAutoencoder

KEY = "graftlab"  # of our JSON in the safetensors header
TYPES = {  # their names in the format
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
WEIGHTS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # types that weights may have in a file


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
            header = json.loads((file.metadata() or {}).get(KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise GraftError(f"{path}: no such file.") from None
    except (SafetensorError, ValueError, OSError, RecursionError) as error:
        raise GraftError(f"{path} is damaged or no safetensors file ({error}); fetch or make it again.") from None
    if not isinstance(header, dict):
        raise GraftError(f"{path} was not written by graftlab: its header has no '{KEY}' entry.")
    return tensors, header


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and our JSON, in memory. GraftError if the file is missing, cut off or not of this kind."""
    tensors, header = views(path)
    return {name: tensor.clone() for name, tensor in tensors.items()}, header


def save_model(
    path: Path,
    model: SwappingAutoencoder,
    about: Mapping[str, Any] | None = None,  # training data, images seen, licence, parent: whatever is known
    half: bool = False,  # store float16
) -> None:
    """Write a model for use: weights and configuration, and what is known about them."""
    dtype = torch.float16 if half else torch.float32
    tensors = {name: tensor.to(dtype) for name, tensor in model.state_dict().items()}
    if bad := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise GraftError(f"{path} is not written, because weights are not finite numbers: {', '.join(bad[:10])}.")
    header = {"kind": model.kind, "config": model.config.to_dict(), "about": dict(about or {})}
    write_tensors(path, tensors, header)


def load_model(path: Path) -> SwappingAutoencoder:
    """Read what `save_model` wrote, as float32 on the CPU. Memory is bounded by the file's size.

    GraftError if the file is damaged, of another kind, or does not fit its own configuration."""
    tensors, header = views(path)
    if header.get("kind") != SwappingAutoencoder.kind:
        raise GraftError(f"{path} holds {header.get('kind', 'no model')}, not a Swapping Autoencoder.")
    try:
        config = SwappingConfig.from_dict(header["config"])
        with torch.device("meta"):
            model = SwappingAutoencoder(config)
    except (KeyError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise GraftError(f"{path} has a configuration that makes no sense: {str(error).rstrip('.')}.") from None
    check_layout(path, tensors, {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()})
    tensors = {name: tensor.to(torch.float32, copy=True) for name, tensor in tensors.items()}
    if bad := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise GraftError(f"{path} holds weights that are not finite numbers: {', '.join(bad[:10])}.")
    model.load_state_dict(tensors, assign=True)
    model.fingerprint = fingerprint(model)
    return model.eval().requires_grad_(False)


def check_layout(path: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """GraftError listing the tensors that are missing, unknown, of another shape, or no floating-point numbers."""
    problems = [f"{name} is missing" for name in shapes if name not in tensors]
    problems += [f"{name} is unknown" for name in tensors if name not in shapes]
    problems += [
        f"{name} is {tuple(tensors[name].shape)}, not {shape}"
        for name, shape in shapes.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    problems += [f"{name} holds {tensor.dtype}" for name, tensor in tensors.items() if tensor.dtype not in WEIGHTS]
    if problems:
        more = f" and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise GraftError(f"{path} does not fit its configuration: {'; '.join(problems[:10])}{more}.")


def fingerprint(model: nn.Module) -> str:
    """SHA-256 of the weights, as hexadecimal: the same weights have the same fingerprint in any file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy())
    return digest.hexdigest()


def describe(path: Path) -> dict[str, Any]:
    """What a file of ours says of itself, without reading its weights: kind, config, about, parameters, bytes."""
    tensors, header = views(path)
    parameters = sum(tensor.numel() for tensor in tensors.values())
    return {**header, "parameters": parameters, "bytes": path.stat().st_size}
