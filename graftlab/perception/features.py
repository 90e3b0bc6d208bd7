"""Deep features of pictures in one call.

A feature network has a preprocessing step (`prepare`: size, range), a module that returns maps and a pooled vector, and
its two input sizes. Each module has its own file; `choice` picks one by name.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.errors import GraftError

BATCH = 32  # pictures that go through the network at once

Side = int | tuple[int, int]
"""Pixels: the side of squares, or height and width."""


@dataclass(frozen=True, eq=False)
class Features:
    """Features of a batch: four maps (N, C, h, w) from fine to coarse, and a pooled vector per picture (N, D)."""

    maps: tuple[Tensor, ...]
    pooled: Tensor

    def __len__(self) -> int:
        return len(self.pooled)

    def __getitem__(self, index: slice | list[int]) -> "Features":
        return Features(tuple(maps[index] for maps in self.maps), self.pooled[index])

    @property
    def early(self) -> Tensor:
        """The finest map, which sees colour and texture over a few pixels."""
        return self.maps[0]

    @property
    def middle(self) -> Tensor:
        """The third map, which sees parts of things."""
        return self.maps[2]


@dataclass(frozen=True, eq=False)
class FeatureNetwork:
    """A network in whose features distances are measured."""

    name: str  # for the reports; two networks, or two sets of weights, never share one
    module: nn.Module  # prepared pictures (N, 3, side, side) -> Features
    prepare: Callable[[Tensor, Side], Tensor]  # (N, 3, H, W) in [-1, 1] and a size -> what the module was trained on
    side: int  # pixels to which pictures are resized
    patch_side: int  # pixels to which patches of pictures are resized, about as large as the network tells them apart
    device: torch.device

    def __post_init__(self) -> None:
        self.module.eval().requires_grad_(False).to(self.device)

    def __call__(self, images: Tensor) -> Features:
        """Features of pictures (N, 3, H, W) in [-1, 1], of any size and on any device; float32, on the CPU."""
        parts = [self._forward(batch, self.side) for batch in images.split(BATCH)]
        maps = zip(*([part.cpu() for part in seen.maps] for seen in parts), strict=True)
        return Features(tuple(map(torch.cat, maps)), torch.cat([seen.pooled.cpu() for seen in parts]))

    def patches(self, patches: Tensor) -> Tensor:
        """Pooled vectors (N, T, D) of patches (N, T, 3, h, w); float32, on the CPU."""
        parts = [self._forward(batch, self.patch_side).pooled.cpu() for batch in patches.flatten(0, 1).split(BATCH)]
        return torch.cat(parts).unflatten(0, patches.shape[:2])

    def seen(self, images: Tensor, side: Side) -> Features:
        """Features of pictures (N, 3, H, W) resized to so many pixels, all at once, with gradients, where they are."""
        seen = self.module(self.prepare(images, side))
        assert isinstance(seen, Features)
        return seen

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """The four maps of pictures (N, 3, H, W) at their own size, in float32, differentiable."""
        with torch.autocast(images.device.type, enabled=False):
            return self.seen(images.float(), (images.shape[2], images.shape[3])).maps

    @torch.no_grad()
    def _forward(self, images: Tensor, side: int) -> Features:
        return self.seen(images.to(self.device).float().clamp(-1, 1), side)


def extent(side: Side) -> tuple[int, int]:
    return (side, side) if isinstance(side, int) else side


def resized(images: Tensor, side: Side) -> Tensor:
    """Pictures (N, 3, H, W) of so many pixels."""
    if images.shape[2:] == extent(side):
        return images
    return F.interpolate(images, extent(side), mode="bilinear", antialias=True)


def missing(error: ImportError, extra: str = "metrics") -> GraftError:
    """The error message for a missing package of an extra."""
    return GraftError(f"This needs the package {error.name}: pip install 'graftlab[{extra}]'.")
