"""The photos of a folder that a measurement looks at, and the pairs of them that it swaps."""

from pathlib import Path

import numpy as np

from graftlab.data.crops import cut
from graftlab.data.sources import open_photos
from graftlab.errors import GraftError


def read_photos(photos: str | Path, size: int, most: int, seed: int = 0) -> tuple[np.ndarray, int]:
    """At most so many photos as uint8 squares (N, size, size, 3), and how many could not be read."""
    if most < 2:
        raise GraftError(f"Swapping needs at least two photos, not {most}.")
    source = open_photos(photos)
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(len(source), most, replace=False)) if len(source) > most else range(len(source))
    squares, skipped = [], 0
    for index in map(int, chosen):
        try:
            squares.append(cut(source.read(index), source.names[index], size, "short"))
        except GraftError:
            skipped += 1
    if len(squares) < 2:
        found = "one readable photo" if squares else "no readable photo"
        raise GraftError(f"{photos} holds {found}, and a swap needs two: give more.")
    return np.stack(squares), skipped


def draw(photos: int, most: int, seed: int) -> list[tuple[int, int]]:
    """Ordered pairs (structure, texture) of different photos, no pair twice: all, or as many as `most` at random."""
    every = photos * (photos - 1)
    chosen = np.random.default_rng(seed).choice(every, min(every, most), replace=False).tolist()
    return [(k // (photos - 1), (k // (photos - 1) + 1 + k % (photos - 1)) % photos) for k in chosen]
