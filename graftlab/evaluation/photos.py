"""The photos of a folder that a measurement looks at, and the pairs of them that it swaps."""

from pathlib import Path

import numpy as np

from graftlab.data.crops import Size, extent
from graftlab.data.sources import open_photos
from graftlab.data.squares import choose, read_squares
from graftlab.errors import GraftError


def read_photos(photos: str | Path, size: Size, most: int, seed: int = 0) -> tuple[np.ndarray, int]:
    """At most so many photos as uint8 (N, height, width, 3), and how many could not be read, or have no such detail as
    pictures of that size have, because they are smaller."""
    if most < 2:
        raise GraftError(f"Swapping needs at least two photos, not {most}.")
    source = open_photos(photos)
    chosen = choose(source, most, seed)
    squares = [batch for _, batch in read_squares(source, chosen, size, enlarge=False)]
    count = sum(map(len, squares))
    if count < 2:
        height, width = extent(size)
        raise GraftError(
            f"{photos} holds {'one readable photo' if count else 'no readable photo'} of {width} x {height} pixels or "
            "more, and this needs two: give more, or measure at a smaller size."
        )
    return np.concatenate(squares), len(chosen) - count


def draw(photos: int, most: int, seed: int) -> list[tuple[int, int]]:
    """Ordered pairs (structure, texture) of different photos, no pair twice: all, or as many as `most` at random."""
    every = photos * (photos - 1)
    chosen = np.random.default_rng(seed).choice(every, min(every, most), replace=False).tolist()
    return [(k // (photos - 1), (k // (photos - 1) + 1 + k % (photos - 1)) % photos) for k in chosen]
