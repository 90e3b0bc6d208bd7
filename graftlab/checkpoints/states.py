"""States of unfinished work: read if it can go on from them; what optimisers remember, as named tensors; and tensors
under a prefix of their own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from graftlab.artifacts import read_tensors
from graftlab.errors import GraftError, refuse

Value = TypeVar("Value")
REMEMBERED = ("step", "exp_avg", "exp_avg_sq")  # by Adam, of each parameter


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A state's tensors and JSON. GraftError if it is damaged, or if a number in it is not finite, whatever digest it
    has: no step would lead back from there."""
    tensors, header = read_tensors(path)
    bad = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    try:
        json.dumps(header, allow_nan=False)
    except ValueError:
        bad.append("its header")
    refuse(path, "holds numbers that are not finite", bad)
    return tensors, header


def under(tensors: Mapping[str, Value], prefix: str) -> dict[str, Value]:
    """Those tensors whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def optimizer_state(optimizer: torch.optim.Optimizer, prefix: str = "adam.") -> dict[str, Tensor]:
    """What an optimiser remembers of each parameter, as PREFIX, the parameter's number and a name."""
    remembered: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{prefix}{index}.{name}": tensor for index, entry in remembered.items() for name, tensor in entry.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], prefix: str = "adam.") -> None:
    """The inverse of `optimizer_state`, among whatever other tensors; settings such as the learning rate stay.

    GraftError for what Adam does not remember of these parameters, or not all of it."""
    state: dict[int, dict[str, Tensor]] = {}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for key, tensor in under(tensors, prefix).items():
        index, _, name = key.partition(".")
        place = int(index) if index.isdecimal() else len(parameters)
        shape = parameters[place].shape if place < len(parameters) else None
        wanted = () if name == REMEMBERED[0] else shape
        if name not in REMEMBERED or tensor.shape != wanted or tensor.dtype != torch.float32:
            raise GraftError(f"{prefix}{key} belongs to no such optimiser.")
        state.setdefault(place, {})[name] = tensor
    if missing := [place for place, entry in state.items() if len(entry) < len(REMEMBERED)]:
        raise GraftError(f"{prefix}{missing[0]} is not all there.")
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
