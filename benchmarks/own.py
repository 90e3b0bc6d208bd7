"""graftlab by itself: the command line from its start, pictures per second, training, packing of photos."""

import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
from PIL import Image

import graftlab
from benchmarks.result import Result, add_output
from benchmarks.rounds import Rounds, interleaved
from benchmarks.worker import CPU
from graftlab.benchmarking import clock, speed
from graftlab.benchmarking.machine import Machine, ceiling
from graftlab.checkpoints.load import BUNDLED
from graftlab.config import PRECISIONS, SwappingTrainConfig, preset, recipe
from graftlab.data import open_source, pack
from graftlab.figures.tables import Table
from graftlab.hardware import training_precision
from graftlab.training.estimate import Estimate, estimate
from graftlab.work.parallel import worker_count

PHOTOS, PHOTO, PACKED = 60, (1600, 1200), 128  # photos of a folder, their sides and that of their crops, pixels
GRAFTLAB, PILLOW = "graftlab", "Pillow alone"


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--model", default="colours-128", help="a model file, or the name of a bundled model")
    add_output(parser)


def run(options: Namespace) -> Result:
    torch.set_num_threads(options.threads)
    machine, best = Machine.here(CPU), ceiling(CPU, PRECISIONS)
    start = cold_start(options.model)
    model = graftlab.load(options.model, device="cpu")
    wanted = speed.cases([model.config.size], [1, 8])
    speeds = list(speed.measure(model, wanted, best, PRECISIONS, CPU))
    photos = packing()
    costs = {size: training(size) for size in (64, 128)}  # memory is the process's peak so far: the larger comes last
    figures = {
        "cold_start": start,
        "cases": [found.to_dict() for found in speeds],
        "packing": photos.seconds,
        "training": {size: found.to_dict() for size, found in costs.items()},
    }
    tables = [
        Table("Command line", ["seconds"], [("graft swap, from its start to the picture", [speed.figure(start)])]),
        speed.table(options.model, speeds),
        packing_table(photos),
        training_table(costs),
    ]
    return Result(machine, tables, figures, best)


def cold_start(name: str) -> float:
    """Seconds of `graft swap A B` in a new process, pictures read and written: the median of three."""
    photos = BUNDLED / "photos"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "graftlab", "swap", photos / "peaks.jpg", photos / "render-sunset.jpg"]
        command += ["-m", name, "-o", Path(folder) / "swap.png"]
        start = partial(subprocess.run, command, check=True, capture_output=True)
        return median(clock.once(start, CPU) for _ in range(3))


def training(size: int) -> Estimate:
    """What `graft train --dry-run` says of the preset `small`."""
    return estimate(
        SwappingTrainConfig(preset("small", size), recipe("official"), "", precision=training_precision(CPU)), CPU
    )


def training_table(costs: dict[int, Estimate]) -> Table:
    config = SwappingTrainConfig(preset("small"), recipe("official"), "")
    rows = [
        (
            f"{size} px, batch {config.batch}, {training_precision(CPU)}",
            [speed.figure(found.images_per_second), gigabytes(found)],
        )
        for size, found in costs.items()
    ]
    return Table("Training, preset small", ["images/s", "GB at the peak"], rows)


def gigabytes(found: Estimate) -> str:
    return speed.figure(found.memory / 1e9 if found.memory else None)


# -- photos -----------------------------------------------------------------------------------------------------------


def packing() -> Rounds:
    """Reading a folder of photos and packing it, beside what Pillow needs to decode and shrink them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photos"
        folder.mkdir()
        originals = sorted((BUNDLED / "photos").glob("*.jpg"))
        for number, original in enumerate(islice(cycle(originals), PHOTOS)):
            with Image.open(original) as image:
                image.resize(PHOTO, Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=90)
        files = sorted(folder.iterdir())
        competitors: dict[str, Any] = {
            GRAFTLAB: lambda: pack(open_source(folder), Path(name) / "pack", PACKED),
            PILLOW: lambda: shrink_all(files),
        }
        return interleaved({who: partial(clock.once, work, CPU) for who, work in competitors.items()}, 5, 60)


def shrink_all(files: list[Path]) -> list[bytes]:
    with ThreadPoolExecutor(worker_count()) as pool:  # as many threads as packing has
        return list(pool.map(shrink, files))


def shrink(file: Path) -> bytes:
    """The same decoding and filter as packing, and nothing else: no checks, profiles, keys."""
    with Image.open(file) as image:
        image.draft(None, (2 * PACKED, 2 * PACKED))
        short = min(image.size)
        left, top = (image.width - short) // 2, (image.height - short) // 2
        box = (left, top, left + short, top + short)
        return image.resize((PACKED, PACKED), Image.Resampling.LANCZOS, box, reducing_gap=3.0).tobytes()


def packing_table(found: Rounds) -> Table:
    rows = [(name, [speed.figure(PHOTOS / median(seconds))]) for name, seconds in found.seconds.items()]
    ratio = found.ratio(GRAFTLAB, PILLOW)
    title = f"Packing photos of {PHOTO[0]} x {PHOTO[1]} pixels at {PACKED} px"
    note = f"graftlab takes {ratio} times as long as Pillow alone (median and quartiles)."
    return Table(title, ["images/s"], rows, note)
