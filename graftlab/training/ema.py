"""A running average of weights, by half-life in images: the same smoothing at any batch size."""

from copy import deepcopy
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def begin(model: Module) -> Module:
    """A copy to hold the average: it starts equal and needs no gradients."""
    return deepcopy(model).eval().requires_grad_(False)


@torch.no_grad()
def update(
    average: nn.Module,
    model: nn.Module,
    images: int,  # seen since the last update
    seen: int,  # seen altogether
    halflife: float,  # images after which a weight's influence has halved
    rampup: float,  # the half-life is at most this share of `seen`: early weights are soon forgotten
) -> None:
    """Move `average` towards `model`; buffers are copied."""
    halflife = min(halflife, max(seen * rampup, 1e-8))
    keep = 0.5 ** (images / halflife)
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - keep)
    for mine, theirs in zip(average.buffers(), model.buffers(), strict=True):
        mine.copy_(theirs)
