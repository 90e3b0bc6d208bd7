"""A run folder: killed, interrupted, damaged, without space, used twice: nothing is lost and nothing is half there."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from math import nan
from pathlib import Path
from typing import get_type_hints

import pytest
import torch
from claims import refused
from PIL import Image
from safetensors.torch import save_file
from training_fixture import CPU, config, files, make_photos, start

import graftlab
from graftlab.artifacts import read_tensors, write_tensors
from graftlab.config import RECIPES, DistillRecipe, Recipe, StyleRecipe, preset
from graftlab.config.base import Weight
from graftlab.data import open_source, pack
from graftlab.training import run as training
from graftlab.training.monitor import Stats
from graftlab.training.run import Run
from graftlab.work.files import lock

pytestmark = pytest.mark.usefixtures("small_features")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = make_photos(tmp_path_factory.mktemp("data") / "photos")
    pack(open_source(folder), folder.parent / "photos.pack", 32)
    return folder.parent / "photos.pack"


def states(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "states").iterdir())


def lines(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]


# ------------------------------------------------------------------------------------------------- killed, interrupted


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_five_times_equals_never(tmp_path, photos):
    program = [sys.executable, Path(__file__).with_name("training_fixture.py"), "kill", tmp_path, photos]
    result = subprocess.run(program, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    whole, killed = files(tmp_path / "whole" / "run"), files(tmp_path / "killed" / "run")
    assert sorted(whole) == sorted(killed)
    assert [name for name in whole if whole[name] != killed[name]] == []
    tensors, header = read_tensors(tmp_path / "killed" / "run" / "states" / "000000064.safetensors")
    assert header["seen"] == 64
    assert {name.split(".")[0] for name in tensors} == {"model", "discriminators", "ema", "adam"}


@pytest.mark.skipif(os.name != "posix", reason="signals are sent")
def test_interrupted(graft, tmp_path, photos, monkeypatch):
    run, record = tmp_path / "run", Stats.record

    def record_and_interrupt(*figures):
        record(*figures)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Stats, "record", record_and_interrupt)
    options = ["--preset=tiny", "--batch=4", "--images=1M", "--record-every=8", "--precision=float32", "--device=cpu"]
    result = graft("train", photos, "--run", run, *options)
    assert result.code == 130
    assert states(run) == ["000000008.safetensors"]
    assert "Saved at 8 images; the same command goes on from there." in result.err
    assert "Traceback" not in result.err
    assert (run / "report.html").is_file()
    settings = replace(config(photos, images=16), recipe=RECIPES["official"], snapshot_every=10_000)
    assert Run(run, settings, CPU).trainer.seen == 8


def test_weights_may_change_in_a_run_that_is_resumed():
    for kind in (Recipe, StyleRecipe, DistillRecipe):
        weights = {name for name, hint in get_type_hints(kind, include_extras=True).items() if hint == Weight}
        assert {"gan", "l1"} & weights or "path_length" in weights
        assert {f"recipe.{name}" for name in weights} <= {*training.MAY_CHANGE}


def test_a_second_interrupt_does_not_wait():
    before = signal.getsignal(signal.SIGINT)
    with training.interruption() as interrupted:
        assert signal.getsignal(signal.SIGINT) is not before
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


# ------------------------------------------------------------------------------------------------------------- states


def test_folder_of_a_run(tmp_path, photos):
    run = tmp_path / "run"
    training = start(run, photos, images=48)
    assert (run / "samples" / "reals.jpg").is_file()
    assert (run / "samples" / "000000000.jpg").is_file()
    averages = {}

    def progress(seen, total, note):
        assert total == 48
        averages[seen] = {name: tensor.clone() for name, tensor in training.trainer.ema.state_dict().items()}
        assert (run / "report.html").is_file() == (seen >= 16)

    assert training.train(progress)
    assert states(run) == ["000000032.safetensors", "000000048.safetensors"]
    assert {path.name for path in (run / "samples").iterdir()} == {
        "reals.jpg",
        *(f"{seen:09d}.jpg" for seen in (0, 16, 32, 48)),
    }
    validations = {line["seen"]: line["validation_error"] for line in lines(run) if "validation_error" in line}
    assert list(validations) == [16, 32, 48]
    for name, seen in (("best", min(validations, key=validations.__getitem__)), ("last", 48)):
        model = graftlab.load(run / f"{name}.safetensors", device="cpu")
        assert all(torch.equal(tensor, averages[seen][key]) for key, tensor in model.state_dict().items())
    assert all(line["skipped"] == 0 for line in lines(run) if "skipped" in line)


def test_finished_run_again_changes_nothing_and_a_longer_one_goes_on(tmp_path, photos):
    run = tmp_path / "run"
    assert start(run, photos, images=24).train()
    before = files(run)
    assert {"last.safetensors", "report.html", "states/000000024.safetensors"} < set(before)
    assert start(run, photos, images=24).train()
    assert files(run) == before
    longer = start(run, photos, images=40)
    assert (longer.trainer.seen, longer.best is None) == (24, False)
    assert longer.train()
    assert states(run) == ["000000032.safetensors", "000000040.safetensors"]
    assert [line["seen"] for line in lines(run) if "skipped" in line] == [8, 16, 24, 32, 40]


def test_snapshot_missed_at_the_end_is_made_up_for(tmp_path, photos, monkeypatch):
    """The time to save and the end of the run may meet: the last state is then saved with the last pictures."""
    monkeypatch.setattr(training, "SAVE_MINUTES", 0)
    run = tmp_path / "run"
    doomed = start(run, photos, images=24)

    def die(*arguments):
        if doomed.trainer.seen == 24:
            raise MemoryError

    monkeypatch.setattr(doomed, "_snapshot", die)
    with pytest.raises(MemoryError):
        doomed.train()
    assert start(run, photos, images=24).train()
    assert (run / "last.safetensors").is_file()
    assert lines(run)[-1]["seen"] == 24
    assert "validation_l1" in lines(run)[-1]


def test_a_run_that_goes_on_with_other_photos_says_so(tmp_path):
    """A mistyped path, or pictures that came to lie among the photos, would turn the run into a mixture."""
    folder = make_photos(tmp_path / "photos")
    run = folder / "run"  # among the photos, whose pictures are none of them
    start(run, folder, images=16).train()
    again = start(run, folder, images=32)
    (told,) = again.notes
    assert told.startswith("Left out: 1 run folder (run/: ")
    count = len(again.data.source)
    again.train()
    assert len(open_source(folder)) == count
    removed, kept = sorted(folder.glob("*.*"))[:2]
    removed.unlink()
    kept.rename(folder / "renamed")  # the same photo still
    for name in ("new1.png", "new2.png", "new3.png", "new4.png"):
        Image.new("RGB", (40, 40), (int(name[3]), 0, 0)).save(folder / name)
    changed = start(run, folder, images=32)
    sentence = f"The photos are not those of before: {count} -> {count + 3}; new: new1.png, new2.png, new3.png, ...; "
    assert changed.notes[1] == f"{sentence}gone: {removed.name}."
    assert lines(run)[-1] == {"seen": 32, "photos": count + 3}
    assert json.loads((run / "photos.json").read_text())["changes"] == [{"seen": 32, "change": changed.notes[1]}]
    del changed
    assert len(start(run, folder, images=32).notes) == 1  # said once


def test_damaged_states(tmp_path, photos):
    run = tmp_path / "run"
    start(run, photos, images=32).train()
    whole, stats = files(run), (run / "stats.jsonl").read_bytes()
    newest, older = (run / "states" / name for name in reversed(states(run)))
    newest.write_bytes(newest.read_bytes()[:100_000])
    resumed = start(run, photos, images=32)
    assert resumed.trainer.seen == 16
    assert states(run) == [older.name]  # a damaged one does not count as kept
    assert resumed.notes == [f"{newest} is damaged and removed; the run goes on from 16 images."]
    assert len((run / "stats.jsonl").read_bytes()) < len(stats)
    assert resumed.train()
    assert files(run) == whole
    tensors, header = read_tensors(newest)
    headers = [{**header, "stats": {}}, {**header, "best": "x"}, {**header, "seen": None}]
    headers += [{name: value for name, value in header.items() if name != lost} for lost in ("skipped", "stats")]
    weights = {name: tensor for name, tensor in tensors.items() if name != "adam.model.0.exp_avg"}
    bad = torch.full_like(tensors["adam.discriminators.0.exp_avg"], nan)

    def undigested(tensors, header):
        save_file(tensors, newest, {"graftlab": json.dumps(header)})  # from one of before there were digests

    digested = partial(write_tensors, newest)
    for write, kept, told in [
        (undigested, weights, header),
        (undigested, dict(list(tensors.items())[1:]), header),
        *((undigested, tensors, each) for each in headers),
        (digested, tensors | {"adam.discriminators.0.exp_avg": bad}, header),
        (digested, tensors, header | {"best": nan}),
    ]:
        write(kept, told)
        resumed = start(run, photos, images=32)
        assert (resumed.trainer.seen, states(run)) == (16, [older.name])
        del resumed
    assert start(run, photos, images=32).train()
    assert files(run) == whole
    undigested(weights, header)
    older.write_bytes(older.read_bytes()[:-1])
    refused(r"No saved state of .*run can be read, so choose another --run.*000000016", start, run, photos, images=32)
    assert states(run) == [older.name, newest.name]
    older.unlink(), newest.unlink()  # as in a copy of the models alone: beginning anew would write over them
    before = files(run)
    refused("has a model that saw 32 images, but no states/", start, run, photos, images=32)
    assert files(run) == before
    short = tmp_path / "short"
    start(short, photos, images=8).train()
    for state in states(short):
        (short / "states" / state).unlink()
    refused("has a model that saw 8 images, but no states/", start, short, photos, images=16)
    (short / "report.html").unlink()  # as of one that was killed in its first snapshot: it may begin anew
    assert start(short, photos, images=16).trainer.seen == 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"batch": 8}, "batch 4, now 8"),
        ({"network": preset("tiny", 64)}, "network.size 32, now 64; network.patch_size 8, now 16"),
        ({"seed": 1, "augment": ("colour",)}, r"augment \(\), now \('colour',\); seed 0, now 1"),
        ({"recipe": Recipe(crops=3)}, "recipe.crops 2, now 3"),
        ({"parent": "f" * 64}, "parent none, now f{64}"),
    ],
)
def test_other_options_are_refused(tmp_path, photos, changes, named):
    run = tmp_path / "run"
    start(run, photos)
    before = files(run)
    refused(rf"{run} holds a run with other options \({named}\)", Run, run, replace(config(photos), **changes), CPU)
    assert files(run) == before
    start(run, photos)  # the refused one holds no lock


def test_an_unreadable_configuration_and_no_photos_make_no_folder(tmp_path, photos):
    run = tmp_path / "run"
    start(run, photos)
    (run / "config.json").write_text("[]")
    refused(r"config\.json cannot be read", start, run, photos)
    refused("does not exist", start, tmp_path / "new", tmp_path / "nowhere")
    refused("no augmentation 'color'", start, tmp_path / "new", tmp_path / "nowhere", augment=("color",))
    assert not (tmp_path / "new").exists()


# --------------------------------------------------------------------------------------------------- one at a time


def test_one_process_at_a_time(tmp_path, photos):
    run = tmp_path / "run"
    first = start(run, photos)
    code = "import sys, pathlib as p; from graftlab.work.files import lock; lock(p.Path(sys.argv[1], 'lock'), 'busy')"
    second = subprocess.run([sys.executable, "-c", code, run], capture_output=True, text=True)
    assert "GraftError: busy" in second.stderr
    refused("is in use by another process", start, run, photos)
    assert first.train()
    assert start(run, photos).train()  # released once trained, or dropped


@pytest.mark.skipif(os.name != "posix", reason="a process is killed")
def test_lock_dies_with_its_holder(tmp_path):
    code = (
        "import sys, time, pathlib; from graftlab.work.files import lock\n"
        "held = lock(pathlib.Path(sys.argv[1], 'lock'), 'in use'); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        refused("in use", lock, tmp_path / "lock", "in use.")
        holder.kill()
    with lock(tmp_path / "lock", "in use"):
        pass


# ------------------------------------------------------------------------------------------------------------ full disk


@pytest.fixture
def small_disk(tmp_path):
    """A folder that holds 16 MB, of which a state with its margin needs 11."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("only root may mount a small disk, on Linux")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_full_disk(small_disk, photos):
    run, filler = small_disk / "run", small_disk / "filler"
    start(run, photos).train()
    states_before = {name: data for name, data in files(run).items() if name.startswith("states/")}
    for free, says in (
        (300_000, r"best\.safetensors could not be written, because there is no space"),
        (0, r"config\.json could not be written, because there is no space"),
        (5_000_000, "states needs .* MB free; .* run the same command again"),
    ):
        with filler.open("wb") as file:
            space = os.statvfs(small_disk)
            file.write(bytes(space.f_bavail * space.f_frsize - free))
        refused(says, lambda: start(run, photos, images=32).train())
        after = files(run)
        assert {name: data for name, data in after.items() if name.startswith("states/")} == states_before
        assert [name for name in after if ".part-" in name] == []
        filler.unlink()
    assert start(run, photos, images=32).train()
    assert states(run)[-1] == "000000032.safetensors"


# ----------------------------------------------------------------------------------------------------------- few photos


@pytest.mark.parametrize("count", [1, 2])
def test_few_photos(tmp_path, count):
    photos, run = make_photos(tmp_path / "photos", count), tmp_path / "run"
    assert start(run, photos).train()
    with Image.open(run / "samples" / "000000016.jpg") as sheet:
        assert sheet.width > 128 * (count + 1)  # held-out photos first, then training photos
    assert (run / "best.safetensors").is_file() == (count > 1)
    assert (run / "last.safetensors").is_file()
    assert start(run, photos, images=24).train()


def test_held_out_photo_that_cannot_be_read(tmp_path):
    photos, run = make_photos(tmp_path / "photos", 3), tmp_path / "run"
    name = start(run, photos).data.names_held_out[0]
    data = (photos / name).read_bytes()
    (photos / name).write_bytes(data[:40] + bytes(200) + data[240:])
    assert start(tmp_path / "other", photos).train()
