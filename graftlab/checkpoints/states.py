"""States of unfinished work: what optimisers remember, as named tensors; and tensors under a prefix of their own."""

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor

Value = TypeVar("Value")


def under(tensors: Mapping[str, Value], prefix: str) -> dict[str, Value]:
    """Those tensors whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def optimizer_state(optimizer: torch.optim.Optimizer, prefix: str = "adam.") -> dict[str, Tensor]:
    """What an optimiser remembers of each parameter, as PREFIX, the parameter's number and a name."""
    remembered: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{prefix}{index}.{name}": tensor for index, entry in remembered.items() for name, tensor in entry.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], prefix: str = "adam.") -> None:
    """The inverse of `optimizer_state`, among whatever other tensors; settings such as the learning rate stay."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in under(tensors, prefix).items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
