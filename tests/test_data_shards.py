"""Tar shards: the pictures that a folder of them has, in an order of their own that resumes, here and from the web."""

import io
import os
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from claims import refused
from training_fixture import make_photos, photo
from web import Page

from graftlab import data
from graftlab.artifacts import read_tensors, write_tensors
from graftlab.cli import run
from graftlab.data import TrainingImages, indexing, open_source, remote
from graftlab.data.crops import cut
from graftlab.data.shards import ShardSource
from graftlab.errors import GraftError


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as file:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def shards(tmp_path):
    """Three shards of ten pictures each, with what WebDataset keeps beside them."""
    for number in range(3):
        members = {f"{number}/{i:02d}.png": photo(10 * number + i) for i in range(10)}
        tar(tmp_path / f"photos-{number:02d}.tar", members | {f"{number}/00.json": b"{}", f"{number}/00.cls": b"3"})
    return tmp_path


@pytest.fixture
def served(shards, web, monkeypatch):
    """The same from a server, by an index of its own; and the pauses that were made."""
    monkeypatch.setenv("GRAFTLAB_CACHE", str(shards / "cache"))
    pauses: list[float] = []
    monkeypatch.setattr(remote, "pause", pauses.append)
    for path in shards.glob("*.tar"):
        web.pages[f"/{path.name}"] = Page(path.read_bytes())
    data.index([web.url("/photos-{00..02}.tar")], shards / "web.shards")
    return shards / "web.shards", web, pauses


def batches(source, position=0):
    return TrainingImages(source, 16, seed=3).batch(position, 8)


def test_the_pictures_of_a_folder(shards, tmp_path):
    report = data.index([shards / "photos-{00..02}.tar"], shards / "index.shards")
    assert (report.images, report.shards, {kind: found.count for kind, found in report.left_out.items()}) == (
        30,
        3,
        {"other": 6},
    )
    source, folder = open_source(shards), open_source(make_photos(tmp_path / "photos", 30))
    assert [source.read(i) for i in range(30)] == [folder.read(i) for i in range(30)]
    assert [source.key(i) for i in range(30)] == [folder.key(i) for i in range(30)]
    assert source.names[11] == "1/01.png"
    assert source.names[-2:] == ["2/08.png", "2/09.png"]
    mine, theirs = TrainingImages(source, 16), TrainingImages(folder, 16)
    assert len(mine) == len(theirs)
    assert torch.equal(mine.held_out(9), theirs.held_out(9))


