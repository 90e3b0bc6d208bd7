"""The commands that make pictures: what they write is what the same calls in Python give."""

import errno
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import tiny
import torch
from claims import shows
from PIL import Image

import graftlab
from graftlab.cli import run
from graftlab.cli.desk import PictureOptions
from graftlab.cli.models import DEMO_PAIR
from graftlab.cli.output import print_each
from graftlab.figures.sheets import sheet
from graftlab.images import l1, psnr, read, read_recipe, to_uint8, write
from graftlab.work.examples import example, with_examples

HILL, LAKE, SEA = "photos/hill.png", "photos/lake at dusk.jpg", "photos/海.png"


def pixels(path):
    return to_uint8(read(path))


def swapped(model, structure, texture, **options):
    return model.decode(model.encode(structure).mix(model.encode(texture), texture=1), **options)


# -- swap -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--square", "--size", 61)], ids=str)
def test_swap_comes_back_at_the_size_of_its_structure(graft, model, options):
    size = options[-1] if "--size" in options else None
    assert graft("swap", HILL, SEA, "--both", "-o", "out.png", *options).code == 0
    a, b = (read(path, size, "--square" in options) for path in (HILL, SEA))
    assert min(a.shape[2:]) == (size or 37)
    assert shows("out.png", swapped(model, a, b))
    assert shows("out-reverse.png", swapped(model, b, a))


def test_swap_of_one_picture_is_its_reconstruction(graft, model):
    assert graft("swap", HILL, HILL).code == 0
    assert shows("swap.png", model.decode(model.encode(read(HILL))))
    assert not Path("swap-reverse.png").exists()


def test_large_photos_are_made_smaller_and_small_ones_large_enough(graft, model, monkeypatch):
    monkeypatch.setattr(PictureOptions, "own", 35)
    write(tiny.pictures(1, 20, 16), "tiny.png")
    assert graft("swap", HILL, SEA).code == 0
    assert shows("swap.png", swapped(model, read(HILL, 35), read(SEA)))
    smallest = model.config.smallest_grid * model.config.stride
    assert smallest > 16
    assert graft("swap", "tiny.png", SEA).code == 0
    assert shows("swap.png", swapped(model, read("tiny.png", smallest), read(SEA)))


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_every_picture_carries_its_recipe(graft, model, name):
    assert graft("--debug", "swap", HILL, LAKE, "-o", name, "--seed", 7).code == 0
    assert read_recipe(name) == {
        "command": f"graft swap photos/hill.png 'photos/lake at dusk.jpg' -o {name} --seed 7",
        "model": model.fingerprint,
        "version": graftlab.__version__,
        "noise": "fixed",
        "seed": 7,
    }


def test_the_same_command_twice_gives_the_same_bytes(graft):
    for command in (
        ("swap", HILL, SEA, "--both"),
        ("swap", HILL, SEA, "--noise", "random"),
        ("grid", "--structures", "photos", "--textures", "photos", "-o", "photos/grid.png"),  # among its own pictures
        ("interpolate", HILL, SEA),
        ("reconstruct", HILL, SEA),
        ("encode", HILL, HILL),
        ("decode", "codes.safetensors"),
    ):
        assert graft(*command).code == 0
        files = [path for path in Path().rglob("*") if path.is_file()]
        before = {path: path.read_bytes() for path in files}
        assert graft(*command).code == 0
        assert {path: path.read_bytes() for path in files} == before


def test_seed_and_noise_reach_every_command(graft):
    assert graft("encode", HILL, "-o", "c.safetensors").code == 0
    for command in (
        ("swap", HILL, SEA),
        ("grid", "--structures", HILL, "--textures", SEA),
        ("interpolate", HILL, SEA),
        ("reconstruct", HILL),
        ("decode", "c.safetensors"),
    ):
        shown = set()
        for options in ((), ("--seed", "1"), ("--noise", "none")):
            assert graft(*command, *options, "-o", "x.png").code == 0
            shown.add(pixels("x.png").tobytes())
        assert len(shown) == 3


def test_precision_and_device_reach_every_command(graft, monkeypatch):
    assert graft("encode", HILL, "-o", "c.safetensors").code == 0
    opened = []

    def load(path, kind, device, precision):
        opened.append((path, device, precision))
        return original(path, kind, device=device, precision=precision)

    original = graftlab.load
    monkeypatch.setattr("graftlab.rendering.renderer.load", load)
    for command in (
        ("swap", HILL, SEA),
        ("grid", "--structures", HILL, "--textures", SEA),
        ("interpolate", HILL, SEA),
        ("reconstruct", HILL),
        ("encode", HILL),
        ("decode", "c.safetensors"),
    ):
        assert graft(*command, "--device", "cpu", "--precision", "bfloat16").code == 0
        assert opened[-1] == ("landscapes-256", "cpu", "bfloat16")


