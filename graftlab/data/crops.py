"""From a photo of any shape to a picture of the training size, a square unless said otherwise.

Every mode chooses a box, and one filter does the rest. Without a random generator the box is centred, as for
validation images and packs of one crop per photo.
"""

from collections.abc import Callable
from math import exp, log

import numpy as np
from PIL import Image

from graftlab.errors import GraftError
from graftlab.images import open_rgb

Size = int | tuple[int, int]
"""Pixels: the side of a square, or height and width."""
Crop = Callable[[Image.Image, Size, np.random.Generator | None], np.ndarray]


def extent(size: Size) -> tuple[int, int]:
    """Height and width, pixels."""
    return (size, size) if isinstance(size, int) else size


def resize(photo: Image.Image, size: Size, rng: np.random.Generator | None = None) -> np.ndarray:
    """The whole photo, squashed to the size. RGB photo -> (height, width, 3) uint8; rng is not used."""
    return _scaled(photo, size, (0, 0, photo.width, photo.height))


def short(photo: Image.Image, size: Size, rng: np.random.Generator | None = None) -> np.ndarray:
    """The largest part in proportion, for a square the short side long, at a random position along the other side.
    RGB photo -> (height, width, 3) uint8."""
    return _part(photo, size, _widest(photo, size), rng)


def random(photo: Image.Image, size: Size, rng: np.random.Generator | None = None) -> np.ndarray:
    """A part of random scale and place. RGB photo -> (height, width, 3) uint8.

    Its width is log-uniform between that of `size` and that of the largest part in proportion, so every octave of
    scale is equally likely; it is the largest one if that is no larger than `size`."""
    wanted, limit = extent(size)[1], _widest(photo, size)
    width = limit
    if rng is not None and limit > wanted:
        width = min(limit, round(exp(rng.uniform(log(wanted), log(limit)))))
    return _part(photo, size, width, rng)


CROPS: dict[str, Crop] = {"resize": resize, "short": short, "random": random}


class TooSmallError(GraftError):
    """A photo is smaller than what is to be cut from it."""


def cut(
    data: bytes,
    name: str,
    size: Size,
    crop: str,
    rng: np.random.Generator | None = None,
    enlarge: bool = True,  # photos that are smaller
) -> np.ndarray:
    """Decode an image and crop it to (height, width, 3) uint8. GraftError, naming `name`, if it is not readable;
    TooSmallError if it would have to be enlarged and may not be."""
    # JPEG may decode at a half, a quarter, ... for a fraction of the cost. Twice the size keeps the result sharp;
    # a random part may need every pixel.
    enough = None if crop == "random" else 2 * max(extent(size))
    photo, (height, width) = open_rgb(data, name, shrink_to=enough), extent(size)
    if not enlarge and (photo.width < width or photo.height < height):
        raise TooSmallError(f"{name} has {photo.width} x {photo.height} pixels, fewer than {width} x {height}.")
    return crop_mode(crop)(photo, size, rng)


def crop_mode(name: str) -> Crop:
    """The function for a name in CROPS. GraftError, listing the names, if there is none."""
    if name not in CROPS:
        raise GraftError(f"There is no crop mode {name!r}; choose {', '.join(CROPS)}.")
    return CROPS[name]


def _widest(photo: Image.Image, size: Size) -> int:
    """Width of the largest part of a photo in proportion, pixels."""
    height, width = extent(size)
    return max(1, round(min(photo.width, photo.height * width / height)))


def _part(photo: Image.Image, size: Size, across: int, rng: np.random.Generator | None) -> np.ndarray:
    """A part so many pixels wide at a random place, or at the centre, as (height, width, 3) uint8."""
    height, width = extent(size)
    down = min(photo.height, max(1, round(across * height / width)))
    room_x, room_y = photo.width - across, photo.height - down
    if rng is None:
        left, top = room_x // 2, room_y // 2
    else:
        left, top = int(rng.integers(room_x + 1)), int(rng.integers(room_y + 1))
    return _scaled(photo, size, (left, top, left + across, top + down))


def _scaled(photo: Image.Image, size: Size, box: tuple[int, int, int, int]) -> np.ndarray:
    # The gap of 3 averages whole pixels first: several times faster on large photos, no visible difference.
    return np.asarray(photo.resize(extent(size)[::-1], Image.Resampling.LANCZOS, box=box, reducing_gap=3.0))
