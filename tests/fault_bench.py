"""`graft` in processes that can be broken, what they work on, and whether what they leave is whole."""

import os
import random
import shutil
import signal
import sys
import tarfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tiny
import torch
from PIL import Image
from training_fixture import make_photos

import graftlab.cli
from graftlab.artifacts import read_tensors, write_tensors
from graftlab.checkpoints.native import save_model
from graftlab.errors import GraftError

PATIENCE = 300.0  # seconds for one command
OWN = ("lock", "report.html", "photos.json")  # in run folders, of one moment


@dataclass(frozen=True)
class Done:
    code: int  # negative: the signal that ended it
    said: str

    def refused(self, *words: str) -> bool:
        """Whether this was one sentence, in which these words are."""
        told = [line for line in self.said.splitlines() if line.startswith("graft: ")]
        known = all(word.lower() in self.said.lower() for word in words)
        return self.code == 2 and len(told) == 1 and known and "Traceback" not in self.said


def no_more() -> None:
    pass


class Process:
    """One `graft`, forked off this process, which has imported all that it needs: a start takes no seconds."""

    def __init__(
        self, words: str, folder: Path, before: Callable[[], object] = no_more, log: Path | None = None
    ) -> None:
        self.log = log or folder.with_name(f"{folder.name}.log")
        if child := os.fork():
            self.id = child
            return
        code = 1
        try:
            os.chdir(folder)
            for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
                place = self.log if number else os.devnull
                os.dup2(os.open(place, flags | os.O_CREAT | (os.O_TRUNC if number == 1 else os.O_APPEND)), number)
            sys.argv = ["graft", *words.split()]
            before()
            graftlab.cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def send(self, number: int) -> None:
        os.kill(self.id, number)

    def ended(self) -> Done:
        """When it is at its end; killed if that takes too long."""
        for _ in range(int(PATIENCE / 0.01)):
            process, status = os.waitpid(self.id, os.WNOHANG)
            if process:
                return Done(os.waitstatus_to_exitcode(status), self.log.read_text(errors="replace"))
            time.sleep(0.01)
        self.send(signal.SIGKILL)
        os.waitpid(self.id, 0)
        return Done(-signal.SIGALRM, self.log.read_text(errors="replace") + "\nno end in sight")


@dataclass(frozen=True)
class Job:
    """A command, and the file or folder that it makes. Of what it works on, m/ has a copy."""

    name: str
    words: str
    makes: str
    keeps: str = ""  # what there is to go on from once it was interrupted, as a pattern


JOBS = {
    job.name: job
    for job in (
        Job(
            "train",
            "train m/photos --run run --preset tiny --images 32 --batch 4 --snapshot-every 8 "
            "--record-every 8 --precision float32 --no-compile --keep-models --device cpu",
            "run",
            "run/states/*16.safetensors",
        ),
        Job(
            "stylegan train",
            "stylegan train m/photos --run run --preset tiny --size 32 --images 32 --batch 4 --snapshot-every 8 "
            "--record-every 8 --precision float32 --no-compile --device cpu",
            "run",
            "run/states/*16.safetensors",
        ),
        Job(
            "film walk",
            "film walk m/a.png m/b.png -m m/swap.safetensors --size 32 --frames 200 --device cpu -o film.mp4",
            "film.mp4",
            ".film.mp4.parts/0*.*.*",
        ),
        Job("data pack", "data pack m/photos -o photos.pack --size 32", "photos.pack"),
        Job(
            "sheet",
            "sheet m/style.safetensors m/tuned.safetensors --columns levels:4,8,16 --seeds 1-4 --device cpu -o s.png",
            "s.png",
        ),
        Job(
            "sheet of photos",
            "sheet m/swap.safetensors m/swap2.safetensors --rows alpha:0,0.2,0.4,0.6,0.8,1 --columns photos "
            "--photo m/a.png --photo m/b.png --device cpu -o p.png",
            "p.png",
            ".p.png.parts/0*.*.png",
        ),
        Job(
            "invert",
            "invert m/a.png m/b.png -m m/style.safetensors --steps 40 --features 0 --device cpu -o w.safetensors",
            "w.safetensors",
            ".w.safetensors.parts/search.safetensors",
        ),
        Job(
            "train-encoder",
            "train-encoder m/style.safetensors --images 64 --batch 4 --width 8 --features 0 --device cpu "
            "-o enc.safetensors",
            "enc.safetensors",
            ".enc.safetensors.parts/training.safetensors",
        ),
        Job("data pack --shard", "data pack m/photos -o shards --size 32 --shard 8", "shards"),
        Job(
            "encode",
            "encode m/a.png m/b.png --square -m m/swap.safetensors --device cpu -o codes.safetensors",
            "codes.safetensors",
        ),
        Job(
            "directions fit",
            "directions fit m/photos -m m/swap.safetensors -k 3 --device cpu -o d.safetensors",
            "d.safetensors",
        ),
        Job(
            "textures fit", "textures fit m/photos -m m/swap.safetensors --device cpu -o t.safetensors", "t.safetensors"
        ),
        Job("index", "index m/photos -m m/swap.safetensors --device cpu -o i.safetensors", "i.safetensors"),
        Job("convert --half", "convert m/swap.safetensors half.safetensors --half", "half.safetensors"),
        Job(
            "convert --delta",
            "convert m/tuned.safetensors delta.safetensors --delta m/style.safetensors",
            "delta.safetensors",
        ),
    )
}


