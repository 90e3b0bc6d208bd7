"""A day of training at tiny size: `python -m benchmarks marathon`. Memory and open files should stay what they are.

The smallest networks are trained in a real run folder for as many steps as a real run takes in so many hours, with as
many states, samples, models and reports: those of `landscapes-256`, one every ten minutes. At every record, the
process's memory, what of it is in use and its open files are looked at; the first records, in which what is kept is
filled, do not count. (Linux.) Ctrl-C ends it earlier, and what was seen until then is told.
"""

import ctypes
import os
import resource
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image

from benchmarks.result import Result, add_output
from benchmarks.worker import CPU
from graftlab.benchmarking.machine import Machine
from graftlab.config import (
    StyleTrainConfig,
    SwappingTrainConfig,
    TrainConfig,
    preset,
    recipe,
    style_preset,
    style_recipe,
)
from graftlab.figures.tables import Table
from graftlab.training.run import Run
from graftlab.work.memory import keep_freed_memory

KINDS = {"train": 32, "stylegan train": 8}  # and the side of the smallest pictures that each can learn from
BATCH, PHOTOS = 2, 24
STEP = 1.2  # seconds: a step of landscapes-256 on a laptop
RECORD, SNAPSHOT = 50, 500  # steps
WARM = 0.2  # share of the records that do not count
MEASURES = {"memory": 1e6, "heap": 1e6, "objects": 1e3, "files": 1}  # what is looked at, and in which unit it is told


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--hours", type=float, default=24, help=f"that it stands for, {STEP:g} s a step")
    parser.add_argument("--kinds", nargs="+", choices=[*KINDS], default=[*KINDS], help="of models")
    add_output(parser)


def run(options: Namespace) -> Result:
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as `graft` does
    seen: dict[str, dict[str, list[int]]] = {}
    for kind in options.kinds:
        seen[kind] = {name: [] for name in ("steps", *MEASURES)}
        with TemporaryDirectory() as folder:
            if not went(Path(folder), kind, round(options.hours * 3600 / STEP), seen, options):
                break
    return result(seen)


def went(folder: Path, kind: str, steps: int, seen: dict[str, dict[str, list[int]]], options: Namespace) -> bool:
    """Trains, and looks at the process after every record; whether it came to the end."""
    (folder / "photos").mkdir()
    size = KINDS[kind]
    for number in range(PHOTOS):
        Image.effect_noise((size, size), 40 + number).convert("RGB").save(folder / "photos" / f"{number}.png")
    training = Run(folder / "run", config_of(kind, folder / "photos", steps), CPU)

    def look(images: int, total: int, note: str) -> None:
        step = images // BATCH
        if step % RECORD == 0:
            for name, value in zip(seen[kind], (step, *measured()), strict=True):
                seen[kind][name].append(value)
        if step % SNAPSHOT == 0:
            result(seen).keep(options)  # whatever ends it then

    return training.train(look)


def config_of(kind: str, photos: Path, steps: int) -> TrainConfig:
    common = {
        **{"data": str(photos), "batch": BATCH, "images": steps * BATCH, "precision": "float32"},
        **{"record_every": RECORD * BATCH, "snapshot_every": SNAPSHOT * BATCH},
    }
    if kind == "train":
        return SwappingTrainConfig(preset("tiny", KINDS[kind]), recipe("official"), **common)
    return StyleTrainConfig(style_preset("tiny", KINDS[kind]), style_recipe("stylegan2", KINDS[kind], BATCH), **common)


# -- what a process has -----------------------------------------------------------------------------------------------


class Mallinfo2(ctypes.Structure):
    """Of glibc's malloc.h: bytes of the one heap of a process that keeps what is freed."""

    _fields_: Sequence[tuple[str, type]] = [
        (name, ctypes.c_size_t)
        for name in ("arena", *(f"_{number}" for number in range(6)), "uordblks", "fordblks", "keepcost")
    ]


@cache
def heap() -> Callable[[], Mallinfo2]:
    """What glibc tells of it."""
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = Mallinfo2
    return mallinfo


def measured() -> tuple[int, ...]:
    """Bytes in memory, bytes of the heap that are in use, Python's small objects, open files."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return (
        pages * resource.getpagesize(),
        heap()().uordblks,
        sys.getallocatedblocks(),
        len(os.listdir("/proc/self/fd")) - 1,  # but the one that lists them
    )


# -- what is told -----------------------------------------------------------------------------------------------------


def result(seen: dict[str, dict[str, list[int]]]) -> Result:
    titles = ("MB", "MB in use", "thousand objects", "files")
    columns = [
        "steps",
        f"hours at {STEP:g} s",
        *(f"{title} {when}" for title in titles for when in ("warm", "at the end")),
    ]
    rows = []
    for kind, values in seen.items():
        if steps := values["steps"]:
            cells = [f"{steps[-1]:,}", f"{steps[-1] * STEP / 3600:.1f}"]
            for name, unit in MEASURES.items():
                cells += [f"{most / unit:.{int(unit > 1)}f}" for most in ends(values[name])]
            rows.append((kind, cells))
    return Result(Machine.here(CPU), [Table("Most of a training's memory and open files", columns, rows, "")], seen)


def ends(values: list[int]) -> tuple[int, int]:
    """The most in the first fifth that counts, and in the last."""
    counted = values[int(WARM * len(values)) :]
    fifth = max(1, len(counted) // 5)
    return max(counted[:fifth]), max(counted[-fifth:])
