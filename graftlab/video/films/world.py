"""Noise that belongs to places in a world which moves below the picture.

The picture looks at the world through all the motions so far. Noise has octaves, of which the two that are nearest to
the size of a cell are seen: while one zooms out, finer ones fade and coarser ones come in, so that there is always as
much of it, and what moves is what was there before.
"""

from dataclasses import dataclass
from math import cos, floor, log2, pi, sin

import torch
from torch import Tensor

from graftlab.networks.noise import scattered

WRAP = 2.0**31  # cells of noise after which it repeats; positions beyond have no fractions left anyway


@dataclass(frozen=True, eq=False)
class World:
    """Where the places of a picture lie in the world: there, both sides of the first picture run from -1 to 1."""

    matrix: Tensor  # (2, 3) float64, coordinates in the picture to coordinates in the world, over the size
    size: float = 0.0  # of what the picture shows now, as a power of two of what it showed first

    @classmethod
    def first(cls) -> "World":
        return cls(torch.eye(2, 3, dtype=torch.float64))

    def after(self, back: Tensor) -> "World":
        """What the picture shows after a motion; `back` (2, 3) float64 tells where each place came from."""
        moved = self.matrix[:, :2] @ back
        moved[:, 2] += self.matrix[:, 2]
        scale = moved[:, :2].det().abs().sqrt()
        return World(moved / scale, self.size + float(scale.log2()))

    def noise(self, seed: int, channels: int, grid: tuple[int, int], spacing: float, layer: int = 0) -> Tensor:
        """Normal noise (1, channels, h, w) on the cells of a picture, as smooth as if its values lay `spacing` apart.

        In cells; between half as far and twice as far, to be exact, as octaves come and go. `layer` tells noises of
        one seed apart."""
        height, width = grid
        half = torch.tensor([width / 2, height / 2], dtype=torch.float64)
        y, x = torch.meshgrid(*((torch.arange(n).double() * 2 + 1) / n - 1 for n in grid), indexing="ij")
        places = torch.stack([x, y, torch.ones_like(x)], -1) @ self.matrix.T * half  # cells of the picture
        octave = floor(self.size + log2(spacing))
        faded = (self.size + log2(spacing) - octave) * pi / 2
        fine = self._octave(seed, channels, places, octave, layer)
        return (cos(faded) * fine + sin(faded) * self._octave(seed, channels, places, octave + 1, layer))[None]

    def _octave(self, seed: int, channels: int, places: Tensor, octave: int, layer: int) -> Tensor:
        """Values at `places` (h, w, 2) between those on a lattice, of variance 1 everywhere."""
        x, y = (places * 2.0 ** (self.size - octave)).nan_to_num(0, 0, 0).remainder(WRAP).unbind(-1)
        left, top = x.floor(), y.floor()
        across, down = (x - left).float(), (y - top).float()
        layers = [(layer * 1024 + octave) * 1024 + channel for channel in range(channels)]
        total = square = torch.zeros(())
        for i, rows in enumerate((1 - down, down)):
            for j, columns in enumerate((1 - across, across)):
                share = rows * columns
                total = total + share * scattered(seed, layers, top.long() + i, left.long() + j)
                square = square + share**2
        return total / square.sqrt()
