"""Frames of pictures, how FFHQ frames a face, and the networks that find them."""

import json
import math
from dataclasses import asdict
from pathlib import Path

import pytest
import tiny
import torch
from claims import refused

from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.codes import Codes
from graftlab.images import read, read_recipe, write
from graftlab.images.frames import Frame
from graftlab.inversion import faces
from graftlab.inversion.faces import Face, find_faces
from graftlab.inversion.redrawing import draw_comparison, redraw
from graftlab.inversion.sources import Finding, read_sources
from graftlab.perception.mtcnn import LAYERS, network

PHOTO = tiny.pictures(1, 60, 90)
UPRIGHT = torch.tensor([[40.0, 30.0], [60.0, 30.0], [50.0, 40.0], [42.0, 52.0], [58.0, 52.0]])


def smooth(height: int, width: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height) / 9, torch.arange(width) / 11, indexing="ij")
    return torch.stack([x.sin(), y.cos(), (x + y).sin()])[None] * 0.8


def test_a_frame_that_lies_straight_on_pixels_is_cut_as_it_is_and_one_turned_by_a_quarter_is_turned():
    piece = PHOTO[:, :, 5:37, 10:42]
    assert torch.allclose(Frame(26, 21, 32, 32).cut(PHOTO, (32, 32)), piece, atol=1e-5)
    turned = Frame(26, 21, 32, 32, math.pi / 2).cut(PHOTO, (32, 32))
    assert torch.allclose(turned, piece.rot90(1, (2, 3)), atol=1e-5)


def test_beyond_the_border_a_picture_is_mirrored_or_gray():
    mirrored = Frame(0, 30, 20, 20).cut(PHOTO, (20, 20))
    assert torch.allclose(mirrored, mirrored.flip(3), atol=1e-5)
    assert not Frame(-20, 30, 20, 20).cut(PHOTO, (20, 20), "zeros").any()


def test_what_is_cut_goes_back_where_it_was():
    picture, frame = smooth(120, 160), Frame(80, 60, 50, 50, 0.4)
    pasted = frame.paste(picture, frame.cut(picture, (100, 100)))
    assert (pasted - picture).abs().max() < 0.01
    white = frame.paste(torch.zeros(1, 3, 120, 160), torch.ones(1, 3, 50, 50))
    assert white[0, 0, 60, 80] == 1
    assert not white[:, :, :20].any()
    assert 0.6 < white[0, 0].sum() / 50**2 < 1  # soft along its edge


def test_colours_along_the_edge_become_the_pictures():
    picture = torch.full((1, 3, 80, 80), 0.3)
    pasted = Frame(40, 40, 40, 40).paste(picture, torch.full((1, 3, 40, 40), -0.2), match=True)
    assert torch.allclose(pasted, picture, atol=1e-5)


@pytest.mark.parametrize("degrees", [-60, -25, 0, 40, 60, 180])
def test_ffhqs_frame_turns_with_the_face(degrees):
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    frame = Face((UPRIGHT - 50) @ turn + 50, 50, 1.0).frame()
    assert math.isclose(math.cos(frame.angle - angle), 1, abs_tol=1e-6)
    # 4 distances of the eyes, of 20 pixels, are more than 3.6 from eyes to mouth, of 22: the middle is a tenth below
    assert (frame.width, frame.height) == pytest.approx((80, 80), abs=1e-3)
    x, y = ((torch.tensor([50.0, 32.2]) - 50) @ turn + 50).tolist()
    assert (frame.x, frame.y) == pytest.approx((x, y), abs=1e-3)


@pytest.mark.parametrize("name", LAYERS)
def test_the_last_layers_see_the_map_as_tensorflow_flattens_it(name):
    layers, heads = LAYERS[name]
    arrays, before, generator = [], 3, torch.Generator().manual_seed(0)
    for i, (channels, kernel, _) in enumerate(layers):
        whole = i == len(layers) - 1 and name != "pnet"
        shape = (kernel * kernel * before, channels) if whole else (kernel, kernel, before, channels)
        arrays += [torch.randn(shape, generator=generator) / 9, torch.zeros(channels), torch.full((channels,), 0.25)]
        before = channels
    for n in heads:
        arrays += [torch.randn(before, n, generator=generator), torch.zeros(n)]
    net, side = network(name, [each.numpy() for each in arrays]), {"pnet": 12, "rnet": 24, "onet": 48}[name]
    picture = torch.randn(2, 3, side, side, generator=generator)
    out = net(picture)
    assert out.shape == (2, sum(heads), 1, 1)
    if name != "pnet":
        seen = net[:-3](picture).permute(0, 3, 2, 1).flatten(1) @ arrays[-2 * len(heads) - 3]
        assert torch.allclose(net[:-2](picture).flatten(1), seen, atol=1e-5)


