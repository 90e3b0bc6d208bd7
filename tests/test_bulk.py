"""Work in shards: every item once and in order, whoever works, leaves, comes late or is lost."""

import json
import os
import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from claims import refused
from tiny import pictures

from graftlab.codes import Codes
from graftlab.images import read
from graftlab.rendering import Renderer, many
from graftlab.rendering.many import read_swaps
from graftlab.video.film import Film, frame_rate, render
from graftlab.work import bulk as module
from graftlab.work import shards as claims
from graftlab.work.bulk import Bulk, carried_out
from graftlab.work.progress import silent
from graftlab.work.shards import Work, folder_of, open_shards, rotated

NOBODY = 2**31 - 1  # no process has this number
PARENT = os.getpid()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def squares(made=None, stop=None, items=10, **plan):
    """Work that squares numbers, and fails at multiples of five."""

    def make(numbers, into, progress):
        if stop is not None and stop in numbers:
            raise KeyboardInterrupt
        if made is not None:
            made.extend(numbers)
        (into / "squares.json").write_text(json.dumps([n * n for n in numbers if n % 5]))
        progress(len(numbers))
        return {str(n): "a multiple of five" for n in numbers if n % 5 == 0}

    return Work(make, items, 3, plan)


def done(work, out, bulk=module.ALONE, **options):
    """What `carried_out` gives, joined; None if another has put it together."""
    with carried_out(work, out, bulk, **options) as results:
        if results is None:
            return None
        out.write_text("graftlab")
        return [n for folder in results.folders for n in json.loads((folder / "squares.json").read_text())], (
            list(results.failed)
        )


def test_a_folder_that_is_gone_means_that_all_is_done(out, monkeypatch):
    """Another process may put the shards together between any two looks."""
    shards, _ = open_shards(out, squares())
    shards.close(late=False)
    with shards.claimed(claims.WHOLE) as mine:
        assert not mine
    monkeypatch.setattr(shards, "put_together", lambda: False)
    assert shards.missing() == []


EXPECTED = [1, 4, 9, 16, 36, 49, 64, 81], ["0", "5"]


def test_results_are_in_order_and_an_interruption_costs_one_shard(out):
    made, seen = [], []
    with pytest.raises(KeyboardInterrupt):
        done(squares(made, stop=7), out)
    assert made == [0, 1, 2, 3, 4, 5]
    assert done(squares(made), out, progress=lambda *told: seen.append(told[:2])) == EXPECTED
    assert made == list(range(10))
    assert seen[0] == (6, 10)
    assert seen[-1] == (10, 10)
    assert os.listdir(out.parent) == ["out"]  # nothing is left behind
    with pytest.raises(KeyboardInterrupt):
        done(squares(stop=0), out)
    assert os.listdir(out.parent) == ["out"]


def test_other_work_begins_again_and_damaged_shards_are_made_again(out):
    made, notes = [], []
    with pytest.raises(KeyboardInterrupt):
        done(squares(stop=9), out)
    (folder_of(out) / "000001" / "squares.json").write_text("[]")
    assert done(squares(made), out) == EXPECTED
    assert made == [9, 3, 4, 5]
    with pytest.raises(KeyboardInterrupt):
        done(squares(stop=9), out)
    made.clear()
    assert done(squares(made, model="b"), out, progress=lambda *told: notes.append(told[2:])) == EXPECTED
    assert made == list(range(10))
    assert notes[0] == ("begun again, because model changed",)


def test_claims_are_one_processs_until_it_is_lost(out, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(claims, "monotonic", lambda: now[0])
    shards, _ = open_shards(out, squares())
    claim = shards.folder / "000001.claim"

    def mine():
        with shards.claimed("000001") as got:
            return got

    with shards.claimed("000001") as first:
        assert first
        assert not mine()
    assert mine()  # it was released
    claim.write_text(f"{claims.node()} {NOBODY}")
    assert mine()  # who held it has ended
    claim.write_text("another-machine 7")
    assert not mine()
    now[0] = 2 * claims.LOST
    os.utime(claim, (5, 5))  # it was touched, whatever the clocks say
    assert not mine()
    now[0] += claims.LOST + 1
    assert mine()
    claim.write_text("another-machine 7")
    refused("is being made by other processes with another model: let them end", open_shards, out, squares(model="b"))
    assert rotated([0, 1, 2, 4], 2) == [2, 4, 0, 1]


def test_an_array_makes_every_item_once_and_who_comes_late_nothing(out, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.01)
    made = []
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(done, squares(made, items=40), out, Bulk(shard=f"{i}/4")) for i in (1, 2, 3)]
        whole, *others = sorted((job.result() for job in jobs), key=lambda found: found is None)
    assert whole[0] == [n * n for n in range(40) if n % 5]
    assert others == [None, None]
    assert sorted(made) == list(range(40))
    assert done(squares(made, items=40), out, Bulk(shard="4/4")) is None
    assert len(made) == 40
    out.unlink()
    assert done(squares(made, items=40), out, Bulk(shard="4/4")) == whole  # it is wanted once more
    assert len(made) == 80


def fatal(flag):
    """Work whose first process but this one is killed in the midst of a shard."""

    def make(numbers, into, progress):
        if os.getpid() != PARENT and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return squares().make(numbers, into, progress)

    def slowly(numbers, into, progress):  # until the other one was there
        while os.getpid() == PARENT and not flag.exists():
            progress(0)
        return make(numbers, into, progress)

    return Work(slowly, 10, 3, {})


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_worker_that_is_killed_costs_nothing_but_its_shard(out, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "PAUSE", 0.01)
    report = tmp_path / "report.json"
    assert done(fatal(tmp_path / "killed"), out, Bulk(workers=2, report=report)) == EXPECTED
    told = json.loads(report.read_text())
    assert (told["items"], told["shards"], told["lost"]) == (10, 4, 1)
    assert told["failed"] == {"0": "a multiple of five", "5": "a multiple of five"}


