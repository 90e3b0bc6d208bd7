"""`graft guide` at the command line, with a dual encoder of a few words."""

import json
from pathlib import Path

import pytest
import tiny
import torch
from test_language import small

from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.codes import Codes
from graftlab.images import read, read_recipe, write
from graftlab.inversion import work
from graftlab.inversion.following import guide
from graftlab.inversion.guidance import Guiding
from graftlab.language import text_model
from graftlab.objectives.words import Prompt

FAST = ("--words", "words.safetensors", "--steps", "3", "--cutouts", "1")


@pytest.fixture
def words(graft):
    small().save("words.safetensors", {})
    return text_model("words.safetensors", device="cpu")


def test_a_picture_its_codes_a_sheet_and_a_film(graft, words, bundle):
    more = ("--sheet", "steps.png", "--film", "film.gif", "--codes", "found.safetensors", "--json")
    done = graft("guide", "@peaks", "-t", "snow", "-t", "a lake:0.5", "--avoid", "mist", *FAST, *more, "-o", "out.png")
    assert done.code == 0, done
    model = load(bundle / "landscapes-256.safetensors", device="cpu")
    start = model.encode(read("@peaks", 32))
    assert read("out.png").shape == model.decode(start).shape
    found = Codes.load("found.safetensors")
    assert found.model == model.fingerprint
    assert torch.equal(found.structure, start.structure)
    wishes = ["snow", Prompt("a lake", 0.5), Prompt("mist", -1)]
    wanted = guide(model, start, wishes, settings=Guiding(steps=3, cutouts=1), words=words, noise="fixed")
    assert torch.equal(found.texture, wanted.codes.texture)
    (entry,) = json.loads(done.out)
    assert entry == {
        "picture": "peaks",
        "towards": pytest.approx(wanted.towards[0], abs=1e-4),
        "notices": wanted.notices,
    }
    assert wanted.notices[-1].startswith("words does not know 'landscape'")
    assert read("steps.png").shape[3] > 5 * 32
    assert Path("film.gif").stat().st_size > 0
    assert read_recipe("out.png")["command"].startswith("graft guide")
    assert not list(Path().glob(".*"))


def test_codes_go_on_and_masks_confine_them(graft, words, bundle):
    assert graft("encode", "@peaks", "@render-mist", "--square", "-o", "codes.safetensors").code == 0
    white = -torch.ones(1, 3, 32, 32)
    white[..., :16] = 1
    write(white, "mask.png")
    more = ("--mask", "mask.png", "--part", "both", "--codes", "found.safetensors")
    done = graft("guide", "codes.safetensors", "-t", "snow", *FAST, *more, "-o", "out.png")
    assert done.code == 0, done
    found, start = Codes.load("found.safetensors"), Codes.load("codes.safetensors")
    assert len(found) == 2
    assert (
        tiny.differ(found.structure[..., 4:], start.structure[..., 4:])
        < 1e-5
        < tiny.differ(found.structure, start.structure)
    )
    write(tiny.pictures(1, 20, 50), "wide.png")
    refused = graft("guide", "photos/lake at dusk.jpg", "-t", "snow", *FAST, "--mask", "wide.png")
    assert refused.code == 2
    assert (
        "--mask wide.png of 50 x 20 pixels has another shape than lake at dusk, which is read as one of 32 x 32"
        in refused.err
    )
    refused = graft("guide", "codes.safetensors", "-t", "snow", *FAST, "--mask", "wide.png")
    assert refused.code == 2
    assert "--mask wide.png of 50 x 20 pixels has another shape" in refused.err
    write(-torch.ones(1, 3, 32, 32), "black.png")
    refused = graft("guide", "codes.safetensors", "-t", "snow", *FAST, "--mask", "black.png")
    assert "--mask black.png is black all over" in refused.err


