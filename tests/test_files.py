"""Atomic writes: whole, or as before; never anything left beside the file."""

import contextlib
import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from claims import refused

from graftlab.errors import GraftError
from graftlab.hardware import require_space
from graftlab.work.files import atomic_write, read_table, taken_back
from graftlab.work.parts import open_parts


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_writes_into_missing_folders_and_replaces(tmp_path):
    path = tmp_path / "new" / "deep er" / "ファイル.bin"
    assert atomic_write(path, lambda file: file.write(b"one")) == path
    atomic_write(str(path), lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert names(path.parent) == ["ファイル.bin"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "state"
    path.write_bytes(b"old")

    def slowly(file):
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
        assert names(tmp_path) == [f".state.part-{os.getpid()}", "state"]

    atomic_write(path, slowly)
    assert path.read_bytes() == b"new"


def test_what_a_killed_process_left_is_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in (f".state.part-{ended.pid}", f".a.b.part-{ended.pid}", ".state.part-x", f"state.part-{ended.pid}"):
        (tmp_path / name).write_bytes(b"half")
    mine = tmp_path / f".other.part-{os.getpid()}"  # of another thread, say
    mine.write_bytes(b"half")
    atomic_write(tmp_path / "state", lambda file: file.write(b"one"))
    assert names(tmp_path) == sorted([".state.part-x", mine.name, "state", f"state.part-{ended.pid}"])
    (tmp_path / f".state.part-{ended.pid}").write_bytes(b"half")
    atomic_write(tmp_path / "state", lambda file: file.write(b"two"))
    assert f".state.part-{ended.pid}" not in names(tmp_path)


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null"])
def test_devices_are_no_tables(name):
    if not Path(name).exists():
        pytest.skip("there is no such device")
    refused(rf"{name} is a pipe or a device", read_table, Path(name))


def test_tables_are_of_a_size_that_people_write(tmp_path):
    (tmp_path / "t.json").write_bytes(b'{"a":\r\n 1}')
    assert read_table(tmp_path / "t.json") == {"a": 1}
    (tmp_path / "t.json").write_bytes(b" " * 9_000_000 + b"1")
    refused(r"t\.json is larger than 8 MiB", read_table, tmp_path / "t.json")


@pytest.mark.parametrize(("name", "depth"), [("t.json", 20_000), ("t.toml", 20_000), ("t.yaml", 2_000)])
def test_tables_without_end_are_malformed(tmp_path, name, depth):
    if name == "t.yaml":
        pytest.importorskip("yaml")
    (tmp_path / name).write_text("a = " * name.endswith("toml") + "[" * depth)
    with pytest.raises(ValueError, match=r".") as caught:
        read_table(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("needed", "free", "told"),
    [(5_000_000, 12_000, "5.0 MB and its disk has 12 KB"), (2.5e9, 999_960_000, "2.5 GB and its disk has 1.0 GB")],
)
def test_sizes_are_told_in_units_that_fit(tmp_path, monkeypatch, needed, free, told):
    monkeypatch.setattr("graftlab.hardware.disk_usage", lambda place: type("", (), {"free": free}))
    refused(f"needs {told} free; make room", require_space, tmp_path, needed)


@pytest.mark.parametrize("failure", [RuntimeError("bug"), KeyboardInterrupt(), GraftError("no")])
def test_other_exceptions_pass_through_and_leave_nothing(tmp_path, failure):
    path = tmp_path / "state"
    path.write_bytes(b"old")

    def fail(file):
        file.write(b"half")
        raise failure

    with pytest.raises(type(failure)):
        atomic_write(path, fail)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["state"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "permission"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "another folder"),
    ],
)
def test_every_failure_of_the_disk_is_one_sentence(tmp_path, monkeypatch, code, words):
    path = tmp_path / "state"
    path.write_bytes(b"old")

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    for place in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, place, refuse)
            assert str(path) in refused(words, atomic_write, path, lambda file: file.write(b"new"))
        assert path.read_bytes() == b"old"
        assert names(tmp_path) == ["state"]


def test_impossible_places(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    refused("not a folder", atomic_write, tmp_path / "file" / "x", lambda file: file.write(b""))
    refused("not an ordinary file", atomic_write, tmp_path / "folder", lambda file: file.write(b""))
    refused("too long", atomic_write, tmp_path / ("n" * 300), lambda file: file.write(b""))
    assert names(tmp_path) == ["file", "folder"]


def test_a_device_is_not_replaced_by_a_file():
    refused("not an ordinary file", atomic_write, os.devnull, lambda file: file.write(b"x"))


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_no_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        refused("permission", atomic_write, tmp_path / "x", lambda file: file.write(b""))
    finally:
        tmp_path.chmod(0o700)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 KB; it goes away with the test."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs root on Linux")
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True)
    if mount.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_disk_that_is_really_full(small_disk):
    path = small_disk / "state"
    atomic_write(path, lambda file: file.write(b"old" * 1000))
    refused("free some space", atomic_write, path, lambda file: file.write(bytes(100_000)))
    assert path.read_bytes() == b"old" * 1000
    assert names(small_disk) == ["state"]
    atomic_write(path, lambda file: file.write(bytes(30_000)))  # the space came back
    assert path.stat().st_size == 30_000


def test_threads_writing_different_files(tmp_path):
    threads = [
        threading.Thread(target=atomic_write, args=(tmp_path / str(i), lambda file, i=i: file.write(bytes([i]) * 999)))
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(tmp_path / str(i)).read_bytes() for i in range(8)] == [bytes([i]) * 999 for i in range(8)]
    assert len(names(tmp_path)) == 8


def test_a_folder_that_was_begun_in_vain_is_taken_back(tmp_path):
    def begin(folder, *files, worthless=None):
        begun = taken_back(folder, worthless)
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(KeyError), begun:
            for file in files:
                (folder / file).parent.mkdir(exist_ok=True)
                (folder / file).touch()
            raise KeyError

    begin(tmp_path / "runs" / "mine", "lock", "samples/a.jpg")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").touch()
    begin(tmp_path / "mine", "lock")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes"]
    begin(tmp_path / "other", "lock", worthless={"lock"})
    assert not (tmp_path / "other").exists()
    begin(tmp_path / "other", "lock", "work", worthless={"lock"})
    assert len(list((tmp_path / "other").iterdir())) == 2


def test_what_cannot_be_begun_leaves_no_parts(tmp_path):
    out = tmp_path / "film.mp4"
    for file, left in ((None, 0), ("00000000.nut", 3)):
        with contextlib.suppress(KeyError), open_parts(out, ".nut", 64, {"a": 1}, True) as parts:
            if file:
                (parts.folder / file).touch()
            raise KeyError
        assert len(list(tmp_path.glob(".film.mp4.parts/*"))) == left
