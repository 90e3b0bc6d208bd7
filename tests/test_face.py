"""The package's face: a small program is run, in few steps; `make lint` checks it as its author would."""

from pathlib import Path

import pytest
import torch
from claims import refused

import graftlab
from graftlab.checkpoints.load import BUNDLED
from graftlab.figures.tables import Table
from graftlab.networks.model import Decoder
from graftlab.networks.translator import Translator
from graftlab.networks.upscalers import Upscaler
from tests import tiny

PROGRAM = Path(__file__).with_name("face.py")
PNG = b"\x89PNG"


def test_a_program_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, photo in (("fuji.jpg", "peaks.jpg"), ("alps.jpg", "stream.jpg")):
        graftlab.write(graftlab.read(BUNDLED / "photos" / photo, size=64, square=True), name)
    names: dict[str, object] = {}
    exec(PROGRAM.read_text().replace("seconds=4", "seconds=0.2").replace("steps=20", "steps=2"), names)
    mixed, found, model = names["mixed"], names["found"], names["model"]
    assert graftlab.read("toon.png").shape == (1, 3, 64, 64)
    assert graftlab.read("a.png").shape == (1, 3, 128, 128)
    assert Path("walk.mp4").stat().st_size > 0
    assert found.codes.model in mixed.ancestors
    again = graftlab.load("mine.safetensors", device="cpu")
    assert again.fingerprint == model.fingerprint
    assert again.about == model.about != {}


def test_a_number_is_an_interpolation():
    a, b = tiny.stylegan2(), tiny.stylegan2(1)
    half = graftlab.blend(a, b, 0.5)
    for name, tensor in half.state_dict().items():
        assert torch.equal(tensor, torch.lerp(a.state_dict()[name], b.state_dict()[name], 0.5))
    assert half.about["blend"] == {"alpha": 0.5}


def test_load_gives_the_kind_that_is_asked_for(tmp_path):
    path = tiny.stylegan2().save(tmp_path / "net.safetensors")
    assert type(graftlab.load(path, Decoder, device="cpu")) is graftlab.StyleGAN2
    refused("is a StyleGAN2, and this needs a Swapping Autoencoder", graftlab.load, path, graftlab.SwappingAutoencoder)
    with pytest.raises(graftlab.GraftError, match="device='cpu'"):
        graftlab.load(path, "cpu")  # type: ignore[call-overload]


def test_networks_without_codes_are_no_decoders():
    for network in (Translator, Upscaler):
        assert not issubclass(network, Decoder)
        assert not hasattr(network, "decode")
    with pytest.raises(TypeError, match="abstract"):
        Decoder()


def test_notebooks_draw_pictures_codes_films_and_tables():
    model, pictures = tiny.model(), tiny.pictures(3)
    codes = model.encode(pictures)
    shown = graftlab.show(codes, model, across=3)
    assert shown._repr_png_().startswith(PNG)
    assert shown.image.shape == (1, 3, 128, 3 * 128)
    assert tiny.differ(shown.image[..., ::4, :128:4], model.decode(codes[0]).clamp(-1, 1)) < 1e-5
    assert graftlab.show([*pictures], labels=["a", "b", "c"])._repr_png_().startswith(PNG)
    assert "SwapCodes</b> of 3: structure" in codes._repr_html_()
    film = graftlab.films.walk(model, codes, seconds=0.4, fps=10)
    assert film._repr_html_().startswith('<figure><img src="data:image/png;base64,')
    assert "<td>0.5000</td>" in Table("Distances", ["l1"], [("mine", [0.5])])._repr_html_()
    for wrong in (lambda: graftlab.show(codes), lambda: graftlab.show([*pictures, pictures[0, :, :8]])):
        with pytest.raises(graftlab.GraftError):
            wrong()


def test_films_take_codes_and_seconds():
    model, codes = tiny.model(), tiny.model().encode(tiny.pictures(2))
    walk = graftlab.films.walk(model, [codes[0], codes[1]], seconds=1, fps=5)
    assert (walk.frames, walk.fps) == (5, 5)
    assert torch.equal(walk.frame(0), model.decode(codes[0]))
    assert torch.equal(walk.frame(4), model.decode(codes[1]))
    melting = graftlab.films.textures(model, codes[0], {0: None, 1: codes[1]}, fps=4)
    assert melting.frames == 12
    assert torch.equal(melting.frame(11), model.decode(codes[0].mix(codes[1], texture=1)))
    assert graftlab.films.ride(model, [codes[0]], seconds=1, fps=2, overlap=1).frame(1).shape == (1, 3, 32, 64)
    dive = graftlab.films.recurse(model, tiny.pictures(), codes[1], seconds=1, fps=3)
    assert torch.equal(dive.frame(2), tiny.pictures())
    a, b = tiny.stylegan2(), tiny.stylegan2(1)
    a.fingerprint = "a" * 64
    change = graftlab.films.blend([a, b], a.codes_of([3]), seconds=1, fps=3)
    assert torch.equal(change.frame(0), a.sample([3]))
    assert torch.equal(change.frame(2), b.decode(graftlab.StyleCodes(a.codes_of([3]).w)))
    held = graftlab.films.walk_seeds(a, [3, 4], seconds=1, fps=3, psi=1, hold=[0])
    three, four = (a.codes_of([seed], psi=1) for seed in (3, 4))
    assert tiny.differ(held.frame(0), a.decode(three)) < 1e-5
    assert tiny.differ(held.frame(2), a.decode(four.style_mix(three, [0]))) < 1e-5
    refused("are for a StyleGAN3", graftlab.films.walk, model, [codes[0]], turn=(0, 90))
    refused("goes in directions", graftlab.films.walk, model, [codes[0]], path="circle")