def test_a_stylegan2_begins_with_seeds_or_a_photo(graft, words, monkeypatch):
    save_model(Path("base.safetensors"), tiny.stylegan2())
    done = graft(
        "guide", "1,2", "-t", "snow", *FAST, "-m", "base.safetensors", "--space", "w", "--codes", "w.safetensors"
    )
    assert done.code == 0, done
    assert "seed 1: its change" in done.out
    found = Codes.load("w.safetensors")
    assert tiny.differ(found.w[:, 1:], found.w[:, :1].expand_as(found.w[:, 1:])) < 1e-5
    monkeypatch.setattr("graftlab.inversion.photos.STEPS", 2)
    photo = ("guide", "photos/hill.png", "-m", "base.safetensors", *FAST)
    assert graft(*photo, "-t", "snow", "--codes", "photo.safetensors").code == 0
    assert graft("invert", "photos/hill.png", "-m", "base.safetensors", "-o", "found.safetensors").code == 0
    inverted, followed = Codes.load("found.safetensors"), Codes.load("photo.safetensors")
    assert 0 < tiny.differ(followed.w, inverted.w) < 0.5
    assert not list(Path().glob(".*"))
    for source, more, sentence in (
        ("1", ("--part", "texture"), "have no texture"),
        ("seven", (), "seven is no file, and beside files a StyleGAN2 takes numbers and ranges such as 1,4,10-20"),
        ("7-", (), "takes numbers and ranges"),
        ("0-3", ("-m", "landscapes-256"), "0-3 is no file; seeds are for a StyleGAN2, and this model is a Swapping"),
    ):
        refused = graft("guide", source, "-t", "snow", *FAST, "-m", "base.safetensors", *more)
        assert refused.code == 2
        assert sentence in " ".join(refused.err.split())
    assert "seeds such as 0-3 of a StyleGAN2" in " ".join(
        graft("guide", "-t", "snow", "-m", "base.safetensors").err.split()
    )


def test_what_words_mean_is_told_before_codes_of_a_photo_are_searched_for(graft, words, monkeypatch):
    save_model(Path("base.safetensors"), tiny.stylegan2())
    monkeypatch.setattr("graftlab.inversion.sources.invert", lambda *told, **options: pytest.fail("searched"))
    photo = ("guide", "photos/hill.png", "-m", "base.safetensors", *FAST)
    for wishes, sentence in (((), "Say what to become"), (("-t", "qwertz"), "knows none of the words")):
        refused = graft(*photo, *wishes)
        assert refused.code == 2
        assert sentence in refused.err


def test_an_interrupted_command_goes_on(graft, words, monkeypatch):
    monkeypatch.setattr(work, "SAVE_EVERY", 0.0)
    whole = graft("guide", "@peaks", "-t", "snow", *FAST, "--codes", "whole.safetensors", "-o", "whole.png")
    assert whole.code == 0, whole
    write_tensors = work.write_tensors

    def interrupt(file, tensors, header):
        write_tensors(file, tensors, header)
        if header["done"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(work, "write_tensors", interrupt)
    command = ("guide", "@peaks", "-t", "snow", *FAST, "--codes", "again.safetensors", "-o", "again.png")
    stopped = graft(*command)
    assert stopped.code == 130
    assert "goes on from the last state" in stopped.err
    monkeypatch.setattr(work, "write_tensors", write_tensors)
    assert graft(*command).code == 0
    assert torch.equal(Codes.load("again.safetensors").texture, Codes.load("whole.safetensors").texture)
    assert not list(Path().glob(".*"))


def test_wishes_that_are_refused_or_told_of(graft, refuses, words):
    mistakes = (
        ((), "Say what to become"),
        (("-t", "snow:0"), "a weight other than 0"),
        (("-t", "snow:nan"), "must be a finite number"),
        (("-t", ""), "holds no words"),
        (("-t", "夕焼け"), "words knows none of the words of '夕焼け'"),
        (("-t", "snow", "--from", "snow"), "means the same to words as 'snow'"),
        (("-t", "snow", "--like", "none.jpg"), "none.jpg"),
        (("-t", "snow", "--sheet", "out.png"), "would be one file"),
        (("-t", "snow", "--words", "nowhere"), "nowhere"),
    )
    refuses(mistakes, "guide", "@peaks", *FAST, "-o", "out.png")
    told = graft(
        "guide", "@peaks", *FAST, "-t", "snow " * 20 + "lake", "-t", "snow", "--avoid", "snow", "-o", "out.png"
    )
    assert told.code == 0
    assert "too long for words, which leaves out" in " ".join(told.err.split())
    assert "contradict each other" in " ".join(told.err.split())