def test_where_there_is_no_face_none_is_found():
    assert find_faces(smooth(48, 64)) == []


def test_all_faces_of_a_photo_are_redrawn_where_they_are(monkeypatch):
    base, photo = tiny.stylegan2(), smooth(120, 200)
    pair = [Face(UPRIGHT, 50, 1.0), Face(UPRIGHT + torch.tensor([90.0, 10.0]), 40, 1.0)]
    monkeypatch.setattr(faces, "find_faces", lambda picture: pair)
    codes = base.codes_of([1, 2], 1.0)
    (made,) = redraw([photo], base, {"": base}, codes=codes, finding=Finding(faces="all"))
    changed = (made.image != photo).any(1)[0]
    assert len(made.after) == 2
    assert changed[32, 50]
    assert changed[42, 140]
    assert not changed[:, 91:99].any()
    name, rows = base.config.size, draw_comparison([made]).shape[2]
    assert rows > 2 * name  # a row of the sheet for each face
    refused("leave out --box", lambda: [*redraw([photo], base, {"": base}, "0,0,64,64", finding=Finding(faces="all"))])
    refused("largest or all", lambda: [*redraw([photo], base, {"": base}, finding=Finding(faces="most"))])
    monkeypatch.setattr(faces, "find_faces", lambda picture: [])
    refused("the photo shows no face", lambda: [*redraw([photo], base, {"": base}, finding=Finding(faces="all"))])


def test_faces_of_photos_have_codes_in_every_view_and_photos_without_are_left_out_of_many(monkeypatch, graft):
    save_model(Path("a.safetensors"), tiny.stylegan2())
    model, said = load("a.safetensors", device="cpu"), []
    pair = [Face(UPRIGHT, 50, 1.0), Face(UPRIGHT + torch.tensor([90.0, 10.0]), 40, 1.0)]
    write(smooth(120, 200), "pair.png")
    write(torch.zeros(1, 3, 64, 64), "sky.png")
    monkeypatch.setattr(faces, "find_faces", lambda picture: pair if picture.shape[3] == 200 else [])
    fast = {"steps": 1, "features": 0}
    found = read_sources(model, ["3", "pair.png", "4"], finding=Finding(**fast, faces="all"))
    assert [each.name for each in found] == ["seed 3", "pair", "pair", "seed 4"]
    for face, source in zip(pair, found[1:3], strict=True):
        assert torch.equal(source.picture, face.frame().cut(read("pair.png"), (32, 32)))
    largest = Finding(**fast, faces="largest")
    (one,) = read_sources(model, ["pair.png"], finding=largest, tell=said.append)
    assert torch.equal(one.codes.w, found[1].codes.w)  # from the cache: its pixels are the same
    assert "found before" in said[0]
    assert not torch.equal(read_sources(model, ["pair.png"], finding=Finding(**fast))[0].picture, one.picture)
    done = graft("invert", "pair.png", "-m", "a.safetensors", "--steps", 1, "--features", 0, "--faces", "all", "--json")
    assert done.code == 0, done
    assert Codes.load("codes.safetensors").w.shape[0] == 2
    frames = [asdict(face.frame()) for face in pair]
    assert read_recipe("codes.png")["frames"] == frames
    assert [entry["frame"] for entry in json.loads(done.out)] == frames
    refused("sky.png shows no face", read_sources, model, ["pair.png", "sky.png"], finding=largest)
    made = list(redraw(["sky.png", "pair.png"], model, {"": model}, finding=largest, tell=said.append))
    assert [each.name for each in made] == ["pair"]
    assert any(text.startswith("sky.png shows no face") and "left out" in text for text in said)
    refused("None of the 2 photos", lambda: [*redraw(["sky.png"] * 2, model, {"": model}, finding=largest)])
