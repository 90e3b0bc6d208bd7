"""Whether the tensors of a file are those of a network, and they under our names."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from graftlab.errors import refuse

ConfigT = TypeVar("ConfigT")
Shapes = Mapping[str, tuple[int, ...]]


def shapes_of(network: Callable[[ConfigT], nn.Module], config: ConfigT) -> dict[str, tuple[int, ...]]:
    """The shapes of a network's tensors by name, for which no memory is taken."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in network(config).state_dict().items()}


def strangers(names: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Sentences: which names are missing among those of a file, and which it has that nobody knows."""
    names, wanted = dict.fromkeys(names), dict.fromkeys(wanted)
    missing = [f"{name} is missing" for name in wanted if name not in names]
    return missing + [f"{name} is unknown" for name in names if name not in wanted]


def misfits(tensors: Mapping[str, Tensor], shapes: Shapes) -> list[str]:
    """The same, and which are of another shape."""
    return strangers(tensors, shapes) + [
        f"{name} is {tuple(tensors[name].shape)}, not {shape}"
        for name, shape in shapes.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]


def rename(path: Path, misfit: str, state: Mapping[str, Tensor], theirs: Mapping[str, str]) -> dict[str, Tensor]:
    """A file's tensors under our names. GraftError listing what is missing and what is unknown."""
    refuse(path, misfit, strangers(state, theirs.values()))
    return {ours: state[name] for ours, name in theirs.items()}
