"""`graft textures` and `graft novelty`: what Python gives, the same for every seed, and mistakes in one sentence."""

import json
from pathlib import Path

import pytest
import torch
from tiny import new_model, pictures, stylegan2

from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.editing.distributions import Distribution, distribution, samples
from graftlab.images import read, read_recipe, to_uint8, write
from graftlab.sheets import sheet

HILL = "photos/hill.png"
FILE = "w.safetensors"


@pytest.fixture
def model(bundle):
    return load(bundle / "landscapes-128.safetensors", "cpu")


@pytest.fixture
def weather(graft, model, bundle):
    """A distribution of the bundled photos, in a file."""
    known = distribution(model, bundle / "photos", 32)
    known.save(FILE)
    return known


def same(path, image):
    written, wanted = to_uint8(read(path)), to_uint8(image)
    return written.shape == wanted.shape and (written == wanted).all()


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
    images = list(samples(model, weather, codes, [3, 4, 5], 0.7, seed=4))
    assert same("three.png", sheet([images[:2], images[2:]], ["3", "5"], scale=4))
    assert graft(*command, "--seeds", "4", "-o", "one.png").code == 0
    assert same("one.png", images[1])
    assert read_recipe("one.png")["model"] == model.fingerprint
    before = Path("three.png").read_bytes()
    assert graft(*command, "--seeds", "3-5", "-o", "three.png").code == 0
    assert Path("three.png").read_bytes() == before


def test_novelty(graft, weather, model):
    write(pictures(1, seed=9), "new.png")
    told = json.loads(graft("novelty", HILL, "new.png", "--from", FILE, "--json").out)
    for entry, path in zip(told, (HILL, "new.png"), strict=True):
        found = weather.novelty(model.encode(read(path, 32, True)))
        assert entry == {
            "photo": path,
            **{
                part: {"distance": pytest.approx(one.distance), "percentile": one.percentile}
                for part, (one,) in found.items()
            },
        }
    lines = graft("novelty", HILL, "new.png", "--from", FILE).out.splitlines()
    for line, entry in zip(lines, told, strict=True):
        texture, structure = entry["texture"]["percentile"], entry["structure"]["percentile"]
        said = f"{entry['photo']}: texture at percentile {texture:.1f} and structure at percentile {structure:.1f}"
        assert line.startswith(said)
        assert ("may not come out well" in line) == (max(texture, structure) > 99)


@pytest.mark.parametrize("command", ["textures fit", "textures sample", "novelty"])
def test_every_command_has_an_example_in_its_help(graft, command):
    result = graft(*command.split(), "--help")
    assert result.code == 0
    assert f"graft {command} " in result.out.split("Usage:")[1].split("\n", 1)[1]


def mistakes():
    yield ("textures", "fit", "photos"), "photos has 3 readable pictures; a distribution needs 10"
    yield ("textures", "fit", "nowhere"), "nowhere does not exist"
    yield ("textures", "fit", "photos", "-m", "net"), "net is a StyleGAN2"
    yield ("textures", "fit", "photos", "-m", "other", "-o", "other"), "a file that this command reads"
    yield ("textures", "sample", HILL, "--from", "missing"), "missing: no such file"
    yield ("textures", "sample", HILL, "--from", "other"), "other holds no distribution of textures"
    yield ("textures", "sample", HILL, "--from", FILE, "-m", "other"), "another model"
    yield ("textures", "sample", HILL, "--from", FILE, "--psi", "nan"), "psi lies between"
    yield ("textures", "sample", HILL, "--from", FILE, "--seeds", "a"), "--seeds takes numbers"
    yield ("textures", "sample", HILL, "--from", FILE, "-o", HILL), "a file that this command reads"
    yield ("textures", "sample", "nowhere.png", "--from", FILE), "nowhere.png"
    yield ("textures", "sample", HILL), "Missing option"
    yield ("novelty", HILL, "--from", HILL), "hill.png"
    yield ("novelty", HILL, "--from", FILE, "-m", "other"), "another model"
    yield ("novelty", "nowhere.png", "--from", FILE), "nowhere.png"


@pytest.mark.parametrize(("command", "says"), list(mistakes()), ids=str)
def test_mistakes_are_told_in_one_sentence(graft, weather, command, says):
    save_model(Path("other"), new_model(1))
    save_model(Path("net"), stylegan2())
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    result = graft(*command)
    assert (result.code, result.out) == (2, "")
    assert says in " ".join(result.err.split())
    assert "Traceback" not in result.err
    if not result.err.startswith("Usage: "):  # Typer's own, in a frame
        assert [line.startswith("graft: ") for line in result.err.splitlines()][-1]
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
