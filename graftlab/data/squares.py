"""The middles of some photos of a source, of one size: what is fitted to photos, and what measures models."""

from collections.abc import Iterator, Sequence, Sized

import numpy as np

from graftlab.data.crops import Size, cut
from graftlab.data.image_source import ImageSource
from graftlab.errors import GraftError
from graftlab.work.parallel import ordered_map
from graftlab.work.progress import Progress, silent

BATCH = 32  # photos at a time


def choose(source: Sized, most: int, seed: int) -> Sequence[int]:
    """Numbers of all photos of a source, or of so many at random, in order."""
    if len(source) <= most:
        return range(len(source))
    return sorted(np.random.default_rng(seed).choice(len(source), most, replace=False).tolist())


def read_squares(
    source: ImageSource,
    chosen: Sequence[int],
    size: Size,
    progress: Progress = silent,
    enlarge: bool = True,  # photos that are smaller
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Central parts (N, height, width, 3) uint8, batch by batch, with the numbers of the photos: of those that can be
    read, and are large enough."""

    def square(index: int) -> np.ndarray | None:
        try:
            return cut(source.read(index), source.names[index], size, "short", enlarge=enlarge)
        except GraftError:
            return None

    squares = ordered_map(square, chosen)
    for start in range(0, len(chosen), BATCH):
        batch = [(index, next(squares)) for index in chosen[start : start + BATCH]]
        if readable := [(index, pixels) for index, pixels in batch if pixels is not None]:
            yield [index for index, _ in readable], np.stack([pixels for _, pixels in readable])
        progress(start + len(batch), len(chosen))