def test_bfloat16_is_close(graft):
    for precision in ("float32", "bfloat16"):
        assert graft("swap", HILL, LAKE, "--precision", precision, "-o", f"{precision}.png").code == 0
    exact, rough = read("float32.png"), read("bfloat16.png")
    assert 0 < l1(exact, rough).item() < 0.05


def test_figures_and_pictures_go_to_stdout_and_disk_and_the_rest_to_stderr(graft, bundle):
    shutil.copy(bundle / "landscapes-128.safetensors", "my model")
    result = graft("swap", HILL, LAKE, "-m", "my model", "-o", "new/folder/a.png")
    assert (result.out, result.err) == ("", f"{Path('new/folder/a.png')}\n")


def test_what_is_odd_about_pictures_is_said_once(graft):
    glass = Image.open(HILL).convert("RGBA")
    glass.putpixel((0, 0), (0, 0, 0, 0))
    glass.save("glass.png")
    Image.open(HILL).convert("RGB").save("whole.jpg")
    Path("cut.jpg").write_bytes(Path("whole.jpg").read_bytes()[:-2])
    result = graft("mix", "glass.png", "--texture", "cut.jpg:0.5", "--texture", "cut.jpg:0.2", "-o", "a.png")
    assert result.code == 0
    assert result.err.splitlines() == [
        "glass.png: it is transparent in places, which are laid over white.",
        "cut.jpg: its last bytes are missing.",
        "a.png",
    ]
    Image.open(HILL).convert("RGBA").save("opaque.png")
    assert graft("swap", "opaque.png", HILL, "-o", "b.png").err == "b.png\n"
    found = json.loads(graft("data", "scan", ".", "--json").out)["findings"]
    assert found["noted"]["names"] == ["cut.jpg: its last bytes are missing"]
    assert found["alpha"]["count"] == 2


def test_pictures_of_unlike_shapes_become_squares_and_that_is_said(graft):
    said = "The pictures have unlike shapes; of each the central square is used."
    assert graft("interpolate", HILL, SEA, "--amounts", "0").err.splitlines().count(said) == 1
    assert said not in graft("interpolate", HILL, HILL, "--amounts", "0").err
    assert said not in graft("swap", HILL, SEA).err  # which crops nothing


# -- grid -------------------------------------------------------------------------------------------------------------