def test_shards_are_wanted_one_after_another(shards, monkeypatch):
    """And every picture once an epoch, in an order that is another in the next."""
    monkeypatch.setattr("graftlab.data.training_images.TOGETHER", 1)
    data.index([shards], shards / "index.shards")
    images = TrainingImages(open_source(shards), 16, holdout=0)
    orders = [[images._at(place)[0] for place in range(start, start + 30)] for start in (0, 30)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(30))
    assert orders[0] != orders[1]
    for order in orders:
        assert [len({number // 10 for number in order[i : i + 10]}) for i in (0, 10, 20)] == [1, 1, 1]


@pytest.mark.parametrize("space", ["20", "0"])  # all shards fit into the cache, or none
def test_from_the_web_as_from_the_disk(served, shards, monkeypatch, space):
    index, web, pauses = served
    monkeypatch.setenv("GRAFTLAB_SHARDS", space)
    data.index([shards], shards / "index.shards")
    web.requests.clear()
    web.pages["/web.shards"] = Page(index.read_bytes())
    for place in (index, web.url("/web.shards")):
        assert torch.equal(batches(open_source(place), 8), batches(open_source(shards), 8))
    kept = [path for path in (shards / "cache" / "shards").iterdir() if path.suffix not in (".lock", ".index")]
    assert len(kept) == (3 if space == "20" else 0)
    assert any(web.ranges) == (space == "0")
    assert not pauses


def test_a_server_without_ranges_gives_whole_shards_into_a_bounded_cache(served, shards, monkeypatch):
    index, web, _ = served
    size = (shards / "photos-00.tar").stat().st_size
    monkeypatch.setenv("GRAFTLAB_SHARDS", str(1.5 * size / 1e9))
    for page in web.pages.values():
        page.ranges = False
    source = open_source(index)
    assert [source.read(i) for i in (0, 10, 20, 1)] == [photo(i) for i in (0, 10, 20, 1)]
    assert sum(path.suffix != ".lock" for path in (shards / "cache" / "shards").iterdir()) == 1


def test_a_connection_that_breaks_is_tried_again_and_then_told(served, monkeypatch):
    index, web, pauses = served
    monkeypatch.setenv("GRAFTLAB_SHARDS", "0")
    source = open_source(index)
    web.pages["/photos-00.tar"].cuts = [5, 9]
    assert source.read(0) == photo(0)
    assert pauses == [1.0, 2.0]
    web.pages["/photos-00.tar"].status = 503
    refused("photos-00.tar cannot be read after 5 attempts.*503", source.read, 0)
    web.pages["/photos-01.tar"].status = 404
    refused("photos-01.tar: the server answers 404", source.read, 10)
    with pytest.raises(GraftError, match="cannot be read after 5 attempts"):  # and is no unreadable picture
        batches(source)


def test_what_has_changed_is_refused(served, shards, monkeypatch):
    index, web, _ = served
    monkeypatch.setenv("GRAFTLAB_SHARDS", "0")
    data.index([shards], shards / "index.shards")
    source, distant = open_source(shards), open_source(index)
    path = shards / "photos-01.tar"
    whole = path.read_bytes()
    at = whole.index(photo(12)) + 60
    path.write_bytes(whole[:at] + b"?" + whole[at + 1 :])
    assert source.read(11) == photo(11)
    refused("photos-01.tar has changed since it was indexed .1/02.png differs.", source.read, 12)
    web.pages["/photos-01.tar"].tag = '"two"'
    refused("photos-01.tar has changed since it was indexed", distant.read, 11)
    path.write_bytes(whole[:-2000])
    refused("photos-01.tar is cut off: it has .* bytes and had", open_source, shards)
    path.unlink()
    refused("photos-01.tar, one of the shards of .*, is missing", open_source, shards)
    with pytest.raises(GraftError, match=r"is missing|cannot be read"):
        source.read(10)


def test_what_cannot_be_indexed(shards, tmp_path):
    path = shards / "photos-00.tar"
    whole, out = path.read_bytes(), tmp_path / "x.shards"
    refused("photos-00.tar is a shard without an index; make one", open_source, path)
    for length in (len(whole) // 2 + 100, whole.index(photo(3)) - 512):  # in a picture, and between two
        path.write_bytes(whole[:length])
        refused("photos-00.tar is cut off", data.index, [path], out)
    path.write_bytes(b"\x1f\x8b" + bytes(600))
    refused("photos-00.tar is compressed", data.index, [path], out)
    refused("none.tar cannot be read", data.index, [shards / "none.tar"], out)
    refused("hold no pictures", data.index, [tar(shards / "text.tar", {"a.txt": b"a"})], out)
    write_tensors(out, {"a": torch.zeros(1)}, {"kind": "codes"})
    refused("is no index of shards|is not a usable pack", open_source, out)


def test_packed_as_shards(tmp_path, capsys):
    photos, out = make_photos(tmp_path / "photos", 25), tmp_path / "shards"
    assert run(["data", "pack", str(photos), "-o", str(out), "--size", "16", "--shard", "10"]) == 0
    assert sorted(os.listdir(out)) == ["000000.tar", "000001.tar", "000002.tar", "index.shards"]
    source, folder = open_source(out), open_source(photos)
    assert [source.key(i) for i in range(25)] == [folder.key(i) for i in range(25)]
    assert [*source.names] == folder.names
    data.pack(folder, tmp_path / "one.pack", 16)
    packed = open_source(tmp_path / "one.pack")
    for i in (0, 14, 24):
        assert np.array_equal(cut(source.read(i), "", 16, "short"), packed.images[i])
    report = data.index([out], tmp_path / "again.shards")  # other programs read them, too
    assert (report.images, report.shards) == (25, 3)
    refused("no folder of shards, and not empty", data.pack, folder, photos, 16, shard=10)
    refused("shards is a folder; name a file in it", data.pack, folder, out, 16)
    assert run(["data", "index", str(out), "-o", str(tmp_path / "b.shards")]) == 0
    assert "25 images in 3 shards" in capsys.readouterr().out


def test_shards_are_made_again_where_a_process_was_killed(tmp_path):
    photos, out = make_photos(tmp_path / "photos", 5), tmp_path / "shards"
    words = ["data", "pack", str(photos), "-o", str(out), "--size", "16", "--shard", "2"]
    assert run(words) == 0
    made = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / "index.shards").unlink()
    (out / "000002.tar").rename(out / f".000002.tar.part-{2**30}")
    assert run(words) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == made


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of Unix")
def test_nobody_waits_for_a_pipe(tmp_path):
    os.mkfifo(pipe := tmp_path / "pipe")
    refused("pipe is a pipe or a device", data.index, [pipe], tmp_path / "x.shards")
    refused("pipe is a pipe or a device", read_tensors, pipe)


def test_memory_does_not_grow_with_the_names(tmp_path):
    """An index of 50,000 pictures: what opening it and a batch's numbers take is arrays, and no object for each."""
    listing, content = indexing.Listing(), photo(0)
    for number in range(50_000):
        listing.add(0, 512, content, f"{number * 7919 % 65_521:064x}", f"a folder/with a long name {number:09d}.png")
    shard = tar(tmp_path / "a.tar", {"a.png": content})
    listing.write(tmp_path / "a.shards", [{"name": "a.tar", "bytes": shard.stat().st_size, "sha256": "", "etag": ""}])
    tracemalloc.start()
    images = TrainingImages(ShardSource(tmp_path / "a.shards"), 16)
    images.batch(49_000, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000 * 80  # a name alone would take more
