"""`graft sample`, `graft mix-styles`, and codes of a StyleGAN2 at the command line."""

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from claims import refused, shows
from PIL import Image
from safetensors.torch import save_file

from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.codes import Codes, StyleCodes
from graftlab.figures.sheets import grid_shape, sheet
from graftlab.images import read, read_recipe, to_uint8
from graftlab.work.texts import name_seeds, parse_seeds


@pytest.fixture
def network(graft):
    """A StyleGAN2 in net.safetensors, and a conditional one in classes.safetensors."""
    save_model(Path("net.safetensors"), tiny.stylegan2())
    save_model(Path("classes.safetensors"), tiny.stylegan2(classes=3))
    return load("net.safetensors", device="cpu")


def test_seeds():
    several = {"7": [7], "1,4,10-12": [1, 4, 10, 11, 12], " 3 - 5 , 0": [3, 4, 5, 0], "5-5": [5], "2,2": [2, 2]}
    assert {text: parse_seeds(text) for text in several} == several
    for text in ("", "a", "1,", "-3", "1-", "5-3", "1.5", "99999999999", "0-4294967295", "²"):
        refused(r"--seeds .*\.$", parse_seeds, text)


def test_sheets_are_a_little_wider_than_high():
    assert [grid_shape(count) for count in (1, 2, 3, 6, 16, 17)] == [(1, 1), (1, 2), (2, 2), (2, 3), (4, 5), (4, 5)]


def test_rows_of_a_sheet_are_called_what_they_are():
    names = ["seed 7", "seeds 1, 2", "seeds 1, 4, 10-12", "seeds 5, 4"]
    assert [name_seeds(seeds) for seeds in ([7], [1, 2], [1, 4, 10, 11, 12], [5, 4])] == names


def test_a_sheet_of_samples_tells_model_and_seeds(graft, network, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "graftlab.rendering.sheets.sheet",
        lambda *given, **named: drawn.append((given, named)) or sheet(*given, **named),
    )
    assert graft("sample", "-m", "net.safetensors", "--seeds", "1,4,10-12").code == 0
    (((_, labels), named),) = drawn
    assert (labels, named["title"]) == (["seeds 1, 4, 10", "seeds 11, 12"], "net: psi 0.7")


def test_one_seed_is_one_picture(graft, network):
    assert graft("sample", "-m", "net.safetensors", "--seeds", "7", "--psi", "0.5", "-o", "seven.png").code == 0
    assert shows("seven.png", network.sample([7], psi=0.5))
    assert read_recipe("seven.png")["model"] == network.fingerprint


def test_several_seeds_are_a_sheet_or_files(graft, network):
    assert graft("sample", "-m", "net.safetensors", "--seeds", "0-9").code == 0
    assert Image.open("samples.png").width > 3 * 32
    assert graft("sample", "-m", "net.safetensors", "--seeds", "3,12-20", "--separate", "-o", "s.png").code == 0
    names = sorted(path.name for path in Path().glob("s-*.png"))
    assert names == ["s-0003.png", *(f"s-00{seed}.png" for seed in range(12, 21))]
    alone = to_uint8(network.sample([20], psi=0.7)).astype(int)  # which is rounded otherwise than in a batch
    assert abs(to_uint8(read("s-0020.png")) - alone).max() <= 1


def test_codes_go_to_a_file_and_back(graft, network):
    arguments = ("--seeds", "2,3", "--codes", "codes.safetensors", "--cutoff", "4", "-o", "sheet.png")
    assert graft("sample", "-m", "net.safetensors", *arguments).code == 0
    codes = Codes.load("codes.safetensors")
    assert isinstance(codes, StyleCodes)
    assert torch.equal(codes.w, network.codes_of([2, 3], psi=0.7, cutoff=4).w)
    for options, noise in ((), "const"), (("--noise", "fixed", "--seed", "4"), "fixed"), (("--noise", "none"), "none"):
        assert graft("decode", "codes.safetensors", "-m", "net.safetensors", *options, "-o", "back.png").code == 0
        assert shows("back-001.png", network.decode(codes[1], noise, seed=4))
        assert read_recipe("back-001.png")["noise"] == noise
    assert not shows("back-001.png", network.decode(codes[1]))