def grid_sheet(model, rows, columns, row_names, column_names, size=32):
    hybrids = [[row, *(swapped(model, row, column) for column in columns)] for row in rows]
    scale = max(1, 128 // size)
    return sheet([[None, *columns], *hybrids], ["", *row_names], ["", *column_names], "landscapes-256", scale=scale)


def test_grid_of_a_folder_with_a_zip(graft, model):
    shutil.make_archive("textures", "zip", "photos", "hill.png")
    Path("textures.zip").rename("textures.of-mine")  # told by its content
    assert graft("grid", "--structures", "photos", "--textures", "textures.of-mine", "-o", "g.png").code == 0
    rows = [read(path, 32, True) for path in (HILL, LAKE, SEA)]
    assert shows("g.png", grid_sheet(model, rows, rows[:1], ["hill", "lake at dusk", "海"], ["hill"]))
    several = ("--structures", HILL, "--structures", LAKE, "--structures", SEA)
    assert graft("grid", *several, "--textures", HILL, "-o", "again.png").code == 0
    assert pixels("again.png").tobytes() == pixels("g.png").tobytes()
    width, height = Image.open("g.png").size
    assert height > 4 * 128
    assert width > 2 * 128


def test_grid_of_pictures_at_their_own_aspect(graft, model):
    assert graft("grid", "--structures", HILL, "--textures", SEA, "--no-square", "--size", 48).code == 0
    hill, sea = read(HILL, 48), read(SEA, 48)
    assert shows("grid.png", grid_sheet(model, [hill], [sea], ["hill"], ["海"], 48))


def test_a_disk_that_fails_is_told_by_the_photo(graft, monkeypatch):
    """One that was named is refused, one of a folder left out."""
    opened = Path.open

    def failing(path, *how, **more):
        if path.name == Path(HILL).name:
            raise OSError(errno.EIO, "Input/output error")
        return opened(path, *how, **more)

    monkeypatch.setattr(Path, "open", failing)
    assert "photos/hill.png is damaged" in graft("encode", HILL, SEA, "--square").refusal()
    left = graft("encode", "photos", "--square", "--size", 32)
    assert left.code == 0
    assert "hill.png cannot be read (Input/output error)" in " ".join(left.err.split())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of Unix")
def test_nobody_waits_for_a_pipe(refuses, kin):
    kin("stylegan2")
    os.mkfifo("pipe")
    commands = (
        ("encode", "pipe"),
        ("hybrids", "pipe"),
        ("eval", "compare", "pipe", "pipe"),
        ("clusters", "show", "a.safetensors", "pipe", "-o", "shown.png"),
        ("blend", "a.safetensors", "b.safetensors", "--weights", "pipe"),
    )
    refuses([(command, "is a pipe or a device") for command in commands])
    assert Path("pipe").is_fifo()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of Unix")
def test_grid_leaves_out_and_names_what_it_cannot_read(graft):
    assert graft("grid", "--structures", "photos", "--textures", HILL, "-o", "whole.png").code == 0
    Path("photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    os.symlink("loop.png", "photos/loop.png")
    os.mkfifo("photos/pipe.png")
    result = graft("grid", "--structures", "photos", "--textures", HILL, "-o", "rest.png")
    assert result.code == 0
    assert (
        "photos: Left out: 1 broken link (loop.png: it leads nowhere or to itself), 1 pipe or device (pipe.png: no "
        in (" ".join(result.err.split()))
    )
    assert f"Left out: {Path('photos/broken.png')}" in result.err
    assert torch.equal(read("whole.png"), read("rest.png"))
    Path("none").mkdir()
    shutil.copy("photos/broken.png", "none")
    said = graft("grid", "--structures", "none", "--textures", HILL).refusal()
    assert "none holds no picture that can be read" in said


# -- reconstruct ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--square", "--size", "40")], ids=str)
def test_reconstruct_reports_what_it_measures(graft, model, options):
    size = 40 if "--size" in options else 32
    result = graft("reconstruct", HILL, SEA, "--json", "-o", "r.png", *options)
    assert result.code == 0
    rows, names = [], []
    for figures, path in zip(json.loads(result.out), (HILL, SEA), strict=True):
        original = read(path, size, "--square" in options)
        decoded = model.decode(model.encode(original))
        assert figures == {
            "photo": str(Path(path)),
            "l1": pytest.approx(l1(decoded, original).item()),
            "psnr": pytest.approx(psnr(decoded, original).item()),
        }
        rows.append([original, decoded])
        names.append(f"{Path(path).stem}: L1 {figures['l1']:.3f}, {figures['psnr']:.1f} dB")
    assert shows("r.png", sheet(rows, names, ["original", "reconstruction"], "landscapes-256", scale=128 // size))


def test_reconstruct_for_people(graft):
    result = graft("reconstruct", HILL)
    assert re.fullmatch(rf"{re.escape(str(Path(HILL)))}: L1 0\.\d{{4}}, PSNR \d+\.\d\d dB\n", result.out)


def test_json_knows_no_infinity(capsys):
    print_each([{"photo": "a", "l1": 0.0, "psnr": float("inf")}], "", True)
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == [{"photo": "a", "l1": 0.0, "psnr": None}]
    print_each([{"photo": "a", "l1": 0.0, "psnr": float("inf")}], "{photo} {psnr:.2f}", False)
    assert capsys.readouterr().out == "a inf\n"


# -- encode, decode ---------------------------------------------------------------------------------------------------


def test_codes_of_several_pictures(graft, model):
    assert graft("encode", HILL, LAKE, SEA, "--square", "-o", "three.codes").code == 0
    assert graft("decode", "three.codes", "-o", "out/d.png").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["d-000.png", "d-001.png", "d-002.png"]
    for i, path in enumerate((HILL, LAKE, SEA)):
        assert shows(f"out/d-{i:03d}.png", model.decode(model.encode(read(path, 32, True))))
    assert graftlab.Codes.load("three.codes").model == model.fingerprint


# -- interpolate ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["texture", "structure", "both"])
def test_interpolate(graft, model, what):
    amounts = [-0.5, 0, 0.25, 1, 1.5]
    command = ("interpolate", HILL, SEA, "--what", what, "--amounts", "-0.5,0,.25,1,1.5")
    assert graft(*command).code == 0
    a, b = (read(path, 32, True) for path in (HILL, SEA))
    start, end = model.encode(a), model.encode(b)
    parts = ("structure", "texture") if what == "both" else (what,)
    strip = [model.decode(start.mix(end, **dict.fromkeys(parts, amount))) for amount in amounts]
    assert torch.equal(strip[1], model.decode(start))
    if what == "both":
        assert torch.equal(strip[3], model.decode(end))
    labels = ["hill", "-0.5", "0", "0.25", "1", "1.5", "海"]
    assert shows("strip.png", sheet([[a, *strip, b]], [], labels, f"landscapes-256: {what}", scale=4))


# -- models, demo, the command itself ---------------------------------------------------------------------------------


def test_no_models(graft, tmp_path, monkeypatch):
    monkeypatch.setattr("graftlab.checkpoints.load.BUNDLED", tmp_path)
    assert graft("models", "--json").out == "[]\n"
    result = graft("models")
    assert (result.code, result.out) == (0, "")
    assert "--model" in result.err


def test_demo(graft, bundle, model):
    assert graft("demo", "--out", "my demo").code == 0
    for name in ("swap.png", "grid.png"):
        assert read_recipe(f"my demo/{name}")["model"] == model.fingerprint
    a, b = (read(bundle / "photos" / f"{name}.jpg", 32, True) for name in DEMO_PAIR)
    labels = ["A", "B", "structure A, texture B", "structure B, texture A"]
    row = [a, b, swapped(model, a, b), swapped(model, b, a)]
    assert shows("my demo/swap.png", sheet([row], (), labels, "landscapes-256", scale=8))
    Image.new("RGB", (9, 9)).save("my demo/grid.png")
    before = Path("my demo/swap.png").read_bytes()
    refused = graft("demo", "--out", "my demo")
    assert refused.code == 2
    assert f"{Path('my demo/grid.png')} does not say that graftlab wrote it" in refused.err
    assert Path("my demo/swap.png").read_bytes() == before


def test_demo_of_a_large_model(graft, bundle, monkeypatch):
    original = graftlab.load

    def load(*arguments, **options):  # as if trained at 160 px
        loaded = original(*arguments, **options)
        loaded.config = loaded.config.at(160)
        return loaded

    monkeypatch.setattr("graftlab.rendering.renderer.load", load)
    assert graft("demo", "-m", bundle / "landscapes-128.safetensors").code == 0
    assert Image.open("demo/grid.png").width > 6 * 160


def test_help_and_version(graft):
    for arguments in ((), ("--help",), ("data",)):
        result = graft(*arguments)
        assert result.code in (0, 2)  # without a command Typer says that one is missing
        assert "Usage: graft" in result.out + result.err
    assert graft("--version").out == f"graftlab {graftlab.__version__}\n"


# -- names ------------------------------------------------------------------------------------------------------------


def test_any_name(graft):
    for name in ("two words", "夕焼け", "[bold]", "[b", "💡", "-dash", "%s{}", "a:smile:b"):
        if ":" in name and sys.platform == "win32":
            continue
        shutil.copy(HILL, f"photos/{name}.png")
        result = graft("reconstruct", f"photos/{name}.png", "-o", f"{name}/{name}.png")
        assert result.code == 0
        assert result.out.startswith(str(Path(f"photos/{name}.png: L1")))
        assert result.err == f"{Path(f'{name}/{name}.png')}\n"
    assert graft("grid", "--structures", "photos", "--textures", HILL).code == 0


def test_bundled_photographs_have_names(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert torch.equal(read("@peaks"), read(example("peaks")))
    assert with_examples("mask.png=@peaks") == f"mask.png={example('peaks')}"
    assert with_examples("3:@peaks:0.5") == f"3:{example('peaks')}:0.5"
    assert with_examples("me@home.jpg") == "me@home.jpg"
    assert run(["swap", "@peaks", "@stream", "--size", "128", "-o", "x.png"]) == 0
    assert read_recipe(tmp_path / "x.png")["command"] == "graft swap @peaks @stream --size 128 -o x.png"
    assert run(["swap", "@peaks", "@nope"]) == 2
    assert "@autumn-hills" in capsys.readouterr().err
    assert run(["reconstruct", "@peaks", "--size", "32", "-m", "colours-128"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("@peaks: L1 ")
    assert "@peaks comes out worse" in told.err
    assert run(["swap", "@peaks", "@peaks", "--fade", "3"]) == 2
    assert run(["select", "@peaks", "--at", "9000,9000"]) == 2
    assert "bundled" not in "".join(capsys.readouterr())
