"""Codes that draw their own picture better, held near the encoder's; and videos, each frame after the one before."""

import json
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest
import tiny
import torch
from PIL import Image

from graftlab import hardware
from graftlab.codes import SwapCodes
from graftlab.errors import GraftError
from graftlab.images import psnr
from graftlab.inversion import refine as refining
from graftlab.inversion.refine import Refined, Refining, memory, refine
from graftlab.video.film import Film, render
from graftlab.video.films import footage
from graftlab.video.films.footage import Footage
from graftlab.video.reading import Video

pytestmark = pytest.mark.usefixtures("small_features")

MODEL = tiny.model()
IMAGES = tiny.pictures(3, 30, 32)  # padded, to whole cells
FREE = Refining(steps=20, texture_rate=0.1, structure_near=0, texture_near=0)


@cache
def free():
    return refine(MODEL, IMAGES, FREE)


def drawn(codes):
    return MODEL.decode(codes)


def away(codes, guess, part):
    """Squared distance from the encoder's code, in mean squares of its numbers."""
    a, b = getattr(codes, part), getattr(guess, part)
    return ((a - b).square().mean() / b.square().mean()).item()


def test_refined_codes_draw_their_own_picture_better():
    guess = MODEL.encode(IMAGES)
    told = []

    @contextmanager
    def watch(what, total, unit):
        assert (what, total) == ("refining", 20)
        yield lambda done, total, note: told.append(float(note.removeprefix("loss ")))

    codes = refine(MODEL, IMAGES, FREE, watch=watch)
    assert codes.size == guess.size == (30, 32)
    assert (psnr(drawn(codes), IMAGES) > psnr(drawn(guess), IMAGES) + 1).all()
    assert len(told) == 20
    assert told[-1] < told[0] * 0.8
    assert not codes.structure.requires_grad


def test_noise_takes_over_what_codes_cannot_tell():
    codes, alone = free(), refine(MODEL, IMAGES, replace(FREE, noise_rate=0.0))
    assert codes.noise.shape == (3, 1, 32, 32)
    assert not codes.noise.requires_grad
    assert alone.noise is None
    assert (psnr(drawn(codes), IMAGES) > psnr(drawn(alone), IMAGES) + 0.5).all()
    held = refine(MODEL, IMAGES, replace(FREE, noise_near=100.0)).noise
    usual = refine(MODEL, IMAGES, replace(FREE, steps=0)).noise
    assert (held - usual).square().mean() < 0.1 * (codes.noise - usual).square().mean()
    assert refine(MODEL, IMAGES, FREE, noise="none").noise is None
    wide = replace(codes, noise=codes.noise[..., :16])
    with pytest.raises(GraftError, match="does not go with noise"):
        drawn(wide)


def test_weights_hold_them_near_the_encoders():
    guess = MODEL.encode(IMAGES)
    for part in SwapCodes.parts:
        held = refine(MODEL, IMAGES, replace(FREE, **{f"{part}_near": 100}))
        assert away(held, guess, part) < 0.1 * away(free(), guess, part)
    still = refine(MODEL, IMAGES, replace(FREE, texture_rate=0.0))
    assert torch.equal(still.texture, guess.texture)
    assert not torch.equal(still.structure, guess.structure)


def test_each_picture_is_refined_as_if_it_were_alone():
    together = free()
    alone = refine(MODEL, IMAGES[1:2], FREE)
    assert tiny.differ(alone.structure, together.structure[1:2]) < 1e-4
    assert tiny.differ(alone.texture, together.texture[1:2]) < 1e-4
    assert torch.equal(refine(MODEL, IMAGES, FREE).structure, together.structure)


def test_no_steps_leave_the_encoders_codes():
    guess, same = MODEL.encode(IMAGES), refine(MODEL, IMAGES, Refining(steps=0))
    assert torch.equal(same.structure, guess.structure)
    assert torch.equal(same.texture, guess.texture)


def test_without_memory_it_is_refused(monkeypatch):
    needed = memory(MODEL, 30 * 32)
    assert memory(MODEL, 60 * 64) == pytest.approx(4 * needed, abs=4)
    monkeypatch.setattr(hardware, "free_memory", lambda device: needed)
    refine(MODEL, IMAGES[:1], Refining(steps=1))
    monkeypatch.setattr(hardware, "free_memory", lambda device: needed - 1)
    with pytest.raises(GraftError, match=r"Refining a picture of 32 x 30 pixels needs .* are free; make it smaller"):
        refine(MODEL, IMAGES[:1], Refining(steps=1))
    monkeypatch.setattr(hardware, "free_memory", lambda device: None)  # where that is not told
    refine(MODEL, IMAGES[:1], Refining(steps=1))


