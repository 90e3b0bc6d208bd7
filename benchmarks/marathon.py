"""A day of training in some minutes: `python -m benchmarks marathon`. Memory and open files should stay what they are.

The smallest networks are trained in a real run folder, with states, samples, models and report as often as their steps
come: many more of these than in days. After every record, the process's memory and its open files are looked at; the
first records, in which what is kept is filled, do not count. (Linux.)
"""

import os
import resource
import signal
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image

from benchmarks.result import Result, add_output, positive
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

KINDS = ("train", "stylegan train")
BATCH, SIZE = 2, 32
RECORD, SNAPSHOT = 20, 100  # steps
WARM = 0.2  # share of the records that do not count


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--minutes", type=positive, default=5, help="for each kind of model")
    parser.add_argument(
        "--step", type=float, default=1.2, help="seconds of a step that it stands for: landscapes-256's"
    )
    add_output(parser)


def run(options: Namespace) -> Result:
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as `graft` does
    rows, figures = [], {}
    for kind in KINDS:
        with TemporaryDirectory() as folder:
            memory, files, steps = went(Path(folder), kind, options.minutes)
        first, last = ends(memory), ends(files)
        cells = [str(steps), f"{steps * options.step / 3600:.1f}", *(f"{each / 1e6:.1f}" for each in first)]
        rows.append((kind, [*cells, *map(str, last)]))
        figures[kind] = {"steps": steps, "memory": memory, "files": files}
    columns = [
        "steps",
        f"hours at {options.step:g} s a step",
        "MB warm",
        "MB at the end",
        "files warm",
        "files at the end",
    ]
    return Result(Machine.here(CPU), [Table("Most memory and open files of a training", columns, rows, "")], figures)


def ends(values: list[int]) -> tuple[int, int]:
    """The most in the first fifth that counts, and in the last."""
    counted = values[int(WARM * len(values)) :]
    fifth = max(1, len(counted) // 5)
    return max(counted[:fifth]), max(counted[-fifth:])


def config_of(kind: str, photos: Path) -> TrainConfig:
    common = {
        **{"data": str(photos), "batch": BATCH, "images": 10**9, "precision": "float32"},
        **{"record_every": RECORD * BATCH, "snapshot_every": SNAPSHOT * BATCH},
    }
    if kind == "train":
        return SwappingTrainConfig(preset("tiny", SIZE), recipe("official"), **common)
    return StyleTrainConfig(style_preset("tiny", SIZE), style_recipe("stylegan2", SIZE, BATCH), **common)


def went(folder: Path, kind: str, minutes: float) -> tuple[list[int], list[int], int]:
    """Memory in bytes and open files, after every record, and the steps."""
    photos, memory, files = folder / "photos", list[int](), list[int]()
    photos.mkdir()
    for number in range(64):
        Image.effect_noise((SIZE, SIZE), 40 + number).convert("RGB").save(photos / f"{number}.png")
    training, end = Run(folder / "run", config_of(kind, photos), CPU), time.monotonic() + 60 * minutes

    def look(seen: int, total: int, note: str) -> None:
        nonlocal end
        if (seen // BATCH) % RECORD == 0:
            memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize())
            files.append(len(os.listdir("/proc/self/fd")))
        if time.monotonic() > end:
            end = float("inf")
            signal.raise_signal(signal.SIGINT)  # which ends a run as Ctrl-C does

    training.train(look)
    return memory, files, training.trainer.seen // BATCH
