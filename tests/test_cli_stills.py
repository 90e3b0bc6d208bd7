"""Panoramas, woven pictures, regions, mixtures and selections: what is written, and what is refused."""

import shutil
from pathlib import Path

import pytest
import torch
from claims import shows
from PIL import Image
from tiny import lay_beside

from graftlab.checkpoints.load import load
from graftlab.editing import blends, masks
from graftlab.editing.directions import Directions, directions_beside
from graftlab.editing.distributions import Distribution, beside
from graftlab.editing.tiles import Tiled
from graftlab.images import read, read_recipe, to_tensor, to_uint8, write
from graftlab.networks.swapping import SwappingAutoencoder

BESIDE = ((Directions, directions_beside), (Distribution, beside))
HILL, LAKE, SEA = "photos/hill.png", "photos/lake at dusk.jpg", "photos/海.png"


def codes(model, *paths, square=False):
    return [model.encode(read(path, 32, square)) for path in paths]


def paint(name, where, size=(20, 10)):
    """A mask file, which says that graftlab wrote it: white in this box, shares of the sides."""
    image = Image.new("L", size)
    box = tuple(int(share * side) for share, side in zip(where, size * 2, strict=True))
    image.paste(255, box)
    write(to_tensor(image.convert("RGB")), name)


# -- what is written --------------------------------------------------------------------------------------------------


def test_panorama(graft, model):
    a, b = codes(model, HILL, LAKE)
    assert graft("panorama", HILL, LAKE, "--overlap", 4, "--size", 32).code == 0
    assert shows("panorama.png", model.decode(blends.panorama([a, b], 4)))
    assert Image.open("panorama.png").size == ((11 + 8 - 4) * 4, 32)
    assert read_recipe("panorama.png")["command"] == f"graft panorama {HILL} '{LAKE}' --overlap 4 --size 32"
    options = ("--overlap", "17px", "--fade", "4px", "--how", "stack", "--size", 32)
    assert graft("panorama", LAKE, LAKE, LAKE, *options).code == 0
    assert shows("panorama.png", model.decode(blends.panorama([b, b, b], 4, 1.0, "stack")))
    assert graft("panorama", LAKE, HILL, LAKE, "--overlap", "2,12px", "--fade", "0,4px", "--size", 32).code == 0
    assert shows("panorama.png", model.decode(blends.panorama([b, a, b], [2, 3], [0.0, 1.0])))


def test_textures_of_a_panorama(graft, model):
    a, b, c = codes(model, HILL, LAKE, SEA)
    joined = blends.panorama([a, b], 2)
    for options, wanted in (
        ((), joined),
        (("seam",), joined),
        (("mix",), blends.mixture(joined, [a, b], [1, 1])),
        ((HILL,), blends.mixture(joined, [a], [1])),
        ((f"{SEA}:3", f"{LAKE}:1"), blends.mixture(joined, [c, b], [3, 1])),
    ):
        flags = [word for option in options for word in ("--texture", option)]
        assert graft("panorama", HILL, LAKE, "--overlap", 2, "--size", 32, *flags).code == 0
        assert shows("panorama.png", model.decode(wanted))


def test_structures_that_join_are_read_at_the_smaller_ones_size(graft, model):
    a, b = (model.encode(read(path, 37)) for path in (HILL, LAKE))
    assert graft("panorama", HILL, LAKE, "--overlap", 4).code == 0
    assert shows("panorama.png", model.decode(blends.panorama([a, b], 4)))


@pytest.mark.parametrize("how", masks.HOW)
def test_weave_in_bands(graft, model, how):
    pair = codes(model, HILL, LAKE, SEA, square=True)
    assert graft("weave", HILL, LAKE, SEA, "--square", "--size", 32, "--along", how, "--fade", "8px").code == 0
    shares = masks.bands(3, (8, 8), how, 2)
    assert shows("woven.png", model.decode(blends.weave(pair, [shares[1:2], shares[2:]])))


def test_weave_along_a_mask(graft, model):
    paint("mask.png", (0.5, 0, 1, 1))
    pair = codes(model, HILL, LAKE, square=True)
    options = ("--square", "--size", 32, "--along", "mask.png", "--fade", 1, "-t", "mix")
    assert graft("weave", HILL, LAKE, *options).code == 0
    share = masks.soften(masks.resize(masks.read("mask.png"), (32, 32)), 4)
    assert shows("woven.png", model.decode(blends.mixture(blends.weave(pair, [share]), pair, [1, 1])))


