"""Labelled sheets."""

import pytest
import torch
from claims import refused

from graftlab.figures.fonts import has_letters, lettering
from graftlab.figures.sheets import _fitted, sheet
from graftlab.images import from_uint8, to_uint8


def plain(red, green, blue, height=32, width=32):
    return from_uint8(torch.tensor([red, green, blue], dtype=torch.uint8).expand(1, height, width, 3))


RED, BLUE = plain(255, 0, 0), plain(0, 0, 255)


def count(image, colour):
    return int((to_uint8(image) == colour).all(-1).sum())


def test_pictures_lie_in_order_and_keep_their_pixels():
    green = torch.rand(1, 3, 32, 32) * 2 - 1
    laid = sheet([[RED, BLUE], [None, green]], gap=4)
    assert laid.shape[:2] == (1, 3)
    assert laid.dtype == torch.float32
    pixels = to_uint8(laid)[0]
    height, width = pixels.shape[:2]
    top, left = (height - 68) // 2, (width - 68) // 2
    assert (pixels[top : top + 32, left : left + 32] == (255, 0, 0)).all()
    assert (pixels[top : top + 32, left + 36 : left + 68] == (0, 0, 255)).all()
    assert (pixels[top + 36 : top + 68, left + 36 : left + 68] == to_uint8(green)[0]).all()
    assert (pixels[top + 36 : top + 68, left : left + 32] == 255).all()
    assert (pixels[:top] == 255).all()


def test_smaller_pictures_are_centred():
    pixels = to_uint8(sheet([[plain(9, 9, 9, 64, 48), plain(255, 0, 0, 16, 8)]]))[0]
    ys, xs = (pixels == (255, 0, 0)).all(-1).nonzero()
    gray_ys, gray_xs = (pixels == (9, 9, 9)).all(-1).nonzero()
    assert len(ys) == 16 * 8
    assert ys.min() - gray_ys.min() == gray_ys.max() - ys.max() == 24
    assert xs.min() - gray_xs.max() - 1 == 4 + 20  # the gap, and half of what 48 has over 8
    assert xs.max() - xs.min() == 7


def test_scale_enlarges_by_whole_pixels():
    assert count(sheet([[RED]], scale=3), (255, 0, 0)) == 96 * 96


def test_ragged_rows_are_filled_up():
    assert count(sheet([[RED, RED, RED], [RED]]), (255, 0, 0)) == 4 * 32 * 32


def test_labels_take_their_own_room_and_leave_the_pictures_alone():
    bare = sheet([[RED, BLUE]])
    labelled = sheet([[RED, BLUE]], rows=["structure"], columns=["a", "b"], title="Swaps")
    assert labelled.shape[2] > bare.shape[2]
    assert labelled.shape[3] > bare.shape[3]
    for colour in ((255, 0, 0), (0, 0, 255)):
        assert count(labelled, colour) == 32 * 32
    assert count(bare, (60, 60, 67)) == 0
    assert count(labelled, (60, 60, 67)) > 10


def test_long_labels_do_not_widen_the_sheet_without_end():
    short = sheet([[RED]], rows=["x" * 60], columns=["y"], title="z")
    long = sheet([[RED]], rows=["x" * 600], columns=["y\n" * 300], title="z" * 600)
    assert short.shape == long.shape


def test_labels_of_rows_have_room_for_a_name_and_its_figures():
    label = "autumn-hills: L1 0.092, 19.0 dB"
    fitted, font = _fitted(label, 12, 18 * 12)
    assert fitted == label
    labelled = sheet([[RED]], rows=[label], scale=4)
    assert labelled.shape[3] - sheet([[RED]], scale=4).shape[3] >= font.getlength(label)


def test_a_sheet_is_no_larger_than_a_picture_may_be(monkeypatch):
    monkeypatch.setattr("graftlab.images.MAX_PIXELS", 56 * 56)  # one picture and its margins
    assert sheet([[RED]]).shape[2:] == (56, 56)
    refused("fewer", sheet, [[RED, RED]])


def test_fitted_labels():
    assert _fitted("two\n lines", 12, 1000)[0] == "two lines"
    for width in (0, 12, 40, 64, 100):
        label, font = _fitted("a rather long label", 12, width)
        assert label.endswith("…")
        assert font.getlength(label) <= max(width, font.getlength("…"))
    assert len(_fitted("a rather long label", 12, 64)[0]) > 6


def test_letters_of_every_alphabet_are_drawn_or_replaced(monkeypatch):
    plain, pillows = lettering("plain", 12)
    assert (plain, pillows.getname()[0]) == ("plain", "Aileron")
    for label in ("Größe", "Жук", "北京", "٣"):
        text, font = lettering(label, 12)
        assert has_letters(font, text), label
    monkeypatch.setattr("graftlab.figures.fonts.NAMES", ("no such font.ttf",))  # a system without fonts
    assert [lettering(label, 12)[0] for label in ("Größe", "Жук", "北京")] == ["Grosse", "Zhuk", "BeiJing"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"cells": []},
        {"cells": [[None, None]]},
        {"cells": [[RED]], "rows": ["a", "b"]},
        {"cells": [[RED]], "columns": ["a", "b"]},
        {"cells": [[RED]], "scale": 0},
        {"cells": [[torch.cat([RED, RED])]]},
    ],
)
def test_refused(arguments):
    refused("", sheet, **arguments)
