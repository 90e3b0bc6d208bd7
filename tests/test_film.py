"""Films: the same frames whichever way they are asked for, backwards, to and fro, slowly, and on a sheet."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from claims import refused
from tiny import pictures
from torch import Tensor

from graftlab.images import read, read_recipe
from graftlab.video.film import BLOCK, Film, boomerang, frame_rate, preview, render, reverse, slow


def gray(number: int) -> Tensor:
    """8-bit values, which reversing keeps."""
    return torch.full((1, 3, 16, 24), number * 2 / 255 - 1)


def film(frames: int = 70, **options) -> Film:
    return Film(frames, Fraction(10), gray, recipe={"seed": 1}, **options)


def in_order(frames: int = 70) -> Film:
    """The same, with frames that are cheaper in order."""
    return film(frames, start=lambda first: map(gray, range(first, 10**6)))  # goes on for ever


def numbers(frames) -> list[float]:
    return [round((frame.mean().item() + 1) * 255 / 2, 3) for frame in frames]


@pytest.mark.parametrize("make", [film, in_order])
def test_playing_begins_anywhere_and_ends_at_the_end(make):
    assert numbers(make(9).play()) == list(range(9))
    assert numbers(make(9).play(7)) == [7, 8]
    assert numbers(make(9).play(9)) == []


@pytest.mark.parametrize("make", [film, in_order])
@pytest.mark.parametrize("frames", [1, 2, BLOCK, BLOCK + 1, 70])
def test_reversed_is_every_frame_backwards(make, frames):
    backwards, wanted = reverse(make(frames)), list(range(frames))[::-1]
    assert numbers(backwards.play()) == wanted
    assert numbers(backwards.play(frames // 2)) == wanted[frames // 2 :]
    assert numbers(map(backwards.frame, range(frames))) == wanted


def test_reversed_makes_every_frame_once_and_holds_a_block():
    made = []

    def start(first):
        for number in range(first, 70):
            made.append(number)
            yield gray(number)

    backwards = reverse(film(start=start)).play()
    next(backwards)
    assert len(made) <= BLOCK
    list(backwards)
    assert sorted(made) == list(range(70))


@pytest.mark.parametrize("make", [film, in_order])
@pytest.mark.parametrize(
    ("frames", "wanted"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2, 1]), (5, [0, 1, 2, 3, 4, 3, 2, 1])]
)
def test_boomerang_is_a_loop_without_doubles(make, frames, wanted):
    there_and_back = boomerang(make(frames))
    assert there_and_back.frames == len(wanted)
    assert numbers(map(there_and_back.frame, range(len(wanted)))) == wanted
    for first in range(len(wanted) + 1):
        assert numbers(there_and_back.play(first)) == wanted[first:]


@pytest.mark.parametrize("make", [film, in_order])
def test_slowed_mixes_neighbours_and_keeps_frames(make):
    slower = slow(make(4), 4)
    wanted = [i / 4 for i in range(13)]
    assert slower.frames == 13
    assert slower.fps == 10
    assert numbers(map(slower.frame, range(13))) == wanted
    for first in (0, 1, 4, 7, 12):
        assert numbers(slower.play(first)) == wanted[first:]
    assert torch.equal(slower.frame(8), gray(2))
    assert numbers(slow(make(3), 1).play()) == [0, 1, 2]


@pytest.mark.parametrize("make", [film, in_order])
def test_a_closed_film_is_closed_when_slow_too(make):
    slower = slow(replace(make(3), closed=True), 2)
    wanted = [0, 0.5, 1, 1.5, 2, 1]
    assert slower.closed
    assert slower.frames == 6
    assert numbers(map(slower.frame, range(6))) == wanted
    for first in range(6):
        assert numbers(slower.play(first)) == wanted[first:]


def test_the_three_go_together():
    assert numbers(slow(boomerang(film(3)), 2).play()) == [0, 0.5, 1, 1.5, 2, 1.5, 1, 0.5]
    assert numbers(reverse(slow(in_order(2), 2)).play())[::2] == [1, 0]


def test_what_is_shown_otherwise_is_another_film_without_sound(tmp_path):
    first = film(4, audio=tmp_path / "a.mp3")
    others = [reverse(first), boomerang(first), slow(first, 2), slow(first, 3)]
    assert all(other.audio is None for other in others)
    recipes = [str(each.recipe) for each in (first, *others)]
    assert len(set(recipes)) == 5


# -- preview ----------------------------------------------------------------------------------------------------------


def test_a_preview_shows_frames_at_even_distances_and_makes_no_others(tmp_path):
    asked = []

    def frame(number):
        asked.append(number)
        return gray(number)

    path = preview(Film(100, Fraction(10), frame, recipe={"seed": 5}), tmp_path / "sheet.png", 12)
    assert asked == [0, 9, 18, 27, 36, 45, 54, 63, 72, 81, 90, 99]
    shades = set(read(path).mul(255 / 2).add(255 / 2).round().int().flatten().tolist())
    assert set(asked) <= shades
    assert read_recipe(path) == {"seed": 5}


def test_a_preview_of_fewer_frames_shows_each(tmp_path):
    small = preview(film(3), tmp_path / "few.png")
    assert read(small).shape[3] < read(preview(film(70), tmp_path / "many.png")).shape[3]
    preview(film(1), tmp_path / "one.png")
    refused("one frame", preview, film(3), tmp_path / "none.png", 0)


def test_labels_are_times(tmp_path, monkeypatch):
    labels = []
    from graftlab.video import film as module

    original = module.sheet

    def labelled(cells, columns, title, scale):
        labels.extend(columns)
        assert scale == 8  # frames of 16 pixels
        return original(cells, columns=columns, title=title, scale=scale)

    monkeypatch.setattr(module, "sheet", labelled)
    preview(Film(1501, Fraction(25), lambda number: pictures(1, 16, 16), recipe={}), tmp_path / "s.png", 5)
    assert labels == ["0:00.00", "0:15.00", "0:30.00", "0:45.00", "1:00.00", "", "", ""]


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        (25, Fraction(25)),
        ("12.5", Fraction(25, 2)),
        (29.97, Fraction(30000, 1001)),
        ("23.976", Fraction(24000, 1001)),
        ("24000/1001", Fraction(24000, 1001)),
        (Fraction(60000, 1001), Fraction(60000, 1001)),
        (0.1, Fraction(1, 10)),
        (1, Fraction(1)),
        (24, Fraction(24)),
        (12.99, Fraction(1299, 100)),
        (1000, Fraction(1000)),
    ],
)
def test_rates_are_exact(value, rate):
    assert frame_rate(value) == rate


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "none", "", "1/0", 1001, 1e300])
def test_impossible_rates_are_refused(value):
    refused("frame rate", frame_rate, value)


def test_films_without_frames_or_speed_are_refused(tmp_path):
    refused("one frame", film, 0)
    refused("frame rate", Film, 1, Fraction(0), gray)
    refused("slowed", slow, film(), 0)
    short = film(9, start=lambda first: map(gray, range(first, 5)))
    refused("after 5 of 9", render, short, tmp_path / "frames")