class Bench:
    """Folders to break things in, and what every job makes if nothing does."""

    def __init__(self, top: Path, seed: int) -> None:
        self.top, self.dice = top, random.Random(seed)
        self.material = top / "material"
        self.made: dict[str, tuple[Any, float]] = {}
        make_material(self.material)

    def place(self) -> Path:
        """An empty folder, but for m/."""
        folder = self.top / "work"  # always the same: an index tells where its photos were
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.material, folder / "m")
        return folder

    def whole(self, job: Job) -> tuple[Any, float]:
        """What it makes, and in how many seconds."""
        if job.name not in self.made:
            folder, start = self.place(), time.monotonic()
            done = Process(job.words, folder).ended()
            assert done.code == 0, done
            self.made[job.name] = contents(folder / job.makes), time.monotonic() - start
        return self.made[job.name]

    def lay(self, job: Job, folder: Path) -> None:
        """That, into a folder, as if it had been made there."""
        found = self.whole(job)[0]
        for name, data in found.items():
            path = folder / job.makes / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def sound(self, job: Job, folder: Path) -> bool:
        """Whether what is there by now is whole: one file as it should be, all files of a run of use."""
        path = folder / job.makes
        if path.is_dir():
            return all(map(is_sound, visible(path)))
        return not path.exists() or contents(path) == self.whole(job)[0]

    def finished(self, job: Job, folder: Path) -> bool:
        """Whether all is there as if nothing had happened, and nothing besides."""
        left = [path for path in folder.rglob(".*") if path.is_file() or path.name.endswith(".parts")]
        return not left and contents(folder / job.makes) == self.whole(job)[0]


def visible(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def contents(path: Path) -> dict[str, bytes]:
    """All bytes that stay the same in a run that is made twice. Of its states that is the last: the one before it may
    be of an interruption."""
    if not path.is_dir():
        return {"": path.read_bytes()} if path.exists() else {}
    before = sorted(path.glob("states/*"))[:-1]
    kept = (each for each in visible(path) if each.name not in OWN and each not in before)
    names = {each.relative_to(path).as_posix(): each for each in kept}
    return {name: each.read_bytes() for name, each in names.items() if not name.startswith("tensorboard/")}


def is_sound(path: Path) -> bool:
    """Whether a file of a run is whole: what it is named for can be read."""
    try:
        if path.suffix == ".safetensors":
            read_tensors(path)
        elif path.suffix in (".png", ".jpg"):
            Image.open(path).load()
        elif path.suffix == ".tar":
            with tarfile.open(path) as shard:
                return bool(shard.getmembers())
    except (GraftError, OSError, tarfile.TarError):
        return False
    return True


def make_material(folder: Path) -> None:
    """Photos, also in a zip, and networks, one of them with a number that is none."""
    make_photos(folder / "photos", 24)
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for path in sorted((folder / "photos").iterdir()):
            archive.write(path, path.name)
    with tarfile.open(folder / "photos.tar", "w") as shard:
        shard.add(folder / "photos", "photos")
    for name, number in (("a", 3), ("b", 7)):
        shutil.copy(folder / "photos" / f"{number:02d}.png", folder / f"{name}.png")
    save_model(folder / "swap.safetensors", tiny.new_model(), {})
    save_model(folder / "swap2.safetensors", tiny.tuned(tiny.new_model(), 1), {})
    style = tiny.stylegan2()
    save_model(folder / "style.safetensors", style, {})
    save_model(folder / "tuned.safetensors", tiny.tuned(style, 1), {"parent": style.fingerprint})
    for name in ("swap", "style"):
        tensors, header = read_tensors(folder / f"{name}.safetensors")
        plant(tensors)
        write_tensors(folder / f"{name}-nan.safetensors", tensors, header)


def plant(tensors: dict[str, torch.Tensor]) -> None:
    """A number that is none, in the largest of tensors."""
    floats = [tensor for tensor in tensors.values() if tensor.is_floating_point()]
    max(floats, key=torch.numel).view(-1)[0] = float("nan")


def flip(path: Path, dice: random.Random) -> None:
    """One bit of a file."""
    data = bytearray(path.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


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


def interrupted(bench: Bench, job: Job) -> Path:
    """A folder in which a job was killed as soon as there was a file like this."""
    for _ in range(20):
        folder = bench.place()
        process = Process(job.words, folder)
        while not (found := list(folder.glob(job.keeps))) and process_lives(process):
            time.sleep(0.002)
        process.send(signal.SIGKILL)
        process.ended()
        if found and found[0].exists():
            return folder
    raise RuntimeError(f"{job.name} cannot be interrupted: {job.keeps} is never there")


def process_lives(process: Process) -> bool:
    return not Path(f"/proc/{process.id}/stat").read_text().rpartition(") ")[2].startswith("Z")
