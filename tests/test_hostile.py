"""Files made to do harm, and broken ones: nothing they ask for happens, and every one is refused in one sentence.

A file laid into tests/fixtures/hostile is tested by lying there."""

import os
import pickle
import socket
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
import torch
from pickle_programs import WAYS, call, text

from graftlab.checkpoints.containers.contents import open_contents
from graftlab.errors import GraftError

HOSTILE = Path(__file__).parent / "fixtures" / "hostile"
FILES = sorted(path for path in HOSTILE.iterdir() if path.suffix != ".md")
HARMLESS = {"not_a_dict.pt": [1, 2, 3]}  # no checkpoint, but nothing wrong with the file: readers refuse what it holds
CALLING = [
    path for path in FILES if path.suffix == ".pkl" and not path.name.startswith(("html", "truncated", "persist"))
]
MARKERS = [Path("/tmp/pwned_by_pickle"), Path("/tmp/pwned_by_zip_path")]
MEMORY = 8 << 20  # bytes that Python may take at the same time while it opens one of these files


@pytest.fixture(autouse=True)
def nothing_happens(monkeypatch) -> Iterator[None]:
    """No command, process or connection, no marker, no change of the environment."""

    def refused(*arguments, **keywords):
        raise AssertionError(f"a file made something run: {arguments}")

    for module, called in [(os, "system"), (os, "popen"), (subprocess, "Popen"), (socket, "socket")]:
        monkeypatch.setattr(module, called, refused)
    monkeypatch.setattr(os, "execve", refused)
    for marker in MARKERS:
        marker.unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    yield
    assert not any(marker.exists() for marker in MARKERS)
    assert {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} == environment


def refused(path: Path) -> str:
    """The sentence with which a file is refused, after little memory was used."""
    tracemalloc.start()
    try:
        with pytest.raises(GraftError) as caught:
            open_contents(path)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    sentence = str(caught.value)
    assert caught.value.__cause__ is None  # a reason that was foreseen
    assert sentence.startswith(str(path))
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_hostile_and_broken_files(path):
    if path.name in HARMLESS:
        assert open_contents(path).tree == HARMLESS[path.name]
    else:
        refused(path)


def torch_zip(program: bytes) -> bytes:
    """A torch zip file whose pickle is this one."""
    source, target = BytesIO(), BytesIO()
    torch.save({}, source)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, program if name.endswith("data.pkl") else old.read(name))
    return target.getvalue()


def old_torch(program: bytes) -> bytes:
    """An old torch file whose object is this pickle."""
    head = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    return b"".join([*head, program, pickle.dumps([], 2)])


def program_of(path: Path) -> bytes:
    """The instructions of a pickle without those that begin and end it."""
    program = path.read_bytes()
    assert program.endswith(b".")
    program = program[:-1].removeprefix(b"\x80\x04").removeprefix(b"\x80\x02")
    return program[9:] if program.startswith(b"\x95") else program


def nested(program: bytes) -> bytes:
    return call("torch.storage", "_load_from_bytes", b"B" + len(program).to_bytes(4, "little") + program)


PLACES = {
    "in a list": lambda program: b"\x80\x04]" + program + b"a.",
    "in a dict": lambda program: b"\x80\x04}" + text("G_ema") + program + b"s.",
    "as an attribute": lambda program: b"\x80\x04cargparse\nNamespace\n)\x81}" + text("lr") + program + b"sb.",
    "in a torch zip": lambda program: torch_zip(b"\x80\x02]" + program + b"a."),
    "in an old torch file": lambda program: old_torch(b"\x80\x02]" + program + b"a."),
    "in bytes": lambda program: b"\x80\x04]" + nested(b"\x80\x02" + program + b".") + b"a.",
    "in bytes of an old torch file": lambda program: (
        b"\x80\x04]" + nested(old_torch(b"\x80\x02" + program + b".")) + b"a."
    ),
    "thrown away": lambda program: b"\x80\x04" + program + b"0N.",
    "as a persistent id": lambda program: torch_zip(b"\x80\x02" + program + b"Q."),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("source", CALLING, ids=lambda path: path.name)
def test_hostile_pickles_in_other_places(source, place, tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(PLACES[place](program_of(source)))
    assert "asks" in refused(path)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_calling_in_every_place(way, place, tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(PLACES[place](WAYS[way]("os", "system", text("touch /tmp/pwned_by_pickle"))))
    assert "asks to call os.system" in refused(path)


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.name.startswith("persistence")], ids=lambda path: path.name
)
def test_program_text_is_never_run_and_named(path):
    sentence = refused(path)
    assert "os.system in line 2" in sentence


def test_the_traps_of_this_test_work():
    with pytest.raises(AssertionError, match="made something run"):
        pickle.loads(b"cos\nsystem\n(S'true'\ntR.")


WATCHED = """
import encodings.cp437, os, sys  # the names in zip files are in this encoding
from pathlib import Path
from graftlab.checkpoints.containers.contents import open_contents
from graftlab.errors import GraftError

HARMFUL = ("exec", "os.", "subprocess.", "socket.", "ctypes.", "shutil.", "pickle.", "urllib.", "import", "marshal.")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
seen = []

def watch(event, arguments):
    if event.startswith(HARMFUL) or (event == "open" and arguments[2] & WRITING):
        seen.append(f"{event} {arguments}")

files = [Path(name) for name in sys.argv[1:]]
open_contents(files[0])  # whatever libraries import when they are first used
sys.addaudithook(watch)
refused = 0
for file in files:
    try:
        open_contents(file)
    except GraftError:
        refused += 1
if seen:
    raise SystemExit(chr(10).join(seen))
print(refused)
"""


def test_python_itself_sees_nothing_happen(monkeypatch):
    """Python's audit events, of every import, process, connection, program or file opened for writing: none."""
    monkeypatch.undo()
    good = sorted((HOSTILE.parent / "stylegan2").glob("nvidia*.pkl"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WATCHED, *map(str, [*good, *FILES])]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (result.stderr, result.stdout) == ("", f"{len(FILES) - len(HARMLESS)}\n")
