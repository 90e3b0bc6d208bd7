"""Break `graft` in every way that we know, and see what is left: `python tests/faults.py`, or `make faults`.

Real commands on tiny models, in processes of their own that are killed, find the disk full or the memory short, and
are given files with a bit flipped. After each fault: nothing that was finished is lost, nothing half-written is taken
for whole, one sentence names the cause, and the same command goes on to what it would have made. Not a test: it takes
minutes. What `docs/reliability.md` says is its table.
"""

import argparse
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from fault_bench import JOBS, Bench, Done, Job, Process, contents, flip, plant, visible

from graftlab.artifacts import read_tensors, write_tensors

ROOM = 64 << 20  # bytes of the small disk when it is enlarged


@dataclass
class Row:
    """A fault: how often it happened, and what became of it."""

    fault: str
    tries: int = 0
    lost: int = 0  # something finished is gone, or something half-written looks whole
    unclear: int = 0  # not one sentence with the cause
    recovered: int | None = None  # the same command went on to the same result; None: there is nothing to go on with

    def add(self, whole: bool, clear: bool, recovered: bool | None, done: Done) -> None:
        self.tries += 1
        self.lost += not whole
        self.unclear += not clear
        if recovered is not None:
            self.recovered = (self.recovered or 0) + recovered
        if not (whole and clear and recovered is not False):
            what = [
                word
                for word, good in (("lost", whole), ("unclear", clear), ("stuck", recovered is not False))
                if not good
            ]
            print(f"{self.fault}: {', '.join(what)}: {done.code} {done.said[-600:]}", file=sys.stderr, flush=True)

    @property
    def good(self) -> bool:
        return self.recovered in (None, self.tries) and not self.lost + self.unclear


def goes_on(bench: Bench, job: Job, folder: Path) -> tuple[bool, Done]:
    """Whether the same command now makes what it should."""
    done = Process(job.words, folder).ended()
    return done.code == 0 and bench.finished(job, folder), done


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
    "invert": ("decode w.safetensors -m m/style.safetensors --device cpu -o out.png", "out.png"),
    "model": ("swap m/a.png m/b.png -m m/swap.safetensors --device cpu -o out.png", "out.png"),
    "pack": ("index photos.pack -m m/swap.safetensors --device cpu -o out.safetensors", "out.safetensors"),
}


def flipped(bench: Bench, name: str, words: str, makes: str, tries: int) -> Row:
    """A bit: the file is refused by name, or what is made is what it would have been."""
    row = Row(f"a flipped bit in a file: {name}")
    job = JOBS.get("data pack" if name == "pack" else name)
    damaged = job.makes if job else "m/swap.safetensors"
    if job:
        bench.whole(job)

    def attempt(harm: bool) -> tuple[Done, dict[str, bytes]]:
        folder = bench.place()
        shutil.copy(folder / "m" / "style.safetensors", folder)  # the parent of a delta
        if job:
            bench.lay(job, folder)
        if harm:
            flip(folder / damaged, bench.dice)
        done = Process(words, folder).ended()
        return done, contents(folder / makes) if makes else {"": done.said.encode() if not done.code else b""}

    done, sound = attempt(harm=False)
    assert done.code == 0, done
    for _ in range(tries):
        done, found = attempt(harm=True)
        clear = done.code == 0 or done.refused(Path(damaged).name)
        told = done.code != 0 or "1 that cannot be read" in done.said  # a photo of a pack, which is left out
        row.add(told or found == sound, clear, None, done)
    return row


def interrupted(bench: Bench, job: Job, pattern: str) -> Path:
    """A folder in which a job was killed as soon as there was a file like this."""
    while True:
        folder = bench.place()
        process = Process(job.words, folder)
        while not (found := list(folder.glob(pattern))) and process_lives(process):
            time.sleep(0.002)
        process.send(signal.SIGKILL)
        process.ended()
        if found and found[0].exists():
            return folder


def process_lives(process: Process) -> bool:
    return not Path(f"/proc/{process.id}/stat").read_text().rpartition(") ")[2].startswith("Z")


def flipped_state(bench: Bench, job: Job, pattern: str, tries: int) -> Row:
    """In what an interrupted job goes on from: it begins again, or goes on from the one before."""
    row = Row(f"a flipped bit in what it goes on from: {job.name}")
    for _ in range(tries):
        folder = interrupted(bench, job, pattern)
        path = max(folder.glob(pattern))
        flip(path, bench.dice)
        done = Process(job.words, folder).ended()
        if done.refused(path.name):  # of a run with no other state: it says so, and is removed
            shutil.rmtree(folder / job.makes)
            row.add(True, True, *goes_on(bench, job, folder))
        else:
            row.add(True, done.code == 0, bench.finished(job, folder), done)
    return row