def test_what_makes_no_sense_is_refused(out, monkeypatch):
    for options, sentence in (
        ({"shard": "0/4"}, "--shard takes a number and how many there are, such as 3/16, not '0/4'"),
        ({"shard": "3"}, "such as 3/16, not '3'"),
        ({"workers": 0}, "one process or more, not 0"),
        ({"engine": "spark"}, "processes or ray, not 'spark'"),
        ({"engine": "ray", "workers": 2}, "leave out --shard and --workers"),
    ):
        refused(re.escape(sentence), Bulk, **options)
    monkeypatch.setitem(sys.modules, "ray", None)
    refused(r'needs Ray: pip install "graftlab\[scale\]"', done, squares(), out, Bulk(engine="ray"))
    assert not list(out.parent.iterdir())


# -- what it is used for -----------------------------------------------------------------------------------------------


def test_films_are_the_same_bytes_however_they_are_shared(tmp_path, monkeypatch):
    frames = pictures(70, 16, 16)
    drawn = []

    def frame(number):
        drawn.append(number)
        return frames[number : number + 1]

    for name, part in (("f.mp4", 64), ("f.gif", 4), ("f", 4)):
        monkeypatch.setattr("graftlab.video.film.PART", part)
        film = Film(70 if part == 64 else 10, frame_rate(25), frame, recipe={"a": 1})
        one, shared = (tmp_path / place / name for place in ("one", "shared"))
        for path in (one, shared):
            path.parent.mkdir(exist_ok=True)
        render(film, one)
        drawn.clear()
        render(film, shared, bulk=Bulk(shard="2/2"))
        assert sorted(drawn) == list(range(film.frames))
        files = [sorted(path.rglob("*.png")) if path.is_dir() else [path] for path in (one, shared)]
        assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
        assert len(files[0]) == (10 if name == "f" else 1)
        assert render(film, shared, bulk=Bulk(shard="1/2")) == shared  # which comes late
    followed = Film(70, frame_rate(25), frame, recipe={"a": 2}, remember=lambda folder: None)
    refused("follow from each other; leave out --shard", render, followed, tmp_path / "g.mp4", bulk=Bulk(workers=2))


def test_one_process_alone_shows_how_far_a_picture_is(model, photos, tmp_path):
    told = []

    @contextmanager
    def watch(what, *about, **more):
        told.append(what)
        yield silent

    renderer = Renderer(model, refine=1, watch=watch, size=32, square=True)
    many.encode(renderer, many.pictures_of([photos]))
    assert told == ["refining"] * 3
    many.encode(renderer, many.pictures_of([photos]), tmp_path / "c", Bulk(report=tmp_path / "report.json"))
    assert len(told) == 3


def test_encode_takes_folders_and_swaps_lists(graft):
    Path("photos/broken.png").write_bytes(b"no picture")
    said = graft("encode", "photos", "@peaks", "--square", "-o", "one/c.safetensors")
    assert said.code == 0, said
    assert "Left out: photos/broken.png" in said.err
    again = graft("encode", "photos", "@peaks", "--square", "-o", "two/c.safetensors", "--shard", "1/2")
    assert again.code == 0, again
    assert Path("one/c.safetensors").read_bytes() == Path("two/c.safetensors").read_bytes()
    assert len(Codes.load("one/c.safetensors")) == 4
    assert "broken.png" in graft("encode", "photos/broken.png").refusal()
    assert "@stream has another shape" in graft("encode", "@peaks", "@stream", "--size", "32").refusal()
    Path("bad").mkdir()
    Path("photos/broken.png").rename("bad/broken.png")
    assert "None of the 1 pictures could be encoded" in graft("encode", "bad", "-o", "three/c.safetensors").refusal()
    assert not list(Path("three").iterdir()), "nothing to go on with"

    Path("list.csv").write_text("@peaks, @stream\nphotos/hill.png,@peaks,hill.png\nnone.png,@peaks\n", "utf-8")
    said = graft("hybrids", "list.csv", "-o", "h", "--size", "32")
    assert "000002.png is missing: none.png" in said.err
    assert graft("swap", "@peaks", "@stream", "-o", "peaks.png", "--size", "32").code == 0
    assert torch.equal(read("h/000000.png"), read("peaks.png"))
    before = Path("h/hill.png").read_bytes()
    assert graft("hybrids", "list.csv", "-o", "h", "--size", "32", "--shard=2/2").code == 0
    assert Path("h/hill.png").read_bytes() == before  # whose recipe says nothing of shards
    Path("list.csv").write_text(
        "Structure;Texture;Name\nphotos/hill.png;@peaks;hill.png\n", "utf-16"
    )  # a spreadsheet's
    assert [(swap.structure.name, swap.name) for swap in read_swaps(Path("list.csv"))] == [("hill.png", "hill.png")]
    assert "photos is a folder: name a list" in graft("hybrids", "photos").refusal()
    Path("list.csv").write_text("häuser.png,a.png", "latin-1")
    assert "it is no text in UTF-8" in graft("hybrids", "list.csv").refusal()
    for text, sentence in (
        ("a.png", "a line is STRUCTURE,TEXTURE"),
        ("a.png,b.png,../c.png", "no name of a picture without folders"),
        ("a.png,b.png,c.png\na.png,b.png,C.png", "two swaps of one name"),
        ("", "no swap"),
    ):
        Path("list.csv").write_text(text, "utf-8")
        assert sentence in graft("hybrids", "list.csv").refusal()
