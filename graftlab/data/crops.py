"""From a photo of any shape to a square of the training size.

Every mode chooses a box, and one filter does the rest. Without a random generator the box is centred, as for
validation images and packs of one crop per photo.
"""

from collections.abc import Callable
from math import exp, log

import numpy as np
from PIL import Image

from graftlab.errors import GraftError
from graftlab.images import open_rgb

Crop = Callable[[Image.Image, int, np.random.Generator | None], np.ndarray]


def resize(photo: Image.Image, size: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """The whole photo, squashed to a square. RGB photo -> (size, size, 3) uint8; rng is not used."""
    return _scaled(photo, size, (0, 0, photo.width, photo.height))


def short(photo: Image.Image, size: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """The short side scaled to `size`, at a random position along the long side. RGB photo -> (size, size, 3) uint8."""
    return _square(photo, size, min(photo.size), rng)


def random(photo: Image.Image, size: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """A square of random scale and place. RGB photo -> (size, size, 3) uint8.

    Its side is log-uniform between `size` pixels and the short side of the photo, so every octave of scale is equally
    likely; it is the whole short side if the photo is no larger than that.
    """
    limit = min(photo.size)
    side = limit
    if rng is not None and limit > size:
        side = min(limit, round(exp(rng.uniform(log(size), log(limit)))))
    return _square(photo, size, side, rng)


CROPS: dict[str, Crop] = {"resize": resize, "short": short, "random": random}


def cut(data: bytes, name: str, size: int, crop: str, rng: np.random.Generator | None = None) -> np.ndarray:
    """Decode an image and crop it to (size, size, 3) uint8. GraftError, naming `name`, if it is not readable."""
    # JPEG may decode at a half, a quarter, ... for a fraction of the cost. Twice the size keeps the result sharp;
    # a random square may need every pixel.
    return crop_mode(crop)(open_rgb(data, name, shrink_to=None if crop == "random" else 2 * size), size, rng)


def crop_mode(name: str) -> Crop:
    """The function for a name in CROPS. GraftError, listing the names, if there is none."""
    if name not in CROPS:
        raise GraftError(f"There is no crop mode {name!r}; choose {', '.join(CROPS)}.")
    return CROPS[name]


def _square(photo: Image.Image, size: int, side: int, rng: np.random.Generator | None) -> np.ndarray:
    """A square of `side` pixels at a random place, or at the centre, as (size, size, 3) uint8."""
    room_x, room_y = photo.width - side, photo.height - side
    if rng is None:
        left, top = room_x // 2, room_y // 2
    else:
        left, top = int(rng.integers(room_x + 1)), int(rng.integers(room_y + 1))
    return _scaled(photo, size, (left, top, left + side, top + side))


def _scaled(photo: Image.Image, size: int, box: tuple[int, int, int, int]) -> np.ndarray:
    # The gap of 3 averages whole pixels first: several times faster on large photos, no visible difference.
    return np.asarray(photo.resize((size, size), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0))