def edited_photo(bench: Bench, job: Job, tries: int) -> Row:
    """Between an interrupted film and its continuation."""
    row = Row(f"a photo edited after an interruption: {job.name}")
    for _ in range(tries):
        folder = bench.place()
        shutil.copy(folder / "m" / "photos" / "11.png", folder / "m" / "b.png")
        assert Process(job.words, folder).ended().code == 0
        wanted = contents(folder / job.makes)
        folder = interrupted(bench, job, f".{job.makes}.parts/0*.*.*")
        shutil.copy(folder / "m" / "photos" / "11.png", folder / "m" / "b.png")
        done = Process(job.words, folder).ended()
        row.add(True, done.code == 0, contents(folder / job.makes) == wanted, done)
    return row


def not_finite(bench: Bench, name: str, words: str, makes: str) -> Row:
    """Weights."""
    row, folder = Row(f"NaN among the weights: {name}"), bench.place()
    done = Process(words, folder).ended()
    row.add(not (folder / makes).exists(), done.refused("finite"), None, done)
    return row


def not_finite_state(bench: Bench, job: Job) -> Row:
    """In the state of a run, with a right digest."""
    row, folder = Row(f"NaN in the state of a run: {job.name}"), interrupted(bench, job, "run/states/*16.safetensors")
    path = max((folder / "run" / "states").glob("0*.safetensors"))
    tensors, header = read_tensors(path)
    plant(tensors)
    write_tensors(path, tensors, header)
    done = Process(job.words, folder).ended()
    row.add(True, done.refused("finite") or done.code == 0, None if done.code else bench.finished(job, folder), done)
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


def cut_zip(bench: Bench, tries: int) -> Row:
    row = Row("a zip of photos cut off: data pack")
    for _ in range(tries):
        folder = bench.place()
        archive = folder / "m" / "photos.zip"
        os.truncate(archive, bench.dice.randrange(archive.stat().st_size))
        done = Process("data pack m/photos.zip -o photos.pack --size 32", folder).ended()
        row.add(not (folder / "photos.pack").exists(), done.refused("photos.zip"), None, done)
    return row


# -- all of it --------------------------------------------------------------------------------------------------------


def rows(bench: Bench, tries: int) -> Iterator[Callable[[], Row]]:
    named = ("train", "stylegan train", "film walk", "data pack", "sheet", "invert")
    busy = [JOBS[name] for name in named]
    runs, film, search = [JOBS[name] for name in named[:2]], JOBS["film walk"], JOBS["invert"]
    for number in (signal.SIGKILL, signal.SIGTERM):
        yield from (lambda job=job, by=number: stop(bench, job, tries, by) for job in busy)
    yield from (lambda job=job: second_process(bench, job, tries) for job in (*runs, film))
    yield from (lambda job=job: full_disk(bench, job, tries) for job in JOBS.values())
    yield from (lambda job=job: read_only(bench, job, 1) for job in JOBS.values())
    yield from (lambda job=job: short_of_memory(bench, job, tries) for job in busy)
    yield from (lambda name=name, use=use: flipped(bench, name, *use, 3 * tries) for name, use in READERS.items())
    yield from (lambda job=job: flipped_state(bench, job, "run/states/*16.safetensors", tries) for job in runs)
    yield lambda: flipped_state(bench, film, ".film.mp4.parts/0*.*.*", tries)
    yield lambda: edited_photo(bench, film, tries)
    for name, words, makes in (
        ("swap", "swap m/a.png m/b.png -m m/swap-nan.safetensors --device cpu -o o.png", "o.png"),
        ("film walk", film.words.replace("swap.s", "swap-nan.s"), "film.mp4"),
        ("index", JOBS["index"].words.replace("swap.s", "swap-nan.s"), "i.safetensors"),
        ("blend", "blend m/style.safetensors m/style-nan.safetensors --alpha 0.5 -o o.safetensors", "o.safetensors"),
        ("invert", search.words.replace("style.s", "style-nan.s"), "w.safetensors"),
    ):
        yield lambda name=name, words=words, makes=makes: not_finite(bench, name, words, makes)
    yield from (lambda job=job: not_finite_state(bench, job) for job in runs)
    yield from (lambda name=name: odd_folder(bench, JOBS[name]) for name in ("train", "data pack", "index"))
    yield from (lambda name=name: long_photo(bench, JOBS[name]) for name in ("train", "data pack", "index"))
    yield from (lambda job=job: long_name(bench, job) for job in JOBS.values() if job.makes != "run")
    yield lambda: cut_zip(bench, 3 * tries)


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
