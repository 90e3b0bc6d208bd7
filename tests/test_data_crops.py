"""Crop modes: what part of a photo ends in the square, and that nothing aliases."""

import numpy as np
import pytest
from claims import refused
from PIL import Image

from graftlab.data import CROPS
from graftlab.data.crops import crop_mode


def ramp(width: int, height: int) -> Image.Image:
    """Red grows from left to right, green from top to bottom: a crop's colours say where it was."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 0 * x], -1).astype(np.uint8))


def extent(square: np.ndarray) -> tuple[int, int, int, int]:
    red, green = square[..., 0], square[..., 1]
    return int(red.min()), int(red.max()), int(green.min()), int(green.max())


@pytest.mark.parametrize("crop", CROPS)
def test_every_shape_gives_the_square_and_a_wide_picture(crop):
    for photo in ((100, 60), (60, 100), (64, 64), (7, 300), (1, 1)):
        for rng in (None, np.random.default_rng(0)):
            square = CROPS[crop](ramp(*photo), 32, rng)
            assert (square.shape, square.dtype) == ((32, 32, 3), np.uint8)
            assert CROPS[crop](ramp(*photo), (16, 32), rng).shape == (16, 32, 3)


def test_resize_shows_all():
    assert extent(CROPS["resize"](ramp(400, 100), 50, None)) == pytest.approx((0, 255, 0, 255), abs=4)


@pytest.mark.parametrize("crop", ["short", "random"])
def test_centre_square_without_a_generator(crop):
    assert extent(CROPS[crop](ramp(400, 200), 50, None)) == pytest.approx((64, 191, 0, 255), abs=4)


def test_short_moves_along_the_long_side_only():
    lefts = set()
    for seed in range(30):
        left, right, top, bottom = extent(CROPS["short"](ramp(400, 200), 50, np.random.default_rng(seed)))
        assert (top, bottom, right - left) == pytest.approx((0, 255, 127), abs=4)
        lefts.add(left)
    assert min(lefts) < 20
    assert max(lefts) > 100


def test_random_scale_is_uniform_in_octaves():
    sides, photo = [], ramp(640, 512)
    for seed in range(300):
        left, right, *_ = extent(CROPS["random"](photo, 32, np.random.default_rng(seed)))
        sides.append((right - left) / 255 * 640)
    octaves = np.histogram(np.log2(sides), bins=4, range=(4.9, 9.1))[0]  # 32 to 512 pixels
    assert octaves.min() > 45


def test_fine_stripes_become_gray():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    for crop in CROPS.values():
        assert np.abs(crop(Image.fromarray(stripes), 32, None).astype(int) - 127).max() < 4


def test_unknown_mode():
    refused("no crop mode 'middle'; choose resize, short, random", crop_mode, "middle")


def test_the_largest_part_in_proportion():
    assert extent(CROPS["short"](ramp(400, 300), (32, 64), None)) == pytest.approx((0, 255, 42, 213), abs=4)
    assert extent(CROPS["short"](ramp(400, 100), (32, 64), None)) == pytest.approx((64, 191, 0, 255), abs=4)
    widths = set()
    for seed in range(30):
        left, right, top, bottom = extent(CROPS["random"](ramp(400, 400), (32, 64), np.random.default_rng(seed)))
        assert right - left == pytest.approx(2 * (bottom - top), abs=6)
        widths.add(right - left)
    assert min(widths) < 80
    assert max(widths) > 200
