"""What a StyleGAN2's pictures begin with: seeds, files of codes and photos, in the library and in every command."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from claims import refused
from safetensors.torch import save_file

from graftlab.blending.blend import adopt, blend
from graftlab.blending.inputs import Inputs
from graftlab.blending.weights import layer_swap
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.codes import Codes
from graftlab.editing.directions import Directions
from graftlab.figures.sheets import Layout
from graftlab.images import read, read_recipe, to_uint8, write
from graftlab.inversion import sources
from graftlab.inversion.photos import invert
from graftlab.inversion.sources import CodesFile, Finding, Latent, PhotoFile, find_codes, parse_sources, read_sources

A, B = "a.safetensors", "b.safetensors"
FAST = ("--steps", 3, "--features", 0)
HOW = Finding(steps=3, features=0)


@pytest.fixture
def models(graft):
    """Two kin StyleGAN2s, none of which tells so in its file, a photo for each of two seeds and codes of a third."""
    save_model(Path(A), tiny.stylegan2())
    save_model(Path(B), tiny.tuned(tiny.stylegan2(), 1))
    a, b = (load(path, device="cpu") for path in (A, B))
    for seed in (1, 2):
        write(a.sample([seed]).clamp(-1, 1), f"me {seed}.png")
    a.codes_of([7, 8]).save("codes")
    return a, b


@pytest.fixture
def searches(monkeypatch):
    """How many photos each search was for."""
    found = []

    def counted(model, photos, **options):
        found.append(len(photos))
        return invert(model, photos, **options)

    monkeypatch.setattr(sources, "invert", counted)
    return found


def cell(path, rows, columns, row, column, edge=128):
    """One cell of a sheet of blends as uint8."""
    layout = Layout(len(rows), len(columns), edge, edge, rows, columns, "?")
    pixels, step = to_uint8(read(path))[0], edge + layout.gap
    assert pixels.shape[1::-1] == layout.size
    top, left = layout.top + row * step, layout.left + column * step
    return pixels[top : top + edge, left : left + edge]


def near(cell, picture, scale):
    want = to_uint8(picture)[0].repeat(scale, 0).repeat(scale, 1)
    return np.abs(cell.astype(int) - want).max() <= 1


def test_what_is_named_is_told_by_its_content(models):
    Path("me 1.png").rename("7")  # a picture, though it looks like a seed
    np.savez("w.npz", w=models[0].codes_of([3]).w.numpy())
    named = parse_sources(["3,5-6", Path("codes"), "7", "w.npz", "photos", "me 2.png"])
    files = [PhotoFile(Path("photos") / name) for name in ("hill.png", "lake at dusk.jpg", "海.png")]
    assert named[:3] == [Latent(3), Latent(5), Latent(6)]
    assert named[3:6] == [CodesFile(Path("codes")), PhotoFile(Path("7")), CodesFile(Path("w.npz"))]
    assert named[6:] == [*files, PhotoFile(Path("me 2.png"))]
    refused("nobody.png is no file.*numbers and ranges such as", parse_sources, ["nobody.png"])
    Path("empty").mkdir()
    refused("empty holds no pictures", parse_sources, ["empty"])


def test_sources_are_codes_of_the_model(models):
    a, b = models
    np.savez("w.npz", w=a.codes_of([3]).w.numpy())
    save_file({"latents": a.codes_of([4]).w}, "theirs.safetensors")
    found = read_sources(a, ["5", "codes", "w.npz", "me 1.png", "theirs.safetensors"], psi=0.5, finding=HOW)
    assert [each.name for each in found] == ["seed 5", "codes 0", "codes 1", "w", "me 1", "theirs"]
    assert {each.codes.model for each in found} == {a.fingerprint}
    assert torch.equal(found[0].codes.w, a.codes_of([5], 0.5).w)
    assert torch.equal(found[2].codes.w, Codes.load("codes")[1].w)
    assert torch.equal(found[3].codes.w, a.codes_of([3]).w)
    assert torch.equal(found[4].codes.w, invert(a, ["me 1.png"], steps=3, features=0).codes.w)
    assert torch.equal(found[4].picture, read("me 1.png"))
    assert torch.equal(found[5].codes.w, a.codes_of([4]).w)
    refused("codes of another model than b.*graft invert PHOTO -m b", read_sources, b, ["codes"])
    assert read_sources(b, ["codes"], kin=[a.fingerprint])[0].codes.model == b.fingerprint
    tiny.new_model().encode(tiny.pictures()).save("other")
    told = "other holds codes of another kind than .* draws; find a photo's with 'graft invert PHOTO"
    refused(told, read_sources, a, ["other"])


def test_a_photo_is_searched_for_once(models, searches):
    (a, b), said = models, []
    first = find_codes(a, ["me 1.png"], HOW, tell=said.append)
    again = find_codes(a, ["me 2.png", "me 1.png", "me 2.png"], HOW, tell=said.append)
    assert searches == [1, 1]
    assert torch.equal(again[1].codes.w, first[0].codes.w)
    assert torch.equal(again[0].codes.w, again[2].codes.w)
    assert len(said) == 1
    assert said[0].startswith("me 1.png: ")
    assert "cache" in said[0]
    Path("me 1.png").rename("moved.png")
    find_codes(a, ["moved.png"], HOW)
    assert searches == [1, 1]
    for other in ((a, replace(HOW, steps=2)), (a, replace(HOW, space="w")), (b, HOW)):
        find_codes(other[0], ["moved.png"], other[1])
    assert searches == [1] * 5
    for file in Path("cache/codes").glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-1])
    find_codes(a, ["moved.png"], HOW)
    assert searches == [1] * 6
    assert {path.suffix for path in Path("cache/codes").iterdir()} == {".safetensors"}


def test_a_cache_that_cannot_be_written_is_done_without(models, searches, monkeypatch):
    Path("file").touch()
    monkeypatch.setenv("GRAFTLAB_CACHE", "file")
    find_codes(models[0], ["me 1.png"], HOW)
    find_codes(models[0], ["me 1.png"], HOW)
    assert searches == [1, 1]


def test_sheets_of_photos_and_codes(graft, models, searches):
    a, b = models
    axes = ("--rows", "photos", "--columns", "levels:4,8")
    given = ("--photo", "me 1.png", "--photo", "codes", "--seeds", 3, "--psi", 1)
    assert graft("sheet", A, B, *axes, *given, *FAST, "-o", "s.png").code == 0
    rows, swap = ["seed 3", "me 1", "codes 0", "codes 1"], blend(a, b, layer_swap(8))
    shown = [a.codes_of([3]), invert(a, ["me 1.png"], steps=3, features=0).codes, a.codes_of([7]), a.codes_of([8])]
    for i, codes in enumerate(shown):
        assert near(cell("s.png", rows, ["4", "8"], i, 1), swap.decode(adopt(codes, a, swap)), 4), i
    assert read_recipe("s.png")["w"] == a.fingerprint
    second = graft("sheet", A, B, *axes, *given, *FAST, "--swap-at", 8, "-o", "s.png")
    assert second.code == 2  # levels are an axis
    second = graft("sheet", B, A, "--rows", "alpha:0", "--columns", "photos", "--photo", "codes", "-o", "kin.png")
    assert second.code == 0  # codes of A, in B, which is its kin
    want = b.decode(replace(a.codes_of([7]), model=None))
    assert near(cell("kin.png", ["0"], ["codes 0", "codes 1"], 0, 0), want, 4)
    assert searches == [1]
    assert "me 1.png: codes in a" in graft("sheet", A, B, *axes, *given, *FAST, "-o", "s.png").err.replace("\n", " ")


def test_samples_of_a_blend(graft, models):
    given = ("--photo", "me 1.png", "--samples", "samples.png", *FAST)
    assert graft("blend", A, B, "--swap-at", 8, *given).code == 0
    codes = invert(models[0], ["me 1.png"], steps=3, features=0).codes
    for picture in (read("me 1.png"), *(each.decode(adopt(codes, models[0], each)) for each in models)):
        assert _holds("samples.png", to_uint8(picture)[0].repeat(4, 0).repeat(4, 1))


def test_films_of_photos_and_codes(graft, models):
    a, b = models
    codes = invert(a, ["me 1.png"], steps=3, features=0).codes
    short = ("--frames", 3, "-o", "f/%02d.png", *FAST)
    assert graft("film", "walk", "me 1.png", "7", "codes", "-m", A, *short).code == 0
    assert (to_uint8(read("f/00.png")) == to_uint8(a.decode(codes))).all()
    assert (to_uint8(read("f/02.png")) == to_uint8(a.decode(a.codes_of([8])))).all()
    assert graft("film", "blend", A, B, "--photo", "me 1.png", *short).code == 0
    assert (to_uint8(read("f/02.png")) == to_uint8(b.decode(adopt(codes, a, b)))).all()
    refining = graft("film", "walk", "me 1.png", "7", "-m", A, "--refine", 3).refusal()
    assert "leave out --refine" in refining


def test_photos_in_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, options = tiny.stylegan2(), {"steps": 0, "features": 0}
    write(model.sample([1]).clamp(-1, 1), "one.png")
    alone = invert(model, "one.png", **options)  # a file, and not one for each letter
    assert torch.equal(alone.photos, invert(model, ["one.png"], **options).photos)
    for wrong in (np.zeros((1, 32, 32, 3)), torch.zeros(3, 32, 32), [torch.zeros(32, 32)]):
        refused(r"tensors \(N, 3, H, W\)", invert, model, wrong, **options)
    refused("There are no photos", invert, model, [], **options)
    refused("this is a Swapping Autoencoder", invert, tiny.new_model(), "one.png", **options)
    assert Inputs(photo="one.png").files == [Path("one.png")]
    refused("Seeds are a text here", Inputs, seeds=range(4))


def test_directions_and_mixed_styles(graft, models):
    a, _ = models
    way = torch.randn(1, 16, generator=torch.Generator().manual_seed(0))
    Directions(("one",), way, torch.zeros(16), torch.zeros(1), a.fingerprint, part="w").save("d.safetensors")
    assert graft("directions", "sweep", "me 1.png", "7", "d.safetensors", "-m", A, "--gains", "0,1", *FAST).code == 0
    found = invert(a, ["me 1.png"], steps=3, features=0)
    tile = to_uint8(a.decode(found.codes))[0].repeat(4, 0).repeat(4, 1)
    assert _holds("sweep.png", tile)
    assert _holds("sweep.png", to_uint8(found.photos)[0].repeat(4, 0).repeat(4, 1))
    mixing = ("mix-styles", "-m", A, "--rows", "me 1.png", "--columns", "7", "--columns", "codes", "--layers", "0-2")
    assert graft(*mixing, "--psi", 1, *FAST, "-o", "mixed.png").code == 0
    mixed = a.decode(found.codes.style_mix(a.codes_of([8]), range(3)))
    assert _holds("mixed.png", to_uint8(mixed)[0].repeat(4, 0).repeat(4, 1))
    assert "is a file that this command reads" in graft(*mixing, "-o", "me 1.png").refusal()


def _holds(path, tile):
    """Whether a picture shows another somewhere, to a level of its colours."""
    pixels, size = to_uint8(read(path))[0].astype(int), tile.shape[0]
    corners = np.argwhere((np.abs(pixels[: 1 - size, : 1 - size] - tile[0, 0].astype(int)) <= 1).all(-1))
    return any(np.abs(pixels[y : y + size, x : x + size] - tile).max() <= 1 for y, x in corners)


def test_toonify_takes_photos_blends_and_levels(graft, models, searches):
    a, b = models
    write(tiny.pictures(1, 60, 90), "big.png")
    Path("people").mkdir()
    Path("me 1.png").rename("people/me.png")
    pair = ("--base", A, "--blend", B, *FAST)
    assert (
        graft("toonify", "people", "big.png", *pair, "--levels", "8,16", "--sheet", "s.png", "-o", "x/t.png").code == 0
    )
    codes = invert(a, ["people/me.png", "big.png"], steps=3, features=0).codes
    for photo, i in (("me", 0), ("big", 1)):
        for level in (8, 16):
            made, name = blend(a, b, layer_swap(level)), f"x/t-{photo}-b-{level}.png"
            want = to_uint8(made.decode(adopt(codes[i], a, made)))
            assert (to_uint8(read(name)) == want).all()
            assert _holds("s.png", want[0].repeat(4, 0).repeat(4, 1))
            assert read_recipe(name)["model"] == made.fingerprint
            assert read_recipe(name)["w"] == a.fingerprint
    assert graft("toonify", "big.png", *pair, "--whole", "-o", "whole.png").code == 0
    photo, whole = read("big.png"), read("whole.png")
    assert whole.shape == photo.shape
    assert torch.equal(whole[:, :, :, :15], photo[:, :, :, :15])
    assert not torch.equal(whole[:, :, :, 30:60], photo[:, :, :, 30:60])
    assert searches == [2]  # and the whole photo's are those of its middle
    Codes.cat([codes[0], codes[1]]).save("both")
    said = graft("toonify", "big.png", *pair[:4], "--codes", "both", "-o", "n.png").refusal()
    assert "2 codes and 1 photos" in said
