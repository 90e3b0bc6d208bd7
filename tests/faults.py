"""Break `graft` in every way that we know, and see what is left: `python tests/faults.py`, or `make faults`.

Real commands on tiny models, in processes of their own that are killed, find the disk full or the memory short, and
are given files with a bit flipped. After each fault: nothing that was finished is lost, nothing half-written is taken
for whole, one sentence names the cause, and the same command goes on to what it would have made. Not a test: it takes
minutes. What `docs/reliability.md` says is its table.
"""

import argparse
import ctypes
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from fault_bench import JOBS, Bench, Job, Process, Row, contents, goes_on, visible
from fault_files import (
    READERS,
    flipped,
    flipped_state,
    long_name,
    not_finite,
    not_finite_gradients,
    not_finite_state,
    two_at_once,
)
from fault_photos import (
    cut_off,
    edited_photo,
    long_photo,
    many_files,
    odd_folder,
    other_clock,
    photo_without_numbers,
    unreadable,
)

from graftlab.inversion import work

ROOM = 64 << 20  # bytes of the small disk when it is enlarged


# -- processes --------------------------------------------------------------------------------------------------------


def stop(bench: Bench, job: Job, tries: int, number: int) -> Row:
    """By a signal, at three random instants in each try."""
    row = Row(f"{signal.Signals(number).name} at a random instant: {job.name}")
    _, seconds = bench.whole(job)
    for _ in range(tries):
        folder, kept, whole, clear, told = bench.place(), set[Path](), True, True, None
        for _ in range(3):
            process = Process(job.words, folder)
            time.sleep(bench.dice.uniform(0, seconds))
            process.send(number)
            done = process.ended()
            sound = bench.sound(job, folder)
            known = done.code in (0, -number) or (done.code == 130 and "Traceback" not in done.said)
            whole, clear, told = whole and sound, clear and known, told if sound and known else done
            pictures = {path for path in visible(folder) if path.parent.name in ("samples", "models")}
            whole &= kept <= pictures
            kept = pictures
        recovered, last = goes_on(bench, job, folder)
        row.add(whole, clear, recovered, told or last)
    return row


def held(lock: Path) -> bool:
    """Whether a process holds this lock, as the kernel says: to try it would be to hold it for a moment."""
    return f":{lock.stat().st_ino} " in Path("/proc/locks").read_text()


def second_process(bench: Bench, job: Job, tries: int) -> Row:
    """The same command while the first one works."""
    row = Row(f"a second process: {job.name}")
    bench.whole(job)
    for _ in range(tries):
        folder = bench.place()
        first = Process(job.words, folder)
        while not any(held(path) for path in folder.rglob("lock")):
            time.sleep(0.001)
        first.send(signal.SIGSTOP)
        second = Process(job.words, folder).ended()
        first.send(signal.SIGCONT)
        done = first.ended()
        row.add(True, second.refused("process"), done.code == 0 and bench.finished(job, folder), second)
    return row


def short_of_memory(bench: Bench, job: Job, tries: int) -> Row:
    """A limit of the address space, a little above what a process begins with."""
    row = Row(f"memory limit: {job.name}")
    bench.whole(job)
    for _ in range(tries):
        folder, more = bench.place(), bench.dice.randrange(1, 48) << 20
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + more
        done = Process(job.words, folder, lambda at=limit: resource.setrlimit(resource.RLIMIT_AS, (at, at))).ended()
        whole = bench.sound(job, folder)
        recovered, last = goes_on(bench, job, folder)
        row.add(whole, done.code == 0 or done.refused("memory"), recovered, done if recovered else last)
    return row


