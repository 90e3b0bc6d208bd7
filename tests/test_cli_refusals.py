"""What people give the command line by mistake: exit code 2, one sentence that names the culprit, nothing written."""

import os
import pickle
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny import new_model

from graftlab import cli
from graftlab.checkpoints.native import save_model
from graftlab.cli import progress
from graftlab.codes import StyleCodes

HILL, LAKE, SEA = "photos/hill.png", "photos/lake at dusk.jpg", "photos/海.png"
MODEL = "landscapes-128"


def files():
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.fixture
def refused(graft):
    """Run a command that is to be refused; return what it says."""

    def run(*arguments, naming):
        before = files()
        result = graft(*arguments)
        assert result.code == 2, result
        assert result.out == ""
        assert "Traceback" not in result.err
        assert str(naming) in result.err.replace("\n", " "), result.err
        assert files() == before
        if result.err.startswith("Usage: "):  # Typer's own, in a frame
            return result.err
        beside = ("encoding", "packing", "scanning", "swapping", "The pictures have unlike shapes")  # bars, and a note
        lines = [line for line in result.err.splitlines() if line and not line.startswith(beside)]
        assert len(lines) == 1, lines
        line = lines[0]
        assert line.startswith("graft: ")
        assert line.endswith((".", ")"))
        return line

    return run


# -- pictures ---------------------------------------------------------------------------------------------------------


def make_broken(name):
    """Make the file or folder of this name, which cannot be read as a picture."""
    if name in ("text.png", "empty.jpg"):
        Path(name).write_text("no picture" if name == "text.png" else "")
    if name == "cut.png":
        Path(name).write_bytes(Path(HILL).read_bytes()[:900])
    if name == "bomb.png":
        header = bytearray(Path(HILL).read_bytes())
        header[16:24] = (30_000).to_bytes(4, "big") * 2  # in IHDR; its checksum no longer fits either
        Path(name).write_bytes(header)
    if name == "folder":
        Path(name).mkdir()


BROKEN = ("text.png", "empty.jpg", "cut.png", "bomb.png", "folder", "missing.png")


def test_what_is_no_picture(refused):
    """Each is no picture to one command, and one of them is none to any."""
    for name in (*BROKEN, "", "photos/hill.png/x.png"):
        make_broken(name)
        commands = [("swap", name, HILL), ("swap", HILL, name), ("interpolate", HILL, name), ("encode", HILL, name)]
        commands += [("interpolate", name, HILL), ("reconstruct", HILL, name)]
        for command in commands if name == "cut.png" else commands[:1]:
            refused(*command, naming=name.rpartition("/")[2] or ".")
        if name in BROKEN:
            for given in (("--structures", name, "--textures", HILL), ("--structures", HILL, "--textures", name)):
                refused("grid", *given, naming=name)


def test_odd_metadata_are_no_matter(graft):
    """EXIF that ends too early: Pillow warns of it with a line of its own program."""
    exif = Image.Exif()
    exif[0x010E] = "x" * 50
    Path("odd").mkdir()
    Image.new("RGB", (64, 64), "red").save("odd/a.jpg", exif=exif)
    data = bytearray(Path("odd/a.jpg").read_bytes())
    at = max(data.find(b"MM\0*"), data.find(b"II*\0"))
    data[at + 8 : at + 10] = b"\x40\0"
    Path("odd/a.jpg").write_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = graft("data", "scan", "odd")
    assert "1 of 1 images usable" in result.out
    assert [str(warning.message) for warning in caught] == []


@pytest.mark.parametrize("size", [(1, 1), (200, 7)])
def test_a_dot_is_no_picture(refused, graft, size):
    Image.new("RGB", size, "red").save("dot.png")
    refused("swap", HILL, "dot.png", naming="dot.png")
    refused("grid", "--structures", "dot.png", "--textures", HILL, naming="dot.png")
    refused("encode", "dot.png", naming="dot.png")
    Image.new("RGB", (8, 8), "red").save("small.png")
    assert graft("swap", "small.png", HILL).code == 0
    assert Image.open("swap.png").size == (28, 28)  # its own size would be too small for the model