def test_regions(graft, model):
    paint("left.png", (0, 0, 0.6, 1))
    paint("low.png", (0, 0.5, 1, 1), (70, 70))
    three = codes(model, HILL, LAKE, SEA)
    assert graft("regions", HILL, "-t", f"left.png={LAKE}", "-t", f"low.png={SEA}", "--soft", 6, "--size", 32).code == 0
    shares = [masks.soften(masks.resize(masks.read(name), (32, 44)), 6) for name in ("left.png", "low.png")]
    assert shows("regions.png", model.decode(blends.weave(three, shares, "texture")))


def test_a_white_mask_is_a_swap(graft):
    paint("white.png", (0, 0, 1, 1))
    assert graft("regions", HILL, "-t", f"white.png={LAKE}", "--noise", "none").code == 0
    assert graft("swap", HILL, LAKE, "--noise", "none").code == 0
    difference = to_uint8(read("regions.png")).astype(int) - to_uint8(read("swap.png"))
    assert abs(difference).max() <= 1


def test_mix(graft, model):
    a, b, c = codes(model, HILL, LAKE, SEA)
    assert graft("mix", HILL, "-t", f"{LAKE}:0.5", "-t", SEA, "--own", 0.25, "--size", 32).code == 0
    assert shows("mix.png", model.decode(blends.mixture(a, [a, b, c], [0.25, 0.5, 1])))
    assert graft("mix", HILL, "-t", LAKE, "--size", 32).code == 0
    assert shows("mix.png", model.decode(a.mix(b, texture=1)))
    Path("a:1").write_bytes(Path(LAKE).read_bytes())  # a name with a colon
    for text in ("a:1", "a:1:2"):
        assert graft("mix", HILL, "-t", text, "--size", 32).code == 0
        assert shows("mix.png", model.decode(a.mix(b, texture=1)))


def test_edit(graft, bundle):
    shutil.copy(bundle / "landscapes-128.safetensors", "own.safetensors")
    model = load("own.safetensors", SwappingAutoencoder, device="cpu")
    lay_beside(Path("own.safetensors"), model)
    directions, known = (each.load(beside("own.safetensors")) for each, beside in BESIDE)
    paint("left.png", (0, 0, 0.6, 1))
    a, b = codes(model, HILL, LAKE)
    mask = masks.resize(masks.read("left.png"), (32, 44))
    woven = blends.weave([a, b], [masks.soften(mask, 8) * 0.5], "texture")
    for options, wanted in (
        ((), a),
        (("-t", LAKE), a.mix(b, texture=1)),
        (("-t", LAKE, "--amount", 0.5), a.mix(b, texture=0.5)),
        (("--random", 7, "--psi", 0.5), known.sample(a, [7], 0.5)),
        (("--region", f"left.png={LAKE}:0.5"), woven),
        (("--move", "hour=1.5"), directions.apply(a, {"hour": 1.5})),
        (("--move", "hour=2@left.png~6"), directions.apply(a, {"hour": 2}, masks.soften(mask, 6))),
        (("--move", "structure 2=1"), known.components("structure").apply(a, {"component 2": 1})),
        (("--move", "season=1", "--region", f"left.png={LAKE}:0.5"), directions.apply(woven, {"season": 1})),
    ):
        assert graft("edit", HILL, "-m", "own.safetensors", "--size", 32, *options).code == 0, options
        assert shows("edit.png", model.decode(wanted)), options
    c, d = codes(model, HILL, LAKE, square=True)
    options = ("-t", LAKE, "--amount", 0, "--structure-amount", 0.5, "--size", 32, "--square")
    assert graft("edit", HILL, "-m", "own.safetensors", *options).code == 0
    assert shows("edit.png", model.decode(c.mix(d, structure=0.5)))


@pytest.mark.parametrize(
    ("options", "share"), [(("--at", "25,9"), (0.5, 9 / 37)), (("--at", "50%,100%"), (0.5, 1.0))], ids=str
)
def test_select(graft, model, options, share):
    assert graft("select", HILL, *options, "--threshold", 0.7, "--overlay", "seen.png").code == 0
    picture = read(HILL)
    mask = masks.resize(masks.alike(model.encode(picture).structure, share, 0.7, 0.3), picture.shape[2:])
    assert shows("mask.png", (mask * 2 - 1).expand_as(picture))
    assert shows("seen.png", masks.overlay(picture, mask))