# -- disks ------------------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Callable[[], object]]:
    """A disk of so many bytes in the place of a folder, and what makes it larger; OSError where we may not."""
    kind = ["mount", "-t", "tmpfs", "-o"]
    if subprocess.run([*kind, f"size={size}", "tmpfs", str(folder)], capture_output=True).returncode:
        raise PermissionError("mounting is not permitted here")
    try:
        yield lambda: subprocess.run([*kind, f"remount,size={ROOM}", "tmpfs", str(folder)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def full_disk(bench: Bench, job: Job, tries: int) -> Row:
    """At a random byte; half of the files replace an earlier one."""
    row = Row(f"disk full: {job.name}")
    need = sum(map(len, bench.whole(job)[0].values()))
    for number in range(tries):
        folder = bench.place()
        shutil.move(folder / "m", bench.top / "aside")
        earlier = need if job.makes != "run" and number % 2 else 0
        size = earlier + bench.dice.randrange(4096, max(8192, int(0.9 * need)))
        with small_disk(folder, -(-size // 4096) * 4096) as enlarge:
            (folder / "m").symlink_to(bench.top / "aside")
            if earlier:
                bench.lay(job, folder)
            done = Process(job.words, folder).ended()
            whole = bench.sound(job, folder) and (not earlier or bool(contents(folder / job.makes)))
            enlarge()
            recovered, last = goes_on(bench, job, folder)
            clear = done.code == 0 or done.refused("space") or done.refused("make room")
            row.add(whole, clear, recovered, done if recovered else last)
        shutil.rmtree(bench.top / "aside")
    return row


def drop_rights() -> None:
    """Root, too, may then write only where the mode says so."""
    header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capset")


def read_only(bench: Bench, job: Job, tries: int) -> Row:
    row = Row(f"read-only folder: {job.name}")
    for _ in range(tries):
        folder = bench.place()
        folder.chmod(0o555)
        done = Process(job.words, folder, drop_rights).ended()
        folder.chmod(0o755)
        clear = done.refused("permission") or done.refused("may write")
        whole = [path.name for path in folder.iterdir()] == ["m"]
        recovered, last = goes_on(bench, job, folder)
        row.add(whole, clear, recovered, done if recovered else last)
    return row


# -- all of it --------------------------------------------------------------------------------------------------------


def rows(bench: Bench, tries: int) -> Iterator[Callable[[], Row]]:
    work.SAVE_EVERY = 0.0  # of searches, so that there is something to go on from
    runs, film, search, encoder = (
        [JOBS[name] for name in ("train", "stylegan train")],
        *(JOBS[name] for name in ("film walk", "invert", "train-encoder")),
    )
    busy = [*runs, film, *(JOBS[name] for name in ("data pack", "data pack --shard", "sheet")), search, encoder]
    for number in (signal.SIGKILL, signal.SIGTERM):
        yield from (lambda job=job, by=number: stop(bench, job, tries, by) for job in busy)
    yield from (lambda job=job: second_process(bench, job, tries) for job in (*runs, film, search, JOBS["sheet"]))
    together = [JOBS[name] for name in ("data pack", "data pack --shard", "index", "encode")]
    yield from (lambda job=job: two_at_once(bench, job, tries) for job in together)
    yield from (lambda job=job: full_disk(bench, job, tries) for job in JOBS.values())
    yield from (lambda job=job: read_only(bench, job, 1) for job in JOBS.values())
    yield from (lambda job=job: short_of_memory(bench, job, tries) for job in busy)
    yield from (lambda name=name, use=use: flipped(bench, name, *use, 3 * tries) for name, use in READERS.items())
    going_on = [job for job in JOBS.values() if job.keeps]
    yield from (lambda job=job: flipped_state(bench, job, tries) for job in going_on)
    of_photos = [film, search, JOBS["sheet of photos"]]
    yield from (lambda job=job: edited_photo(bench, job, tries) for job in of_photos)
    yield from (lambda job=job: other_clock(bench, job, tries) for job in going_on)
    for name, words, makes in (
        ("swap", "swap m/a.png m/b.png -m m/swap-nan.safetensors --device cpu -o o.png", "o.png"),
        ("film walk", film.words.replace("swap.s", "swap-nan.s"), "film.mp4"),
        ("index", JOBS["index"].words.replace("swap.s", "swap-nan.s"), "i.safetensors"),
        ("blend", "blend m/style.safetensors m/style-nan.safetensors --alpha 0.5 -o o.safetensors", "o.safetensors"),
        ("invert", search.words.replace("style.s", "style-nan.s"), "w.safetensors"),
    ):
        yield lambda name=name, words=words, makes=makes: not_finite(bench, name, words, makes)
    yield from (lambda job=job: not_finite_state(bench, job) for job in (*runs, search, encoder))
    yield from (lambda job=job: not_finite_gradients(bench, job) for job in runs)
    readers = [JOBS[name] for name in ("train", "data pack", "index")]
    yield from (lambda job=job: odd_folder(bench, job) for job in readers)
    yield from (lambda job=job: long_photo(bench, job) for job in readers)
    yield from (lambda job=job: photo_without_numbers(bench, job) for job in readers)
    yield from (lambda job=job: many_files(bench, job) for job in readers)
    yield from (lambda job=job: unreadable(bench, job, "07.png") for job in readers)
    yield from (lambda job=job: unreadable(bench, job, "b.png") for job in (*of_photos, JOBS["encode"]))
    yield from (lambda job=job: long_name(bench, job) for job in JOBS.values() if job.makes != "run")
    yield from (lambda name=name: cut_off(bench, name, 3 * tries) for name in ("photos.zip", "photos.tar"))


def table(found: list[Row]) -> str:
    lines = ["| fault | tries | lost | unclear | recovered |", "|---|---|---|---|---|"]
    for row in found:
        recovered = "–" if row.recovered is None else row.recovered
        lines.append(f"| {row.fault} | {row.tries} | {row.lost} | {row.unclear} | {recovered} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=3, help="of each fault")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="faults whose function has this in its name")
    parser.add_argument("-o", "--out", type=Path, help="file for the table, in Markdown")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as top:
        bench = Bench(Path(top), options.seed)
        for attempt in rows(bench, options.tries):
            if options.only and not any(word in attempt.__code__.co_names for word in options.only.split(",")):
                continue
            try:
                found.append(attempt())
            except PermissionError as error:
                print(f"Left out: {error}.", file=sys.stderr)
                continue
            print(table(found).splitlines()[-1], flush=True)
            if options.out:  # each time: whoever has seen enough stops it
                options.out.write_text(table(found))
    print(table(found))
    return 0 if all(row.good for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
