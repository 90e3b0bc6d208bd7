"""Grids of true pictures, rows of one structure and columns of one texture, and the pairs to swap in them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.images import read

CELL = re.compile(r"s(\d{1,4})_t(\d{1,4})\.png")
RENDER = "render it with 'python recipes/landscapes/landscapes.py {} --cells 8x8 --seed 4'"

Place = tuple[int, int]  # (row, column): structure, texture


@dataclass(frozen=True)
class Pair:
    """Two pictures of the grid to swap, and the cell that holds the truth."""

    structure: Place
    texture: Place

    @property
    def truth(self) -> Place:
        return self.structure[0], self.texture[1]


def read_grid(folder: str | Path, size: int | None = None) -> dict[Place, Tensor]:
    """The pictures (1, 3, H, W) of a grid by (row, column). GraftError unless it is whole and of one size."""
    folder = Path(folder)
    found = {(int(m[1]), int(m[2])): path for path in sorted(folder.glob("*.png")) if (m := CELL.fullmatch(path.name))}
    if not found:
        raise GraftError(f"{folder} holds no grid of pictures s0_t0.png, s0_t1.png ...; {RENDER.format(folder)}.")
    rows, columns = (1 + max(index) for index in zip(*found, strict=True))
    if missing := rows * columns - len(found):
        first = next((r, c) for r in range(rows) for c in range(columns) if (r, c) not in found)
        more = f" and {missing - 1} more" if missing > 1 else ""
        raise GraftError(f"{folder} lacks s{first[0]}_t{first[1]}.png{more}; {RENDER.format(folder)}.")
    if min(rows, columns) < 2:
        raise GraftError(f"A grid of {rows} x {columns} has nothing to swap; {RENDER.format(folder)}.")
    cells = {place: read(path, size) for place, path in sorted(found.items())}
    if len(shapes := {tuple(cell.shape[2:]) for cell in cells.values()}) > 1:
        sizes = " and ".join(f"{width} x {height}" for height, width in sorted(shapes)[:2])
        raise GraftError(f"The pictures in {folder} differ in size ({sizes} pixels); {RENDER.format(folder)}.")
    return cells


def draw(cells: Mapping[Place, Tensor], pairs: int, seed: int) -> list[Pair]:
    """Random pairs that differ in structure and in texture."""
    if pairs < 1:
        raise GraftError(f"There must be a pair or more to swap, not {pairs}.")
    rows, columns = (1 + max(index) for index in zip(*cells, strict=True))
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(pairs):
        (row, other_row), (column, other_column) = (rng.choice(n, 2, replace=False).tolist() for n in (rows, columns))
        drawn.append(Pair((row, other_column), (other_row, column)))
    return drawn
