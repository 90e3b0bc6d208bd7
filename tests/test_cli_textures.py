"""`graft textures` and `graft novelty`: what Python gives, the same for every seed, and mistakes in one sentence."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from claims import shows
from tiny import new_model, pictures, stylegan2

from graftlab.checkpoints import load as loading
from graftlab.checkpoints.native import save_model
from graftlab.editing.distributions import Distribution, distribution, draw_samples
from graftlab.editing.novelty import measure
from graftlab.figures.sheets import sheet
from graftlab.images import read, read_recipe, to_uint8, write

HILL = "photos/hill.png"
KNOWN = "@render-sunset"
FILE = "w.safetensors"
NOISE = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)).round() * 2 - 1


@pytest.fixture(scope="module")
def fitted(bundle):
    return distribution(loading.load(bundle / "landscapes-128.safetensors", device="cpu"), bundle / "photos", 32)


@pytest.fixture
def weather(graft, fitted):
    """A distribution of the bundled photos, in a file."""
    fitted.save(FILE)
    return fitted


def test_fit_writes_what_python_finds(graft, weather, model, bundle):
    options = ("--axes", 3, "--size", 40, "--most", 11, "--seed", 5)
    assert graft("textures", "fit", bundle / "photos", *options, "-o", "n/w").code == 0
    written, wanted = Distribution.load("n/w"), distribution(model, bundle / "photos", 40, 3, 11, 5)
    assert torch.equal(written.texture.axes, wanted.texture.axes)
    assert (written.model, written.about) == (model.fingerprint, wanted.about)
    before = Path(FILE).read_bytes()
    assert graft("textures", "fit", bundle / "photos", "-o", FILE).code == 0
    assert Path(FILE).read_bytes() == before


def test_samples_are_the_pictures_structure_under_drawn_textures(graft, weather, model):
    command = ("textures", "sample", HILL, "--from", FILE, "--psi", 0.7, "--seed", 4)
    assert graft(*command, "--seeds", "3-5", "-o", "three.png").code == 0
    codes = model.encode(read(HILL, 32, True))
    images = list(draw_samples(model, weather, codes, [3, 4, 5], 0.7, seed=4))
    assert shows(
        "three.png", sheet([images[:2], images[2:]], ["seeds 3, 4", "seed 5"], title="landscapes-256: psi 0.7", scale=4)
    )
    assert graft(*command, "--seeds", "4", "-o", "one.png").code == 0
    assert shows("one.png", images[1])
    assert read_recipe("one.png")["model"] == model.fingerprint
    before = Path("three.png").read_bytes()
    assert graft(*command, "--seeds", "3-5", "-o", "three.png").code == 0
    assert Path("three.png").read_bytes() == before


def test_novelty(graft, weather, model):
    write(pictures(1, seed=9), "new.png")
    told = json.loads(graft("novelty", KNOWN, "new.png", "--from", FILE, "--json").out)
    for entry, path in zip(told, (KNOWN, "new.png"), strict=True):
        found = measure(model, weather, read(path, 32, True))
        assert set(found) == {"texture", "structure", "reconstruction"}
        assert entry == {
            "photo": path,
            **{
                part: {"distance": pytest.approx(one.distance), "percentile": one.percentile}
                for part, (one,) in found.items()
            },
        }
    lines = graft("novelty", KNOWN, "new.png", "--from", FILE).out.splitlines()
    for line, entry in zip(lines, told, strict=True):
        texture, structure = entry["texture"]["percentile"], entry["structure"]["percentile"]
        said = f"{entry['photo']}: texture at percentile {texture:.1f} and structure at percentile {structure:.1f}"
        assert line.startswith(said)
        drawn = entry["reconstruction"]
        level = -20 * math.log10(drawn["distance"])
        assert line.startswith(f"{said}, reconstructed with {level:.1f} dB at percentile {drawn['percentile']:.1f}")
        assert line.endswith("worse than 95 of 100 photos") == (drawn["percentile"] > 95)
    assert [line.endswith("photos") for line in lines] == [False, True]  # the better of the two held out
    unusual = replace(weather, texture=replace(weather.texture, mean=weather.texture.mean + 9))
    unusual.save("far.textures.safetensors")
    (line,) = graft("novelty", KNOWN, "--from", "far.textures.safetensors").out.splitlines()
    assert line.endswith(": unusual in its texture, and yet it comes out as other photos do")
    replace(unusual, errors=None).save("far.textures.safetensors")
    (line,) = graft("novelty", KNOWN, "--from", "far.textures.safetensors").out.splitlines()
    assert line.endswith(": unusual in its texture, which does not tell how it comes out")


@pytest.fixture
def shipped(weather, bundle, tmp_path, monkeypatch):
    """The model and its distribution beside each other, as they come with the package."""
    mine = tmp_path / "other bundle"
    mine.mkdir()
    shutil.copy(bundle / "landscapes-256.safetensors", mine)
    weather.save(mine / "landscapes-256.textures.safetensors")
    monkeypatch.setattr(loading, "BUNDLED", mine)
    write(NOISE, "noise.png")


def test_a_model_may_come_with_its_distribution(graft, shipped):
    for command in (("novelty", HILL, "--json"), ("textures", "sample", HILL, "--seeds", "3-5", "-o")):
        told = [graft(*command, *(["a.png"] if command[-1] == "-o" else []))]
        told.append(graft(*command, *(["b.png"] if command[-1] == "-o" else []), "--from", FILE))
        assert [one.code for one in told] == [0, 0]
        assert told[0].out == told[1].out
    assert (to_uint8(read("a.png")) == to_uint8(read("b.png"))).all()
    assert len(json.loads(graft("models", "--json").out)) == 1


def test_reconstruct_tells_which_pictures_come_out_badly(graft, shipped, bundle):
    known = bundle / "photos" / "stream.jpg"
    result = graft("reconstruct", known, "noise.png", "--json")
    assert result.code == 0
    assert len(json.loads(result.out)) == 2
    (line,) = [line for line in result.err.splitlines() if "worse" in line]
    assert line == "noise.png comes out worse than 95 of 100 photos do with landscapes-256; --refine 100 helps."
    assert "worse" not in graft("reconstruct", "noise.png", "--refine", 1).err


def test_reconstruct_is_quiet_of_models_that_come_with_nothing(graft):
    write(NOISE, "noise.png")
    assert "worse" not in graft("reconstruct", "noise.png").err


def test_a_mixture_is_what_python_finds(graft, model, bundle):
    assert graft("textures", "fit", bundle / "photos", "--mixture", 1, "-o", "one").code == 0
    assert Distribution.load("one").clusters is None
    for i in range(8):
        write(pictures(1, seed=i), f"many/{i}.png")
    shutil.copytree(bundle / "photos", "many", dirs_exist_ok=True)
    assert graft("textures", "fit", "many", "--mixture", 2, "--seed", 3, "-o", "two").code == 0
    written, wanted = Distribution.load("two"), distribution(model, "many", 32, seed=3, clusters=2)
    assert torch.equal(written.clusters.factors, wanted.clusters.factors)
    assert graft("textures", "sample", HILL, "--from", "two", "--seeds", "1").code == 0


def mistakes():
    yield ("textures", "fit", "photos"), "photos has 3 readable pictures; a distribution needs 10"
    yield ("textures", "fit", "nowhere"), "nowhere does not exist"
    yield ("textures", "fit", "photos", "-m", "net"), "net is a StyleGAN2"
    yield ("textures", "fit", "photos", "-m", "other", "-o", "other"), "a file that this command reads"
    yield ("textures", "sample", HILL, "--from", "missing"), "missing: no such file"
    yield ("textures", "sample", HILL, "--from", "other"), "other holds no distribution of textures"
    yield ("textures", "sample", HILL, "--from", FILE, "-m", "other"), "another model"
    yield ("textures", "sample", HILL, "--from", FILE, "--psi", "nan"), "--psi is a finite number"
    yield ("textures", "sample", HILL, "--from", FILE, "--psi", -1), "psi of textures is 0 or more, not -1"
    yield ("textures", "sample", HILL, "--from", FILE, "-o", HILL), "a file that this command reads"
    yield ("textures", "sample", "nowhere.png", "--from", FILE), "nowhere.png"
    yield ("textures", "sample", HILL), "landscapes-256 does not come with the textures of its training"
    yield ("novelty", HILL, "-m", "other"), "other does not come with the textures of its training"
    yield ("textures", "fit", "photos", "--mixture", 0), "Invalid value"
    yield ("textures", "fit", "photos", "--mixture", 2), "a mixture of 2 needs 20"
    yield ("novelty", HILL, "--from", FILE, "-m", "other"), "another model"


def test_mistakes_are_told_in_one_sentence(refuses, weather):
    save_model(Path("other"), new_model(1))
    save_model(Path("net"), stylegan2())
    refuses(mistakes())
