"""Networks from words: what learns, from what, and that a run stopped and resumed is the one that was not."""

import json

import pytest
import tiny
import torch
from planted_words import Colours
from training_fixture import CPU, files, make_photos

import graftlab
from graftlab.checkpoints.readers import open_model
from graftlab.errors import GraftError
from graftlab.training.run import Run
from graftlab.training.start import configure_finetuning
from graftlab.training.trainers import new_trainer

pytestmark = pytest.mark.usefixtures("small_features")

RED = {"text": "red", "neutral": "grey"}
SHORT = {"precision": "float32", "record_every": 2, "snapshot_every": 8}


@pytest.fixture(autouse=True)
def colours(monkeypatch):
    monkeypatch.setattr("graftlab.training.words.text_model", lambda *told: Colours())


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases")
    return {
        "stylegan2": (tiny.stylegan2().save(folder / "style.safetensors"), None),
        "swapping": (tiny.new_model().save(folder / "swap.safetensors"), make_photos(folder / "photos", 6)),
    }


def learning(base, photos, **settings):
    return configure_finetuning(base, photos, device="cpu", **{**RED, **SHORT, **settings})


@pytest.mark.parametrize("kind", ["stylegan2", "swapping"])
def test_what_draws_learns_the_words_and_all_else_stays(bases, kind):
    one = new_trainer(learning(*bases[kind]), CPU)
    base = open_model(bases[kind][0])
    assert one.adopt(base)
    images = tiny.pictures(2)
    away = [one.step(images)["G_words"] for _ in range(40)]
    assert away[0] == pytest.approx(1, abs=1e-5)  # both copies drew the same
    assert sum(away[-5:]) / 5 < 0.6
    assert one.seen == 80
    assert one.optimizers["model"].defaults["lr"] == pytest.approx(0.002 * 4 / 5)
    assert one.optimizers["model"].defaults["betas"] == (0, pytest.approx(0.99 ** (4 / 5)))
    for name, weight in one.model.state_dict().items():
        assert torch.equal(one.discriminators.state_dict()[name], base.tensors[name])
        stays = name.startswith(("mapping", "encoder")) or "to_rgb" in name or "rgb_bias" in name
        buffer = name not in dict(one.model.named_parameters())
        assert torch.equal(weight, base.tensors[name]) == (stays or buffer), name


@pytest.mark.parametrize("kind", ["stylegan2", "swapping"])
def test_stopped_and_resumed_is_the_same_run(bases, kind, tmp_path):
    config = learning(*bases[kind], images=16)
    assert Run(tmp_path / "whole", config, CPU).train()
    calls = iter(range(100))

    def stop(*_):
        if next(calls) == 6:  # between snapshots: what was saved is 8 images in
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Run(tmp_path / "parts", config, CPU).train(stop)
    again = Run(tmp_path / "parts", config, CPU)
    assert again.trainer.seen == 8
    assert again.train()
    whole, parts = (files(tmp_path / name) for name in ("whole", "parts"))
    different = {name for name in whole if whole[name] != parts.get(name)}
    assert different <= {"stats.jsonl", "report.html"}  # lines of before the stop, and when
    assert {f"models/{n:09d}.safetensors" for n in (8, 16)} < set(whole)
    assert ("samples/reals.jpg" in whole) == (kind == "swapping")


def test_snapshots_know_their_parent_and_blend_with_it(bases, tmp_path):
    base = graftlab.load(bases["stylegan2"][0], graftlab.StyleGAN2, device="cpu")
    last = graftlab.finetune(bases["stylegan2"][0], None, tmp_path / "run", device="cpu", images=16, **RED, **SHORT)
    made = graftlab.load(last, graftlab.StyleGAN2, device="cpu")
    assert made.about["parent"] == base.fingerprint
    assert made.about["training"]["text"] == "red"
    codes = base.codes_of([3])
    moved = Colours().images(made.decode(codes)) - Colours().images(base.decode(codes))
    assert moved[0, 0] > 0
    half = graftlab.blend(base, made, 0.5)
    assert half.decode(codes).shape == (1, 3, 32, 32)


def test_the_command(graft, bases, tmp_path):
    base, photos = bases["stylegan2"][0], bases["swapping"][1]
    asked = ("finetune", base, "--text", "red", "--from", "grey", "--device", "cpu", "--run")
    result = graft(*asked, "one", "--iterations", 4, "--snapshot-every", 4, "--precision", "float32")
    assert result.code == 0, result
    assert result.err.rstrip().endswith("one/last.safetensors")
    assert [path.name for path in sorted((tmp_path / "one" / "models").iterdir())] == [
        "000000004.safetensors",
        "000000008.safetensors",
    ]
    assert json.loads((tmp_path / "one" / "config.json").read_text())["text_model"] == "graft-mini"
    for more, says in (
        ((photos,), "A StyleGAN needs no photos to learn from --text"),
        (("--recipe", "projected"), "--recipe is for who learns from photos"),
        (("--adapt", "0.3"), "--adapt is for who learns from photos"),
        (("--weight", "r1=3"), "--r1 is for who learns from photos"),
        (("--iterations", "3", "--images", "6"), "--iterations is the length of a run with --text"),
        (("--text", " "), "The phrase is empty"),
        (("--text", "grey"), "means the same to colours as 'grey'"),
        (("--text", "qwertz"), "knows none of the words of 'qwertz'"),
    ):
        result = graft(*asked, "runs/two", *more)
        assert result.code == 2
        assert says in result.err.replace("\n", " "), result
        assert not (tmp_path / "runs").exists()
    for arguments, says in (
        ((base, "--run", "three"), "or a phrase that says what to become (--text)"),
        ((base, photos, "--run", "three", "--from", "grey"), "--from goes with --text"),
        ((base, photos, "--run", "three", "--iterations", "3"), "--iterations is the length of a run with --text"),
    ):
        assert says in graft("finetune", *arguments).err.replace("\n", " ")


def test_settings_that_contradict_each_other(bases):
    config = learning(*bases["swapping"])
    with pytest.raises(GraftError, match="needs text, neutral and text_model"):
        type(config).from_dict({**config.to_dict(), "neutral": ""})
    with pytest.raises(GraftError, match="--augment is for who learns from photos"):
        learning(*bases["swapping"], augment=("colour",))
