"""`graft` as a process of its own: its entry point, pipes, Ctrl-C, names that are no text."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from offline import offline

import graftlab
from graftlab.cli import run
from graftlab.images import read_recipe

GRAFT = [sys.executable, "-c", "from graftlab.cli import main; main()"]
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")


@pytest.fixture
def start(bundle, photos, monkeypatch):
    """Start a command beside photos/, the tiny model in the place of the bundled one."""
    monkeypatch.chdir(photos.parent)
    shutil.copy(bundle / "landscapes-128.safetensors", "landscapes-128")
    environment = {"PYTHONUTF8": "1", "CUDA_VISIBLE_DEVICES": "", "FORCE_COLOR": "1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def start(*arguments, **options):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # which children inherit; a shell's jobs may ignore it
        try:
            return subprocess.Popen([*GRAFT, *map(str, arguments)], **pipes)
        finally:
            signal.signal(signal.SIGINT, before)

    return start


def test_no_socket_is_opened_unseen():
    """What holds for every command that tests run: also where somebody catches the error."""
    with pytest.raises(AssertionError, match="socket"), offline(), suppress(OSError):
        socket.create_connection(("localhost", 9))


def test_entry_point():
    graft = shutil.which("graft", path=str(Path(sys.executable).parent))
    if graft is None:
        pytest.skip("graftlab is not installed here")
    done = subprocess.run([graft, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"graftlab {graftlab.__version__}\n"


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("more fog", 'graft directions sweep PHOTO colours-128 -m colours-128 --name "haze"'),
        ("train on photos", "graft train"),
        ("morph between two pictures", "graft interpolate"),
    ],
)
def test_help_in_ones_own_words(words, first, capsys):
    assert run(["help", *words.split()]) == 0
    assert capsys.readouterr().out.splitlines()[0] == first


def test_help_leads_people_with_photos_to_all_that_takes_them(capsys):
    assert run(["help", "my own photos"]) == 0
    told = capsys.readouterr().out.splitlines()[::2]
    assert told == [
        "graft swap",
        "graft encode",
        "graft data scan",
        "graft train",
        "graft stylegan train",
        "graft finetune",
    ]


def test_help_says_what_has_no_slider_and_what_comes_near(capsys):
    assert run(["help", "more clouds"]) == 0
    first, *told = capsys.readouterr().out.splitlines()
    assert first == "There is no slider for clouds. What comes near:"
    assert {'graft directions sweep PHOTO colours-128 -m colours-128 --name "haze"', "graft guide"} < {*told}
    assert "graft directions text" in told


def test_help_that_knows_nothing_says_so(capsys):
    assert run(["help", "xyzzy"]) == 2
    assert "xyzzy" in capsys.readouterr().err


def test_what_commands_there_are_is_told_without_importing_one():
    told = [["--help"], ["film", "--help"], ["swpa"], []]
    code = (
        f"import sys; from graftlab.cli import run; [*map(run, {told})]; sys.exit('graftlab.cli.desk' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


@pytest.mark.parametrize(
    ("words", "found"), [("graft film w", "walk"), ("graft swap --bo", "--both"), ("graft pano", "panorama")]
)
def test_completion_knows_commands_and_their_options(words, found, monkeypatch, capsys):
    monkeypatch.setenv("_GRAFT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    assert run([]) == 0
    assert capsys.readouterr().out.split() == [found]


@posix
def test_an_interrupted_grid_leaves_nothing(start):
    """By the handler of Ctrl-C, to which a polite kill leads too."""
    for i in range(40):
        shutil.copy("photos/hill.png", f"photos/{i}.png")
    process = start("grid", "--structures", "photos", "--textures", "photos", "--size", 96, "-o", "grid.png")
    before = b""
    while b"swapping" not in before:  # the bar: the work has begun
        before += process.stderr.read1()
        assert process.poll() is None, before
    process.send_signal(signal.SIGTERM)
    _, after = process.communicate(timeout=30)
    assert process.returncode == 130, after
    assert b"Traceback" not in before + after
    assert sorted(path.name for path in Path().iterdir()) == ["landscapes-128", "photos"]


@posix
def test_a_pipe_that_is_closed(start):
    process = start("data", "scan", "photos", "--json")
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    assert process.wait(timeout=30) in (0, 1)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode here")
def test_a_name_that_is_no_text(start):
    name, out = os.fsdecode(b"photos/\xff.png"), os.fsdecode(b"\xfe.png")
    shutil.copy("photos/hill.png", name)
    process = start("reconstruct", name, "-o", out)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert said.startswith(b"photos/\\xff.png: L1 ")
    assert errors.splitlines()[-1] == b"\\udcfe.png"
    assert name in read_recipe(out)["command"]