def test_a_zip_without_pictures_and_pictures_of_different_size(refused):
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    refused("grid", "--structures", "a.zip", "--textures", HILL, naming="a.zip")
    assert "(--square)" in refused("encode", HILL, SEA, naming="another shape")
    for what in ("structure", "both"):
        refused("interpolate", HILL, SEA, "--no-square", "--what", what, naming="structure")


def test_a_sheet_too_large(refused, monkeypatch):
    monkeypatch.setattr("graftlab.images.MAX_PIXELS", 20_000)
    for command in (
        ("grid", "--structures", "photos", "--textures", "photos"),
        ("interpolate", HILL, SEA),
        ("reconstruct", *[HILL] * 9),
    ):
        refused(*command, naming="fewer")


def test_a_large_sheet_is_enlarged_less(graft, monkeypatch):
    monkeypatch.setattr("graftlab.images.MAX_PIXELS", 200_000)
    assert graft("grid", "--structures", "photos", "--textures", "photos").code == 0
    assert Image.open("grid.png").height < 4 * 128


# -- models and codes -------------------------------------------------------------------------------------------------


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def other_files(graft):
    """Files of another kind than the one wanted."""
    assert graft("encode", HILL, "-o", "codes").code == 0
    assert graft("data", "pack", "photos", "-o", "pack", "--size", 16).code == 0
    StyleCodes(torch.zeros(1, 2, 3)).save("style codes")
    save_file({"weight": torch.zeros(3)}, "foreign.safetensors")
    Path("model.pkl").write_bytes(pickle.dumps(Bomb()))
    torch.save({"weight": torch.zeros(3)}, "model.pt")
    Path("empty").touch()
    Path("cut").write_bytes(Path("codes").read_bytes()[:-5])
    Path("folder").mkdir()


KINDS = ["pack", "style codes", "foreign.safetensors", "model.pkl", "model.pt", "empty", "cut", "folder", "missing"]


def test_what_is_no_model_and_what_are_no_codes(graft, refused, bundle):
    """Each is no model to one command, and one of them is none to any."""
    other_files(graft)
    for name in (*KINDS, "codes", HILL, "photos/hill.png/x", "x" * 300):
        for command in (*WRITERS, ("encode", HILL), ("demo",)) if name == "cut" else WRITERS[:1]:
            refused(*command, "--model", name, naming=name)
    shutil.copy(bundle / f"{MODEL}.safetensors", MODEL)
    for name in (*KINDS, MODEL, HILL):
        refused("decode", name, naming=name)
    assert not Path("exploded").exists()


def test_codes_of_another_model_and_a_model_that_is_unknown(graft, refused):
    save_model(Path("other"), new_model(seed=5))
    assert graft("encode", HILL, "-m", "other").code == 0
    refused("decode", "codes.safetensors", naming="another model")
    assert MODEL in refused("swap", HILL, LAKE, "-m", "nosuch", naming="nosuch")


# -- options ----------------------------------------------------------------------------------------------------------


def test_impossible_options(refused):
    """Each is refused by one command, and one value of each option by all."""
    for options, culprit in (
        (("--size", "0"), "--size"),
        (("--size", "many"), "--size"),
        (("--size", "20"), "20"),  # smaller than the model can read
        (("--size", "99999"), "99999"),
        (("--noise", "loud"), "loud"),
        (("--seed", "-1"), "--seed"),
        (("--seed", str(2**32)), "--seed"),
        (("--precision", "float64"), "float64"),
        (("--device", "toaster"), "toaster"),
        (("--device", "meta"), "meta"),
        (("--device", ""), "device"),
        (("--device", "cuda:99"), "cuda:99"),
        (("--colour", "red"), "--colour"),
    ):
        refused("swap", HILL, LAKE, *options, naming=culprit)
        if options[1] in ("0", "loud", "-1", "float64", "toaster", "red"):
            for command in WRITERS[1:-1]:
                refused(*command, *options, naming=culprit)
            if options[0] not in ("--noise", "--seed"):
                refused("encode", HILL, *options, naming=culprit)


