"""What may be wrong with photos, and with the clock: to `faults.py`."""

import builtins
import io
import os
import shutil
import time
from pathlib import Path

import numpy as np
from fault_bench import Bench, Job, Process, Row, contents, goes_on, interrupted
from PIL import Image

MANY = 100_000  # files


def edited_photo(bench: Bench, job: Job, tries: int) -> Row:
    """Between an interruption and the continuation: it begins anew, and says why."""
    row = Row(f"a photo edited after an interruption: {job.name}")
    for _ in range(tries):
        folder = bench.place()
        shutil.copy(folder / "m" / "photos" / "11.png", folder / "m" / "b.png")
        assert Process(job.words, folder).ended().code == 0
        wanted = contents(folder / job.makes)
        folder = interrupted(bench, job)
        shutil.copy(folder / "m" / "photos" / "11.png", folder / "m" / "b.png")
        done = Process(job.words, folder).ended()
        row.add(True, done.code == 0, contents(folder / job.makes) == wanted, done)
    return row


def odd_folder(bench: Bench, job: Job) -> Row:
    """What is no photo among photos: left out, and the rest is used as if it were not there."""
    row, folder = Row(f"loops, pipes and folders among photos: {job.name}"), bench.place()
    photos = folder / "m" / "photos"
    (photos / "loop").symlink_to(photos)
    (photos / "self.png").symlink_to("self.png")
    (photos / "gone.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(photos / "pipe.png")
    (photos / "folder.jpg").mkdir()
    done = Process(job.words, folder).ended()
    row.add(True, done.code == 0 and "Traceback" not in done.said, bench.finished(job, folder), done)
    return row


def long_photo(bench: Bench, job: Job) -> Row:
    """Named with 255 bytes."""
    row, folder = Row(f"a photo whose name has 255 bytes: {job.name}"), bench.place()
    photo = max((folder / "m" / "photos").iterdir())
    photo.rename(photo.with_name(f"{photo.stem}{'e' * (251 - len(photo.stem))}.png"))
    done = Process(job.words, folder).ended()
    row.add(True, done.code == 0, (folder / job.makes).exists(), done)
    return row


def photo_without_numbers(bench: Bench, job: Job) -> Row:
    """But NaN and infinity: it is taken, or left out, and what is made holds none."""
    row, folder = Row(f"a photo of NaN: {job.name}"), bench.place()
    values = np.full((40, 40), np.nan, np.float32)
    values[0, 0] = np.inf
    Image.fromarray(values).save(folder / "m" / "photos" / "none.tiff")
    done = Process(job.words, folder).ended()
    row.add(bool(contents(folder / job.makes)) and "NaN" not in done.said, done.code == 0, None, done)
    return row


def many_files(bench: Bench, job: Job) -> Row:
    """Tiny ones, that are no photos, among the photos."""
    row, folder = Row(f"{MANY:,} tiny files among photos: {job.name}"), bench.place()
    for number in range(MANY):
        (folder / "m" / "photos" / f"{number}.bin").touch()
    done = Process(job.words, folder).ended()
    row.add(True, done.code == 0, bench.finished(job, folder), done)
    return row


def unreadable(bench: Bench, job: Job, name: str) -> Row:
    """A photo on a bad block: it is refused by its name, or left out and told of."""
    row = Row(f"a read error: {job.name}")
    bench.whole(job)
    folder = bench.place()
    opened = io.open

    def fail(file: object, *how: object, **more: object) -> object:
        found = opened(file, *how, **more)  # type: ignore[call-overload]
        if isinstance(file, str | Path) and Path(file).name == name:  # memory that nobody has: EIO, of the kernel
            os.dup2(os.open("/proc/self/mem", os.O_RDONLY), found.fileno())
        return found

    def spoil() -> None:
        builtins.open = io.open = fail  # type: ignore[assignment]

    done = Process(job.words, folder, spoil).ended()
    told = name in done.said or "1 that cannot be read" in done.said
    clear = done.refused(name) or (done.code == 0 and told)
    whole = done.code == 0 or not contents(folder / job.makes)
    shutil.rmtree(folder / job.makes, ignore_errors=True)  # a run without the photo is another
    row.add(whole, clear, *goes_on(bench, job, folder)[:1], done)
    return row


def other_clock(bench: Bench, job: Job, tries: int) -> Row:
    """Years ahead or behind after an interruption, and at every look; so are the times of all files."""
    row, now = Row(f"a clock that jumps: {job.name}"), time.time

    def jump() -> float:
        return now() + bench.dice.uniform(-1e9, 1e9)

    def spoil() -> None:
        time.time = jump

    bench.whole(job)
    for _ in range(tries):
        folder = interrupted(bench, job)
        for path in folder.rglob("*"):
            os.utime(path, (jump(), jump()))
        done = Process(job.words, folder, spoil).ended()
        row.add(True, done.code == 0, bench.finished(job, folder), done)
    return row


def cut_off(bench: Bench, name: str, tries: int) -> Row:
    """Photos in one file, which ends somewhere: it is refused, or what is lost is told of."""
    row = Row(f"{name} cut off: data pack")
    for _ in range(tries):
        folder = bench.place()
        archive = folder / "m" / name
        os.truncate(archive, bench.dice.randrange(archive.stat().st_size))
        done = Process(f"data pack m/{name} -o photos.pack --size 32", folder).ended()
        row.add(not (folder / "photos.pack").exists(), done.refused(name), None, done)
    return row