def test_select_in_the_square_and_in_several_places(graft, model):
    assert graft("select", HILL, "--square", "--at", "24.5,18.5", "--at", "6,0").code == 0
    structure = model.encode(read(HILL, None, True)).structure
    found = [masks.alike(structure, at) for at in ((0.5, 0.5), (0, 0))]
    mask = masks.resize(torch.maximum(*found), (37, 37))
    assert shows("mask.png", (mask * 2 - 1).expand(1, 3, 37, 37))

    assert graft("regions", HILL, "-t", f"mask.png={LAKE}").code == 0


def test_tiles_on_request(graft, model):
    pair = [read(path, 160) for path in (HILL, LAKE)]
    tiled = Tiled(model, 128)
    assert graft("swap", HILL, LAKE, "--size", 160, "--tile", 128).code == 0
    a, b = map(tiled.encode, pair)
    assert shows("swap.png", tiled.decode(a.mix(b, texture=1)))
    assert graft("swap", HILL, LAKE, "--size", 160, "-o", "whole.png").code == 0
    difference = to_uint8(read("swap.png")).astype(int) - to_uint8(read("whole.png"))
    assert abs(difference).max() <= 1
    assert graft("reconstruct", HILL, "--size", 160, "--tile", 128).code == 0


def test_interpolate_along_the_great_circle(graft):
    for how in ("linear", "spherical"):
        assert graft("interpolate", HILL, LAKE, "--how", how, "--amounts", "0.3", "-o", f"{how}.png").code == 0
    assert Path("linear.png").read_bytes() != Path("spherical.png").read_bytes()


def test_the_same_command_twice_gives_the_same_bytes(graft):
    paint("mask.png", (0.5, 0, 1, 1))
    for command in (
        ("panorama", HILL, LAKE, "--overlap", 2, "--noise", "random"),
        ("weave", HILL, LAKE, "--square"),
        ("regions", HILL, "-t", f"mask.png={LAKE}"),
        ("mix", HILL, "-t", LAKE),
        ("select", HILL, "--at", "1,1", "--overlay", "seen.png", "-o", "found.png"),
    ):
        assert graft(*command).code == 0
        before = {path: path.read_bytes() for path in Path().glob("*.png")}
        assert graft(*command).code == 0
        assert {path: path.read_bytes() for path in Path().glob("*.png")} == before


# -- what is refused --------------------------------------------------------------------------------------------------


