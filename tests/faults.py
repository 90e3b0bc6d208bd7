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
from itertools import count
from pathlib import Path

import torch
from fault_bench import JOBS, Bench, Done, Job, Process, Row, contents, flip, goes_on, interrupted, plant, visible
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

from graftlab.artifacts import read_tensors, write_tensors
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


# -- files ------------------------------------------------------------------------------------------------------------

READERS = {  # a job whose file is damaged: a command that reads it, and what that makes
    "encode": ("decode codes.safetensors -m m/swap.safetensors --device cpu -o out.png", "out.png"),
    "directions fit": ("directions show d.safetensors --json", ""),
    "textures fit": (
        "textures sample -m m/swap.safetensors --from t.safetensors --seeds 1 --device cpu -o out.png m/a.png",
        "out.png",
    ),
    "index": ("find --texture m/a.png --index i.safetensors -m m/swap.safetensors --device cpu --json", ""),
    "convert --half": ("swap m/a.png m/b.png -m half.safetensors --device cpu -o out.png", "out.png"),
    "convert --delta": ("sample --seeds 1 -m delta.safetensors --device cpu -o out.png", "out.png"),
    "train-encoder": (
        "invert m/a.png -m m/style.safetensors --encoder e.safetensors --steps 0 --device cpu -o w.safetensors",
        "w.safetensors",
    ),
    "data pack --shard": (
        "index shards/index.shards -m m/swap.safetensors --device cpu -o out.safetensors",
        "out.safetensors",
    ),
    "invert": ("decode w.safetensors -m m/style.safetensors --device cpu -o out.png", "out.png"),
    "model": ("swap m/a.png m/b.png -m m/swap.safetensors --device cpu -o out.png", "out.png"),
    "pack": ("index photos.pack -m m/swap.safetensors --device cpu -o out.safetensors", "out.safetensors"),
}


def flipped(bench: Bench, kind: str, words: str, makes: str, tries: int) -> Row:
    """A bit: the file is refused by name, or what is made is what it would have been."""
    row = Row(f"a flipped bit in a file: {kind}")
    job = JOBS.get("data pack" if kind == "pack" else kind)
    if job:
        bench.whole(job)

    def attempt(harm: bool) -> tuple[Done, dict[str, bytes], str]:
        folder = bench.place()
        damaged = folder / (job.makes if job else "m/swap.safetensors")
        shutil.copy(folder / "m" / "style.safetensors", folder)  # the parent of a delta
        if job:
            bench.lay(job, folder)
        if damaged.is_dir():
            damaged = bench.dice.choice(sorted(visible(damaged)))
        if harm:
            flip(damaged, bench.dice)
        done = Process(words, folder).ended()
        made = contents(folder / makes) if makes else {"": done.said.encode() if not done.code else b""}
        return done, made, damaged.name

    done, sound, _ = attempt(harm=False)
    assert done.code == 0, done
    for _ in range(tries):
        done, found, name = attempt(harm=True)
        clear = done.code == 0 or done.refused(name)
        told = done.code != 0 or "1 that cannot be read" in done.said  # a photo of a pack, which is left out
        row.add(told or found == sound, clear, None, done)
    return row


def flipped_state(bench: Bench, job: Job, tries: int) -> Row:
    """In what an interrupted job goes on from: it begins again, or goes on from the one before."""
    row = Row(f"a flipped bit in what it goes on from: {job.name}")
    for _ in range(tries):
        folder = interrupted(bench, job)
        path = max(folder.glob(job.keeps))
        flip(path, bench.dice)
        done = Process(job.words, folder).ended()
        if done.refused(path.name):  # of a run with no other state: it says so, and is removed
            shutil.rmtree(folder / job.makes)
            row.add(True, True, *goes_on(bench, job, folder))
        else:
            row.add(True, done.code == 0, bench.finished(job, folder), done)
    return row


def not_finite(bench: Bench, name: str, words: str, makes: str) -> Row:
    """Weights."""
    row, folder = Row(f"NaN among the weights: {name}"), bench.place()
    done = Process(words, folder).ended()
    row.add(not (folder / makes).exists(), done.refused("finite"), None, done)
    return row


def not_finite_state(bench: Bench, job: Job) -> Row:
    """In what an interrupted job goes on from, with a right digest."""
    row, folder = Row(f"NaN in what it goes on from: {job.name}"), interrupted(bench, job)
    path = max(folder.glob(job.keeps))
    tensors, header = read_tensors(path)
    plant(tensors)
    write_tensors(path, tensors, header)
    done = Process(job.words, folder).ended()
    row.add(True, done.code == 0, bench.finished(job, folder), done)
    return row


def not_finite_gradients(bench: Bench, job: Job) -> Row:
    """In every third step of an optimiser: it is skipped, and nothing of it reaches a file."""
    row, folder, norm, calls = Row(f"NaN among gradients: {job.name}"), bench.place(), torch._foreach_norm, count()

    def spoil() -> None:
        torch._foreach_norm = lambda gradients: [  # type: ignore[assignment]
            each * (float("nan") if next(calls) % 3 == 0 else 1.0) for each in [torch.stack(norm(gradients)).sum()]
        ]

    done = Process(job.words, folder, spoil).ended()
    files = [path for path in visible(folder / job.makes) if path.suffix == ".safetensors"]
    whole = all(tensor.isfinite().all() for path in files for tensor in read_tensors(path)[0].values())
    row.add(whole and bool(files), done.code == 0, None, done)
    return row


def two_at_once(bench: Bench, job: Job, tries: int) -> Row:
    """What holds no lock: both make it whole."""
    row = Row(f"two at once: {job.name}")
    bench.whole(job)
    for _ in range(tries):
        folder = bench.place()
        first = Process(job.words, folder)
        second = Process(job.words, folder, log=bench.top / "second.log")
        ends = first.ended(), second.ended()
        row.add(
            bench.sound(job, folder),
            ends[0].code == ends[1].code == 0,
            bench.finished(job, folder),
            max(ends, key=lambda done: abs(done.code)),
        )
    return row


def long_name(bench: Bench, job: Job) -> Row:
    """255 bytes, to be written: the sentence, or the file."""
    row, folder = Row(f"a name of 255 bytes to write: {job.name}"), bench.place()
    suffix = Path(job.makes).suffix
    name = "n" * (255 - len(suffix)) + suffix
    done = Process(job.words.replace(job.makes, name), folder).ended()
    clear = done.code == 0 or done.refused("too long")
    whole = {path.name for path in folder.iterdir()} == ({"m", name} if done.code == 0 else {"m"})
    row.add(whole, clear, None, done)
    return row


# -- all of it --------------------------------------------------------------------------------------------------------


def rows(bench: Bench, tries: int) -> Iterator[Callable[[], Row]]:
    work.SAVE_EVERY = 0.0  # of searches, so that there is something to go on from
    named = ("train", "stylegan train", "film walk", "data pack", "sheet", "invert")
    busy = [JOBS[name] for name in named]
    runs, film, search = [JOBS[name] for name in named[:2]], JOBS["film walk"], JOBS["invert"]
    for number in (signal.SIGKILL, signal.SIGTERM):
        yield from (lambda job=job, by=number: stop(bench, job, tries, by) for job in busy)
    yield from (lambda job=job: second_process(bench, job, tries) for job in (*runs, film, search, JOBS["sheet"]))
    yield from (lambda name=name: two_at_once(bench, JOBS[name], tries) for name in ("data pack", "index", "encode"))
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
    yield from (lambda job=job: not_finite_state(bench, job) for job in (*runs, search))
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