def test_impossible_amounts_and_parts(refused):
    for amounts in ("", "1,,2", "1;2", "0,nan", "-inf", "1e9", "0,1,"):
        refused("interpolate", HILL, SEA, "--amounts", amounts, naming="mount")
    assert "texture" in refused("interpolate", HILL, SEA, "--what", "colour", naming="colour")


def test_wrong_usage(refused):
    refused("swap", HILL, naming="texture")
    refused("swap", HILL, LAKE, SEA, naming=SEA)
    refused("grid", "--structures", "photos", naming="--textures")
    refused("encode", naming="photos")
    refused("paint", HILL, naming="paint")
    refused("data", "eat", naming="eat")
    refused("models", "x", naming="x")


# -- what is written --------------------------------------------------------------------------------------------------

WRITERS = [
    ("swap", HILL, LAKE),
    ("grid", "--structures", HILL, "--textures", LAKE),
    ("interpolate", HILL, LAKE),
    ("reconstruct", HILL),
    ("decode", "codes"),
]


def test_where_no_picture_can_be_written(graft, refused, monkeypatch):
    assert graft("encode", HILL, "-o", "codes").code == 0
    Path("folder.png").mkdir()
    monkeypatch.setattr("graftlab.checkpoints.load.load", lambda *_, **__: pytest.fail("refused after work was done"))
    for out in ("a.gif", "a", "a.png.txt", "", "photos", "folder.png", "photos/hill.png/a.png", "x" * 300 + ".png"):
        for command in WRITERS if out in ("a.gif", "photos") else WRITERS[:1]:
            refused(*command, "-o", out, naming=out)


def test_where_nothing_else_can_be_written(refused):
    for out in ("photos", "photos/hill.png/a", ""):
        refused("encode", HILL, "-o", out, naming=out)
        refused("data", "pack", "photos", "-o", out, naming=out)
    refused("demo", "-o", HILL, naming=HILL)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_folder_in_which_nobody_may_write(refused):
    for command in WRITERS[:-1]:
        refused(*command, "-o", "/proc/a.png", naming="/proc/a.png")
    refused("encode", HILL, "-o", "/proc/a", naming="/proc/a")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_in_which_one_may_not_write(refused):
    Path("mine").mkdir(mode=0o500)
    refused("swap", HILL, LAKE, "-o", "mine/a.png", naming="mine")


def test_a_file_that_is_read_is_not_written_over(refused, bundle):
    shutil.copy(HILL, "a-reverse.png")
    refused("swap", HILL, SEA, "-o", SEA, naming=SEA)
    refused("swap", "a-reverse.png", SEA, "-o", "a.png", "--both", naming="a-reverse.png")
    refused("interpolate", HILL, SEA, "-o", HILL, naming=HILL)
    refused("reconstruct", HILL, SEA, "-o", SEA, naming=SEA)
    refused("grid", "--structures", HILL, "--textures", SEA, "-o", SEA, naming=SEA)
    refused("encode", HILL, "-o", HILL, naming=HILL)
    refused("data", "pack", "photos", "-o", HILL, naming=HILL)
    shutil.copy(bundle / f"{MODEL}.safetensors", "mine")
    refused("encode", HILL, "-m", "mine", "-o", "mine", naming="mine")


