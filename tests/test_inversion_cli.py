"""`graft invert`, `toonify` and `train-encoder` at the command line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch

from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.codes import Codes, StyleCodes
from graftlab.images import read, read_recipe, to_uint8, write
from graftlab.inversion import work
from graftlab.inversion.crops import Box, cut, paste

pytestmark = pytest.mark.usefixtures("small_features")

FAST = ("--steps", "6", "--features", "0")
TOONIFY = ("toonify", "0.png", "--base", "base.safetensors", "--blend", "blend.safetensors")


@pytest.fixture
def network(graft):
    """base.safetensors and blend.safetensors, and photos of the base: 0.png, 1.png and big.png."""
    save_model(Path("base.safetensors"), tiny.stylegan2())
    save_model(Path("blend.safetensors"), tiny.stylegan2(seed=1))
    model = load("base.safetensors", device="cpu")
    for seed in range(2):
        write(model.sample([seed]).clamp(-1, 1), f"{seed}.png")
    write(tiny.pictures(1, 60, 90), "big.png")
    return model


def test_codes_a_sheet_and_figures(graft, network):
    done = graft("invert", "0.png", "big.png", "-m", "base.safetensors", "--steps", "40", "--features", "0", "--json")
    assert done.code == 0, done
    codes = Codes.load("codes.safetensors")
    assert codes.w.shape == (2, 8, 16)
    assert codes.model == network.fingerprint
    assert read_recipe("codes.png")["model"] == network.fingerprint
    figures = json.loads(done.out)
    assert [figure["photo"] for figure in figures] == ["0.png", "big.png"]
    assert figures[0]["l1"] < 0.25
    made, photo = network.decode(codes[0]), read("0.png")
    assert figures[0]["l1"] == pytest.approx((made.clamp(-1, 1) - photo).abs().mean().item() / 2, abs=1e-5)
    assert list(Path().glob(".*")) == []
    again = graft("invert", "0.png", "big.png", "-m", "base.safetensors", "--steps", "40", "--features", "0", "-o", "b")
    assert again.code == 0
    assert torch.equal(Codes.load("b").w, codes.w)


def test_features_count_unless_left_out(graft, network):
    assert graft("invert", "0.png", "-m", "base.safetensors", "--steps", "2", "--json").code == 0
    with_features = Codes.load("codes.safetensors").w
    assert graft("invert", "0.png", "-m", "base.safetensors", "--steps", "2", "--features", "0").code == 0
    assert not torch.equal(Codes.load("codes.safetensors").w, with_features)


def test_tuning_writes_a_model_whose_codes_these_are(graft, network):
    assert graft("invert", "0.png", "-m", "base.safetensors", *FAST, "--tune", "5", "-o", "t.safetensors").code == 0
    bent, codes = load("t-model.safetensors", device="cpu"), Codes.load("t.safetensors")
    assert codes.model == bent.fingerprint != network.fingerprint
    bent.decode(codes)
    assert graft("directions", "sefa", "-m", "base.safetensors", "--layers", "0-7", "-o", "w.safetensors").code == 0
    to_old, tuned = ("t.safetensors", "w.safetensors", "-m"), "t-model.safetensors"
    done = graft("directions", "sweep", *to_old, tuned, "-o", "sweep.png")
    assert done.code == 0, done
    assert graft("film", "sweep", *to_old, tuned, "--frames", "2", "-o", "sweep/%d.png").code == 0


def test_a_film_of_the_search(graft, network):
    done = graft("invert", "0.png", "1.png", "-m", "base.safetensors", *FAST, "--film", "film/%02d.png")
    assert done.code == 0, done
    frames = sorted(Path("film").iterdir())
    assert len(frames) == 7
    last = read(frames[-1])
    assert last.shape == (1, 3, 64, 64)
    expected = network.decode(Codes.load("codes.safetensors")[1]).clamp(-1, 1)
    assert (to_uint8(last[:, :, 32:, 32:]) == to_uint8(expected)).all()
    assert (to_uint8(last[:, :, :32, 32:]) == to_uint8(read("1.png"))).all()


def test_an_interrupted_search_goes_on(graft, network, monkeypatch):
    monkeypatch.setattr(work, "SAVE_EVERY", 0.0)
    command = ("invert", "0.png", "-m", "base.safetensors", *FAST, "--tune", "4")
    assert graft(*command, "-o", "whole.safetensors").code == 0
    write_state, written = work.write_tensors, []

    def dying(*given):
        write_state(*given)
        written.append(given[0].name)
        if len(written) == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(work, "write_tensors", dying)
    stopped = graft(*command, "-o", "part.safetensors")
    assert stopped.code == 130
    assert "the same command goes on" in stopped.err.replace("\n", " ")
    assert not Path("part.safetensors").exists()
    assert graft(*command, "-o", "part.safetensors").code == 0
    assert written == ["search.safetensors"] * 6 + ["tuning.safetensors"] * 4
    names = ("whole", "part")
    assert len({load(f"{name}-model.safetensors", device="cpu").fingerprint for name in names}) == 1
    assert torch.equal(*(Codes.load(f"{name}.safetensors").w for name in names))


def test_an_encoder_is_trained_and_used(graft, network):
    trained = graft("train-encoder", "base.safetensors", "--images", "32", "--width", "8", "--features", "0", "--json")
    assert trained.code == 0, trained
    assert set(json.loads(trained.out)[0]) == {"explained", "l1"}
    use = ("invert", "0.png", "1.png", "-m", "base.safetensors", "--encoder", "encoder.safetensors", "--features", "0")
    assert graft(*use).code == 0
    guess = Codes.load("codes.safetensors").w
    assert not torch.equal(guess[0], guess[1])
    assert graft(*use, "--steps", "30", "-o", "found.safetensors").code == 0
    found = Codes.load("found.safetensors").w

    photos = torch.cat([read("0.png"), read("1.png")])
    off = [(network.decode(StyleCodes(w)) - photos).square().mean() for w in (guess, found)]
    assert off[1] < off[0] / 2


def test_toonify_draws_the_codes_of_one_with_the_other(graft, network):
    pair = ("--base", "base.safetensors", "--blend", "blend.safetensors")
    assert graft("invert", "big.png", "-m", "base.safetensors", *FAST).code == 0
    drawn = graft("toonify", "big.png", *pair, *FAST, "-o", "toon.png")
    assert drawn.code == 0
    assert "blend: They will not blend" in drawn.err.replace("\n", " ")
    codes, blend = Codes.load("codes.safetensors"), load("blend.safetensors", device="cpu")
    expected = blend.decode(replace(codes, model=None))
    assert (to_uint8(read("toon.png")) == to_uint8(expected)).all()
    assert graft("toonify", "big.png", *pair, "--codes", "codes.safetensors", "-o", "again.png").code == 0
    assert (to_uint8(read("again.png")) == to_uint8(expected)).all()
    refused = graft("toonify", "big.png", *pair, "--codes", "codes.safetensors", "--steps", 9, "-o", "never.png")
    assert refused.code == 2
    assert "leave them out, or --steps" in refused.err


def test_blends_of_one_name_are_told_by_their_folders(graft, network):
    for run in "xy":
        Path(run).mkdir()
        save_model(Path(run, "last.safetensors"), tiny.tuned(tiny.stylegan2(), ord(run)))
    blends = [f"--blend={run}/last.safetensors" for run in "xy"]
    assert graft("toonify", "big.png", "--base", "base.safetensors", *blends, *FAST, "-o", "toon.png").code == 0
    assert {path.name for path in Path().glob("toon*")} == {"toon-big-x-last.png", "toon-big-y-last.png"}


def test_toonify_pastes_back(graft, network):
    pair = ("--base", "base.safetensors", "--blend", "base.safetensors")
    assert graft("toonify", "big.png", *pair, *FAST, "--box", "20,10,40,40", "-o", "toon.png").code == 0
    photo, result, box = read("big.png"), read("toon.png"), Box(20, 10, 40, 40)
    assert result.shape == photo.shape
    assert torch.equal(paste(photo, cut(result, box, (40, 40), ""), box, 0), result)
    changed = (result != photo).any(1)[0]
    changed[box.area] = False
    assert not changed.any()


def test_what_is_refused(graft, network):
    save_model(Path("large.safetensors"), tiny.stylegan2(channels=(16, 16, 8, 8, 4)))
    before = set(Path().rglob("*"))
    for arguments, says in (
        (("invert", "photos/hill.png", "-m", "large.safetensors"), "photos/hill.png shows 37 x 37 pixels"),
        (("invert", "0.png", "-m", "landscapes-128"), "this needs a StyleGAN."),
        (("invert", "0.png", "-m", "base.safetensors", "--space", "z"), "w or w+, not 'z'"),
        (("invert", "0.png", "-m", "base.safetensors", "-o", "0.png"), "is a file that this command reads"),
        (("invert", "0.png", "-m", "base.safetensors", "--film", "x.txt"), "x.txt"),
        (("invert", "0.png", "-m", "base.safetensors", "--film", "x.mp4", "--steps", "0"), "--film shows a search"),
        (("invert", "0.png", "-m", "base.safetensors", "--encoder", "blend.safetensors"), "holds no encoder"),
        (("invert", "0.png", "-m", "base.safetensors", "--pixels", "0"), "give either a weight"),
        (("invert", "0.png", "-m", "base.safetensors", "--pixels", "nan"), "Weights are from 0 to 1,000,000"),
        (("invert", "0.png", "-m", "base.safetensors", "-o", "codes.png"), "would be one file"),
        (("invert", "0.png", "-m", "base.safetensors", "-o", "s.png", "--film", "s.png"), "would be one file"),
        (("invert", "none.png", "-m", "base.safetensors"), "none.png does not exist"),
        (
            ("toonify", "0.png", "--base", "base.safetensors", "--blend", "large.safetensors"),
            "These models are built differently",
        ),
        (
            ("toonify", "0.png", "--base", "base.safetensors", "--blend", "blend.safetensors", "--box", "0,0,40,40"),
            "reaches beyond 0.png",
        ),
        ((*TOONIFY, "--sheet", "toon.png"), "would be one file"),
        ((*TOONIFY, "photos/hill.png", "hill.png"), "would be one file, toon-hill-blend.png"),
        (("train-encoder", "landscapes-128"), "this needs a StyleGAN."),
    ):
        assert says in graft(*arguments, "--features", "0").refusal()
    assert set(Path().rglob("*")) == before


def test_what_codes_are_refused(graft, network):
    replace(network.codes_of([1]), model="f" * 64).save("alien")
    toonify = ("toonify", "0.png", "--base", "base.safetensors", "--blend", "blend.safetensors", "--codes", "alien")
    assert "alien holds codes of another model" in graft(*toonify).refusal()
    assert "--codes are what a search would find" in graft(*toonify, "--steps", "3").refusal()