def test_other_peoples_latents(graft, network):
    w = network.codes_of([5], psi=1).w[:, 0].numpy()
    np.savez("projected_w.npz", w=w)
    arguments = ("-m", "net.safetensors", "-o", "projected.png")
    assert graft("decode", "projected_w.npz", *arguments).code == 0
    assert shows("projected.png", network.sample([5]))
    save_file({"w": torch.from_numpy(network.codes_of([6], psi=1).w.numpy())}, "theirs.safetensors")
    assert graft("decode", "theirs.safetensors", *arguments).code == 0
    assert shows("projected.png", network.sample([6]))
    np.save("wrong.npy", np.zeros((1, 99), np.float32))
    for arguments in (("wrong.npy", "-m", "net.safetensors"), ("projected_w.npz",), ("photos/hill.png",)):
        assert arguments[0] in graft("decode", *arguments).refusal()


def test_classes(graft, network):
    conditional = load("classes.safetensors", device="cpu")
    assert graft("sample", "-m", "classes.safetensors", "--seeds", "1", "--class", "2", "-o", "two.png").code == 0
    assert shows("two.png", conditional.sample([1], psi=0.7, labels=2))
    for arguments in ((), ("--class", "3")):
        assert "--class" in graft("sample", "-m", "classes.safetensors", "--seeds", "1", *arguments).refusal()
    assert graft("sample", "-m", "net.safetensors", "--class", "0").code == 2


def test_style_mixing_sheet(graft, network):
    arguments = ("--rows", "0,1", "--columns", "4-6", "--layers", "0-2", "-o", "mixed.png")
    assert graft("mix-styles", "-m", "net.safetensors", *arguments).code == 0
    row, column = (network.codes_of([seed], psi=0.7) for seed in (1, 5))  # each by itself, as the sheet's
    mixed = to_uint8(network.decode(row.style_mix(column, range(3))))[0]
    sheet = to_uint8(read("mixed.png"))[0]
    scale = 128 // 32
    wanted = mixed.repeat(scale, 0).repeat(scale, 1)
    places = [
        (y, x)
        for y in range(sheet.shape[0] - wanted.shape[0] + 1)
        for x in range(sheet.shape[1] - wanted.shape[1] + 1)
        if (sheet[y, x] == wanted[0, 0]).all() and (sheet[y : y + 128, x : x + 128] == wanted).all()
    ]
    assert len(places) == 1  # second row, second column of the hybrids
    assert graft("mix-styles", "-m", "net.safetensors", "--layers", "0-99").code == 2


def test_each_command_wants_its_kind_of_model(refuses, network):
    mistakes = (
        (("sample", "-m", "landscapes-128"), "landscapes-128 is a Swapping Autoencoder, and this needs a StyleGAN."),
        (("swap", "photos/hill.png", "photos/hill.png", "-m", "net.safetensors"), "needs a Swapping Autoencoder"),
        (("eval", "folder", "photos", "-m", "net.safetensors"), "needs a Swapping Autoencoder"),
        (("sample", "-m", "net.safetensors", "--noise", "loud"), "noise must be one of const"),
        (("sample", "-m", "net.safetensors", "--seeds", "x"), "--seeds takes numbers"),
        (("sample", "-m", "net.safetensors", "--psi", "nan"), "--psi is a finite number, such as 0.7, not nan"),
        (("mix-styles", "-m", "net.safetensors", "--psi", "inf"), "--psi is a finite number"),
        (("sample", "-m", "net.safetensors", "--codes", "net.safetensors"), "is a file that this command reads"),
        (("sample", "-m", "net.safetensors", "--codes", "samples.png"), "would be one file"),
        (("sample",), "--model"),
    )
    refuses(mistakes)
