"""Our own format: one safetensors file of tensors, with everything else as JSON in its header. It runs nobody's code."""

import hashlib
import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from graftlab.config import SwappingConfig
from graftlab.errors import GraftError
from graftlab.files import atomic_write
from graftlab.networks.swapping import SwappingAutoencoder

KEY = "graftlab"  # of our JSON in the safetensors header


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Create or replace a safetensors file in one step. Tensors may be on any device."""
    cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Written by name into the file that is open already: no second copy of all tensors in memory.
    atomic_write(path, lambda file: save_file(cpu, file.name, {KEY: json.dumps(header)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and our JSON. GraftError if the file is missing, cut off or not of this kind."""
    if not path.is_file():
        raise GraftError(f"{path}: no such file.")
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get(KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, OSError) as error:
        raise GraftError(f"{path} is damaged or no safetensors file ({error}); fetch or make it again.") from None
    if not isinstance(header, dict):
        raise GraftError(f"{path} was not written by graftlab: its header has no '{KEY}' entry.")
    return tensors, header


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
    tensors, header = read_tensors(path)
    if header.get("kind") != SwappingAutoencoder.kind:
        raise GraftError(f"{path} holds {header.get('kind', 'no model')}, not a Swapping Autoencoder.")
    try:
        config = SwappingConfig.from_dict(header["config"])
        with torch.device("meta"):
            model = SwappingAutoencoder(config)
    except (KeyError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise GraftError(f"{path} has a configuration that makes no sense: {error}") from None
    check_layout(path, tensors, {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()})
    if bad := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise GraftError(f"{path} holds weights that are not finite numbers: {', '.join(bad[:10])}.")
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    model.fingerprint = fingerprint(model)
    return model.eval().requires_grad_(False)


def check_layout(path: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """GraftError listing the tensors that are missing, unknown or of another shape."""
    problems = [f"{name} is missing" for name in shapes if name not in tensors]
    problems += [f"{name} is unknown" for name in tensors if name not in shapes]
    problems += [
        f"{name} is {tuple(tensors[name].shape)}, not {shape}"
        for name, shape in shapes.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
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
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get(KEY, "null"))
            parameters = sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (SafetensorError, ValueError, OSError) as error:
        raise GraftError(f"{path} is damaged or no safetensors file ({error}); fetch or make it again.") from None
    if not isinstance(header, dict):
        raise GraftError(f"{path} was not written by graftlab: its header has no '{KEY}' entry.")
    return {**header, "parameters": parameters, "bytes": path.stat().st_size}
