"""`graft blend` and `graft diff`: what they write and tell, and what they refuse."""

import json
from pathlib import Path

import pytest
import tiny
import torch
from PIL import Image
from safetensors import safe_open

from graftlab.blending.blend import blend, blend_many
from graftlab.blending.weights import band, curve, held, interpolate, layer_swap, matrix, only, pinkney, reversed_
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.images import read, read_recipe, to_uint8

A, B, C = "a.safetensors", "b.safetensors", "c.safetensors"
SWAP = ("--swap-at", 8)


@pytest.fixture
def models(graft, kin):
    return kin("stylegan2")


@pytest.fixture
def autoencoders(graft, kin):
    return kin("autoencoder")


def about(path):
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["graftlab"])["about"]


MAPPING_OF_B = {"mapping": 1.0, "average": 1.0}


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (SWAP, layer_swap(8)),
        ((*SWAP, "--level", 1, "--width", 0.5), layer_swap(8, 1, 0.5)),
        ((*SWAP, "--reverse"), reversed_(layer_swap(8))),
        ((*SWAP, "--compat", "pinkney"), pinkney(8)),
        (("--alpha", 0.3), interpolate(0.3)),
        (("--curve", "4:0,8:0.2,32:1"), curve({4: 0, 8: 0.2, 32: 1})),
        (("--band", "8-16"), band(8, 16)),
        ((*SWAP, "--mapping", "b"), held(layer_swap(8), **MAPPING_OF_B)),
        ((*SWAP, "--mapping", "B", "--average", "a"), held(layer_swap(8), mapping=1.0)),
        ((*SWAP, "--affine", "a", "--to-rgb", "b"), held(layer_swap(8), affine=0.0, to_rgb=1.0)),
        ((*SWAP, "--noise", "b", "--strength", "a"), held(layer_swap(8), noise=1.0, strength=0.0)),
    ],
)
def test_ways_to_blend(graft, models, options, rule):
    assert graft("blend", A, B, "-o", "out.safetensors", *options).code == 0
    assert load("out.safetensors", device="cpu").fingerprint == blend(*models[:2], rule).fingerprint


@pytest.mark.parametrize("name", ["rows.json", "rows.yaml"])
def test_many_models(graft, models, name):
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    Path(name).write_text('{"4": [1, 0, 0], "16": [0.5, 0.25, 0.25]}')
    assert graft("blend", A, B, C, "--weights", name, "--mapping", "c").code == 0
    rule = held(matrix({4: (1, 0, 0), 16: (0.5, 0.25, 0.25)}), mapping=(0, 0, 1), average=(0, 0, 1))
    assert load("blend.safetensors", device="cpu").fingerprint == blend_many(models, rule).fingerprint


def test_the_file_tells_where_it_came_from(graft, models):
    assert graft("blend", A, B, *SWAP, "--level", 1).code == 0
    told = about("blend.safetensors")
    assert told["parents"] == [model.fingerprint for model in models[:2]]
    assert told["blend"] == {"swap_at": 8, "level": 1, "width": None}
    assert told["licence"] == "CC0"
    assert told["trained_on"] == "hills and unknown"
    result = graft("blend", "blend.safetensors", "other.safetensors", "--alpha", 0.5, "-o", "x.safetensors")
    assert result.code == 2
    result = graft("blend", "blend.safetensors", A, "--alpha", 0.5, "-o", "x.safetensors")
    assert "names the other as its parent" in result.err.replace("\n", " ")


def test_a_table_of_what_is_whose(graft, models):
    short = graft("blend", A, B, *SWAP).out.splitlines()
    assert len(short) == 5
    assert short[-1].split() == ["synthesis", "32", "px", "0", "1"]
    long = graft("blend", A, B, *SWAP, "--explain").out.splitlines()
    assert [line.split()[0] for line in long] == list(models[0].state_dict())
    told = json.loads(graft("blend", A, B, *SWAP, "--json").out)
    assert set(told["tensors"]) == set(models[0].state_dict())
    assert told["tensors"]["mapping.average"] == {"role": "average", "resolution": 4, "shares": [1, 0]}
    assert told["fingerprint"] == load(told["file"], device="cpu").fingerprint
    assert told["kinship"][0]["verdict"] == "likely"


def test_samples_of_the_same_latents(graft, models):
    command = ("blend", A, B, *SWAP, "--samples", "s.png", "--seeds", "3,5", "--psi", 1)
    assert graft(*command).code == 0
    assert not Path("blend.safetensors").exists()  # which might be an earlier one
    assert graft(*command, "-o", "blend.safetensors").code == 0
    assert read_recipe("s.png")["model"] == load("blend.safetensors", device="cpu").fingerprint
    drawn = torch.as_tensor(to_uint8(read("s.png")))
    for model in (*models[:2], load("blend.safetensors", device="cpu")):
        wanted = torch.as_tensor(to_uint8(model.sample([5])))  # 32 pixels, drawn four times as large
        assert contains(drawn[0], wanted[0].repeat_interleave(4, 0).repeat_interleave(4, 1))


def contains(sheet, picture):
    """Whether a picture (h, w, 3) is somewhere on a sheet."""
    height, width = picture.shape[:2]
    corner = (sheet[: -height + 1, : -width + 1] == picture[0, 0]).all(-1).nonzero()
    return any((sheet[y : y + height, x : x + width] == picture).all() for y, x in corner.tolist())


@pytest.mark.parametrize("part", ["encoder", "generator", "both"])
def test_parts_of_autoencoders(graft, autoencoders, part):
    assert (
        graft("blend", A, B, "--alpha", 0.5, "--part", part, "--samples", "s.png", "-o", "blend.safetensors").code == 0
    )
    rule = interpolate(0.5) if part == "both" else only(part, interpolate(0.5), 0.0)
    assert load("blend.safetensors", device="cpu").fingerprint == blend(*autoencoders, rule).fingerprint
    assert Image.open("s.png").height > 4 * 128