def test_refusals(refuses):
    paint("mask.png", (0.5, 0, 1, 1))
    paint("black.png", (0, 0, 0, 0))
    Path("text.png").write_text("no picture")
    mistakes = (
        (("panorama", HILL, SEA), "--square"),
        (("panorama", HILL), "two"),
        (("panorama", "photos"), "photos is a folder: name the pictures in it"),
        (("panorama", HILL, LAKE, "--overlap", "10"), "10 cells, not 10"),
        (("panorama", HILL, LAKE, "--overlap", "wide"), "'wide'"),
        (("panorama", HILL, LAKE, "--overlap", "-1"), "'-1'"),
        (("panorama", HILL, LAKE, "--overlap", "2", "--fade", "3"), "fade of 3"),
        (("panorama", HILL, LAKE, "--fade", "nanpx"), "'nanpx'"),
        (("panorama", HILL, LAKE, "--how", "round"), "'round'"),
        (("panorama", HILL, LAKE, "--overlap", "2", "-t", "seam", "-t", "mix"), "seam"),
        (("weave", HILL, LAKE), "--square"),
        (("weave", HILL), "two"),
        (("weave", HILL, LAKE, "--along", "side", "--along", "mask.png"), "--along"),
        (("weave", HILL, LAKE, LAKE, "--along", "mask.png"), "--along"),
        (("weave", HILL, LAKE, "--along", "upwards"), "upwards"),
        (("weave", HILL, LAKE, "--along", "black.png"), "black.png is black all over"),
        (("weave", HILL, HILL, "--fade", "inf"), "'inf'"),
        (("regions", HILL, "-t", f"black.png={LAKE}"), "black.png is black all over"),
        (("regions", HILL, "-t", f"text.png={LAKE}"), "text.png"),
        (("regions", HILL, "-t", f"missing.png={LAKE}"), "missing.png"),
        (("regions", HILL, "-t", "mask.png"), "'mask.png'"),
        (("regions", HILL, "-t", "=mask.png"), "'=mask.png'"),
        (("regions", HILL, "-t", f"mask.png={LAKE}", "--soft", "nan"), "soft"),
        (("regions", HILL, "-t", f"mask.png={LAKE}", "--soft", "-2"), "soft"),
        (("mix", HILL, "-t", f"{LAKE}:nan"), ":nan"),
        (("mix", HILL, "-t", f"{LAKE}:much"), ":much"),
        (("mix", HILL, "-t", f"{LAKE}:0"), "more than 0"),
        (("mix", HILL, "-t", f"{LAKE}:1", "--own", "-1"), "more than 0"),
        (("mix", HILL, "-t", LAKE, "--own", "nan"), "nan"),
        (("edit", HILL, "--random", "1"), "landscapes-256 did not come with"),
        (("edit", HILL, "--move", "hour=1"), "no directions"),
        (("edit", HILL, "--move", "texture 1=1"), "'texture 1'"),
        (("edit", HILL, "--move", "hour"), "'hour'"),
        (("edit", HILL, "--move", "hour=much"), "'hour=much'"),
        (("edit", HILL, "--move", "hour=1@"), "'hour=1@'"),
        (("edit", HILL, "--move", "hour=1", "-d", LAKE), LAKE),
        (("edit", HILL, "--region", "mask.png"), "'mask.png'"),
        (("edit", HILL, "--region", f"mask.png={LAKE}:2"), ":2"),
        (("edit", HILL, "--region", f"mask.png~wide={LAKE}"), "~wide"),
        (("edit", HILL, "--region", f"black.png={LAKE}"), "black.png is black all over"),
        (("edit", HILL, "-t", LAKE, "--structure-amount", "0.5"), "--square"),
        (("select", HILL, "--at", "60,5"), "60,5 lies outside photos/hill.png, which has 50 × 37 pixels."),
        (("select", HILL, "--at", "101%,5%"), "101%,5%"),
        (
            ("select", HILL, "--at", "2,2", "--square"),
            "outside the central square (--square) of photos/hill.png, which",
        ),
        (("select", HILL, "--at", "-1,5"), "-1,5"),
        (("select", HILL, "--at", "nan,5"), "nan,5"),
        (("select", HILL, "--at", "5"), "'5'"),
        (("select", HILL, "--at", "1,1", "--threshold", "2"), "threshold"),
        (("select", HILL, "--at", "1,1", "--overlay", "seen"), "seen"),
        (("select", HILL, "--at", "1,1", "--overlay", HILL), HILL),
        (("select", HILL, "--at", "1,1", "--overlay", "mask.png"), "mask.png"),
        (("swap", HILL, LAKE, "--tile", "12"), "--tile"),
        (("interpolate", HILL, LAKE, "--how", "winding"), "winding"),
    )
    refuses(mistakes)


def test_files_that_are_read_are_not_written_over(refuses):
    paint("mask.png", (0.5, 0, 1, 1))
    for out, command in (
        (LAKE, ("panorama", HILL, LAKE)),
        (SEA, ("panorama", HILL, LAKE, "-t", f"{SEA}:0.5", "-t", HILL)),
        ("mask.png", ("weave", HILL, LAKE, "--along", "mask.png")),
        ("mask.png", ("regions", HILL, "-t", f"mask.png={LAKE}")),
        ("mask.png", ("edit", HILL, "--region", f"mask.png~4={LAKE}")),
        ("mask.png", ("edit", HILL, "--move", "hour=1@mask.png")),
        (LAKE, ("edit", HILL, "--region", f"mask.png={LAKE}:0.5")),
        (LAKE, ("regions", HILL, "-t", f"mask.png={LAKE}")),
        (LAKE, ("mix", HILL, "-t", f"{LAKE}:2")),
        (HILL, ("select", HILL, "--at", "1,1")),
    ):
        refuses([((*command, "-o", out), f"{out} is a file that this command reads")])