OUTPUTS = {  # what every kind of file is written by
    "swap.png": ("swap", HILL, LAKE, "--both", "-o"),
    "swap.jpg": ("swap", HILL, LAKE, "-o"),
    "swap.webp": ("swap", HILL, LAKE, "-o"),
    "swap.tif": ("swap", HILL, LAKE, "-o"),
    "codes.safetensors": ("encode", HILL, "-o"),
    "photos.pack": ("data", "pack", "photos", "--size", 32, "-o"),
    "film.mp4": ("film", "walk", HILL, LAKE, "--frames", 2, "-o"),
    "film.webm": ("film", "walk", HILL, LAKE, "--frames", 2, "-o"),
    "film.gif": ("film", "walk", HILL, LAKE, "--frames", 2, "--slow", 2, "-o"),
    "film.apng": ("film", "walk", HILL, LAKE, "--frames", 2, "-o"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_files_of_others_are_written_over_on_demand_alone(graft, refused, name):
    """What says that graftlab wrote it, and what is empty, at any time."""
    command = (*OUTPUTS[name], name)
    Path(name).touch()
    assert graft(*command).code == graft(*command).code == 0
    for path in (Path(name), *Path().glob("swap-reverse.png")):
        path.write_bytes(b"the only copy")
        assert "or add --overwrite" in refused(*command, naming=path)
        assert graft(*command, "--overwrite").code == 0
        assert path.stat().st_size > 20


def test_a_model_is_not_written_over_by_what_is_none(graft, kin, refused):
    kin("autoencoder")
    command = ("encode", HILL, "-m", "a.safetensors", "-o", "b.safetensors")
    assert "is a model" in refused(*command, naming="b.safetensors")
    assert graft(*command, "--overwrite").code == 0
    kin("stylegan2")
    for model in ("a.safetensors", "b.safetensors"):
        refused("sample", "-m", "a.safetensors", "--seeds", 1, "--codes", model, naming=model)


@pytest.mark.skipif(not (sys.platform == "linux" and os.geteuid() == 0), reason="only root mounts a small disk")
def test_a_full_disk(refused):
    disk = Path("disk")
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        for command in (
            ("swap", HILL, HILL, "--size", 300, "-o", disk / "out.png"),
            ("encode", HILL, "--size", 400, "-o", disk / "codes"),
            ("data", "pack", "photos", "--size", 300, "-o", disk / "pack"),
        ):
            refused(*command, naming=command[-1])
            assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# -- other ends -------------------------------------------------------------------------------------------------------


def failing(monkeypatch, error):
    def read(*arguments):
        raise error

    monkeypatch.setattr("graftlab.rendering.renderer.read", read)


def test_ctrl_c(graft, monkeypatch):
    failing(monkeypatch, KeyboardInterrupt())
    result = graft("swap", HILL, SEA)
    assert (result.code, result.out) == (130, "")
    assert "Traceback" not in result.err


def test_ctrl_c_before_the_command_has_begun(graft, monkeypatch):
    def stopped(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr("graftlab.cli.app", stopped)
    assert graft("swap", HILL, SEA).code == 130


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        RuntimeError("can't start new thread"),
        RuntimeError("could not create a primitive"),
        SystemError("error return without exception set"),
        ImportError("x.so: failed to map segment from shared object"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_too_little_memory(refused, monkeypatch, error):
    failing(monkeypatch, error)
    assert "--size" in refused("swap", HILL, SEA, naming="memory")


def test_a_sentence_comes_even_where_memory_does_not_suffice_for_its_colour(graft, monkeypatch):
    failing(monkeypatch, MemoryError())
    monkeypatch.setattr(progress.console, "print", failing_print := Raising(MemoryError()))
    result = graft("swap", HILL, SEA)
    assert (failing_print.times, result.code) == (1, 2)
    assert result.err.startswith("graft: There is not enough memory")


class Raising:
    """Called, it raises an error, and counts."""

    def __init__(self, error):
        self.error, self.times = error, 0

    def __call__(self, *words, **options):
        self.times += 1
        raise self.error


def test_a_file_that_vanishes(refused, monkeypatch):
    failing(monkeypatch, OSError(5, "Input/output error", HILL))
    refused("swap", HILL, SEA, naming=HILL)
    failing(monkeypatch, OSError("disk gone"))
    refused("swap", HILL, SEA, naming="disk gone")


def test_a_mistake_of_ours_is_called_one(graft, monkeypatch):
    failing(monkeypatch, KeyError("surprise"))
    result = graft("swap", HILL, SEA)
    assert result.code == 1
    assert "KeyError: 'surprise'" in result.err
    assert "--debug" in result.err
    assert len(result.err.splitlines()) == 1


def test_debug_shows_the_traceback(graft):
    for arguments in (("--debug", "swap", "missing.png", SEA), ("swap", "missing.png", SEA, "--debug")):
        with pytest.raises(cli.GraftError, match=r"missing\.png"):
            graft(*arguments)