def test_options_of_the_other_kind_are_refused(graft, autoencoders):
    result = graft("blend", A, B, *SWAP, "--compat", "pinkney")
    assert result.code == 2
    assert "--compat is for StyleGAN2s" in result.err
    result = graft("blend", A, B, "--swap-at", 2, "--part", "generator")  # which the encoder has
    assert result.code == 2
    assert "no layers of 2 pixels, only of 8, 16, 32" in result.err.replace("\n", " ")
    result = graft("blend", A, B, *SWAP, "--samples", "s.png", "--seeds", "1")
    assert result.code == 2
    assert "these are autoencoders; name photos" in result.err.replace("\n", " ")


def test_diff(graft, models):
    result = graft("diff", A, B, "-o", "moved.png", "--seeds", "0-1")
    assert result.code == 0
    lines = result.out.splitlines()
    assert "They will probably blend" in lines[0]
    assert any(line.split()[0] == "synthesis.blocks.2.up" for line in lines[2:])
    assert Image.open("moved.png").height > 20 * (len(lines) - 2)
    told = json.loads(graft("diff", A, B, "--seeds", "0-1", "--json").out)
    assert told["inputs"] == 2
    assert {name for layer in told["layers"] for name in layer["tensors"]} == set(models[0].state_dict())
    still = json.loads(graft("diff", A, A, "--seeds", "4", "--json").out)
    assert still["kinship"]["verdict"] == "same"
    assert all(layer["relative"] == 0 and not layer["activations"] for layer in still["layers"])


def test_diff_of_autoencoders_on_photos(graft, autoencoders):
    told = json.loads(graft("diff", A, B, "--photo", "photos/hill.png", "--json").out)
    assert told["inputs"] == 1
    assert next(layer for layer in told["layers"] if layer["layer"] == "generator.to_rgb")["activations"] > 0


def test_photos_of_a_folder_are_not_written_over(graft, autoencoders):
    before = Path("photos/hill.png").read_bytes()
    for command in (("blend", A, B, "--alpha", 0.5, "--samples"), ("diff", A, B, "-o")):
        said = graft(*command, "photos/hill.png", "--photo", "photos").refusal()
        assert "hill.png is a file that this command reads" in said
        assert Path("photos/hill.png").read_bytes() == before


# -- what is refused --------------------------------------------------------------------------------------------------


def test_unrelated_networks_are_refused_unless_forced(graft, models):
    said = graft("blend", A, "other.safetensors", "--alpha", 0.5).refusal()
    assert "trained apart" in said
    assert "--force" in said
    assert not Path("blend.safetensors").exists()
    assert graft("blend", A, "other.safetensors", "--alpha", 0.5, "--force").code == 0


def test_bad_input_is_one_sentence(refuses, models):
    save_model(Path("classes.safetensors"), tiny.stylegan2(classes=3))
    Path("half.json").write_text('{"4": [0.5, 0]}')
    mistakes = (
        ((A, B), "--swap-at"),
        ((A, B, *SWAP, "--alpha", "1"), "one of"),
        ((A, *SWAP), "two models"),
        ((A, B, C, *SWAP), "two models"),
        ((A, B, "--swap-at", "64"), "64 pixels"),
        ((A, B, "--alpha", "0.5", "--level", "0"), "--swap-at"),
        ((A, B, "--alpha", "0.5", "--width", "1"), "--swap-at"),
        ((A, B, "--alpha", "0.5", "--compat", "pinkney"), "--swap-at"),
        ((A, B, *SWAP, "--compat", "other"), "pinkney"),
        ((A, B, "--curve", "4:0;8:1"), "--curve"),
        ((A, B, "--curve", "4:0,4:1"), "4:0,4:1 names a resolution twice"),
        ((A, B, "--band", "16"), "--band"),
        ((A, B, "--band", "8-128"), "128 pixels"),
        ((A, B, "--weights", "none.json"), "none.json"),
        ((A, B, "--weights", "photos/hill.png"), "hill.png"),
        ((A, B, "--weights", "half.json"), "sum to 0.5"),
        ((A, B, "--weights", "half.json", "--reverse"), "--reverse"),
        ((A, B, *SWAP, "--mapping", "c"), "--mapping"),
        ((A, B, *SWAP, "--to-rgb", "0.5"), "--to-rgb"),
        ((A, B, *SWAP, "--part", "encoder"), "--part"),
        ((A, B, *SWAP, "--part", "middle"), "--part"),
        ((A, B, *SWAP, "--samples", "s.txt"), "s.txt"),
        ((A, B, *SWAP, "--samples", "s.png", "--class", "1"), "knows no classes"),
        ((A, B, *SWAP, "--samples", "s.png", "--photo", "none.png"), "none.png"),
        ((A, B, *SWAP, "--photo", "photos"), "--samples; add that, or leave them out"),
        ((A, B, *SWAP, "-o", A), A),
        ((A, B, *SWAP, "-o", "out.pt"), ".safetensors"),
        ((A, "classes.safetensors", *SWAP), "classes (0 and 3)"),
    )
    refuses(mistakes, "blend")
    mistakes = (
        ((A, "classes.safetensors"), "classes"),
        ((A, "none.safetensors"), "none.safetensors"),
        ((A, B, "-o", "chart.txt"), "chart.txt"),
        ((A, B, "--seeds", ""), "--seeds"),
        ((A, B, "--photo", "photos/hill.png"), "--photo is for autoencoders"),
    )
    refuses(mistakes, "diff")