# -- videos -----------------------------------------------------------------------------------------------------------


def test_a_frame_begins_with_the_correction_of_the_one_before_unless_that_is_worse(monkeypatch):
    begun = []
    real = refining.refine
    monkeypatch.setattr(
        refining,
        "refine",
        lambda model, images, settings, start, **more: (
            begun.append(start) or real(model, images, settings, start, **more)
        ),
    )
    model = Refined(MODEL, MODEL, FREE)
    guess = MODEL.encode(IMAGES[:1])
    codes, correction = model.follow(IMAGES[:1], None)
    assert torch.allclose(guess.structure + correction.structure, codes.structure, atol=1e-5)
    model.follow(IMAGES[:1], correction)
    assert torch.allclose(begun[1].structure, codes.structure, atol=1e-5)
    model.follow(IMAGES[:1], correction * -10)
    assert torch.equal(begun[2].structure, guess.structure)


@pytest.fixture
def clip(tmp_path):
    wide = tiny.pictures(1, 32, 60)
    film = Film(7, Fraction(10), lambda number: wide[..., 3 * number : 3 * number + 40].contiguous())
    return Video.open(render(film, tmp_path / "clip.mp4", quality=100))


def test_a_film_that_goes_on_has_the_codes_of_one_that_never_stopped(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(footage, "REMEMBERED", 2)
    model = Refined(MODEL, MODEL, replace(FREE, steps=2))
    whole = Footage(model, clip)
    whole.remember(tmp_path, "codes")
    codes = list(whole.play())
    again = Footage(model, clip)
    again.remember(tmp_path, "codes")
    followed = []
    real = Refined.follow
    monkeypatch.setattr(Refined, "follow", lambda self, *given: followed.append(1) or real(self, *given))
    rest = list(again.play(5))
    assert len(followed) == 3  # from frame 4 on, of which the beginning is remembered
    assert all(torch.equal(a.structure, b.structure) for a, b in zip(rest, codes[5:], strict=True))
    assert torch.equal(Footage(model, clip).textures([3]), codes[3].texture)


# -- commands ---------------------------------------------------------------------------------------------------------

HILL, LAKE = "photos/hill.png", "photos/lake at dusk.jpg"


def test_reconstructions_by_refined_codes(graft):
    figures = {}
    for steps in (0, 40):
        result = graft("reconstruct", HILL, LAKE, "--refine", steps, "--json")
        assert result.code == 0, result.err
        figures[steps] = [photo["psnr"] for photo in json.loads(result.out)]
    assert all(refined > plain for plain, refined in zip(figures[0], figures[40], strict=True))


def test_every_command_that_encodes_photos_refines(graft):
    assert graft("select", HILL, "--at", "5,5").code == 0
    for command in (
        ("swap", HILL, LAKE),
        ("grid", "--structures", "photos", "--textures", HILL),
        ("interpolate", HILL, LAKE),
        ("mix", HILL, "-t", LAKE),
        ("regions", HILL, "-t", f"mask.png={LAKE}"),
        ("panorama", HILL, LAKE, "--overlap", 2),
        ("film", "textures", HILL, "-t", f"0:{LAKE}", "--preview"),
        ("film", "walk", HILL, LAKE, "--preview"),
    ):
        shown = {}
        out = "out.mp4" if command[0] == "film" else "out.png"
        for options in ((), ("--refine", 2), ("--refine", 2, "--seed", 0)):
            result = graft(*command, "-o", out, *options)
            assert result.code == 0, result.err
            shown[options] = pixels("out-preview.jpg" if out == "out.mp4" else out)
        plain, refined, again = shown.values()
        assert plain != refined
        assert refined == again


def pixels(path):
    return Image.open(path).tobytes()


def test_refinement_is_for_photos(graft):
    for command in (("film", "walk", "--seeds", "1,2", "--refine", 3), ("film", "blend", "a", "b", "--refine", 3)):
        result = graft(*command)
        assert result.code == 2
        assert "leave out --refine" in " ".join(result.err.split())
