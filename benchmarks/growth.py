"""How time and memory of a swap grow with pixels: `python -m benchmarks growth`. They should grow in proportion."""

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from html import escape
from math import log
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

from benchmarks.ours import Ours
from benchmarks.result import Result, add_output, positive
from benchmarks.rounds import LeftOutError
from benchmarks.worker import CPU, Worker
from graftlab.benchmarking.machine import Machine
from graftlab.benchmarking.speed import Case, figure
from graftlab.config import PRECISIONS, preset
from graftlab.figures.charts import COLOURS, HEIGHT, WIDTH, Points, chart
from graftlab.figures.tables import Table
from graftlab.work.files import atomic_write

PLOT = Path(__file__).parents[1] / "docs" / "images" / "growth.svg"
SIZES = (64, 128, 256, 512, 1024)  # pixels
BY_SIZE, BY_BATCH = "one picture, ever larger", "ever more pictures of {} px"


@dataclass(frozen=True)
class Point:
    """What a swap cost in a process of its own."""

    case: Case
    seconds: float  # median
    memory: int  # bytes of the process at the peak

    @property
    def pixels(self) -> int:
        return self.case.batch * self.case.size**2

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self.case), "seconds": self.seconds, "memory": self.memory}


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--preset", default="small64", help="networks")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--sizes", type=positive, nargs="+", default=SIZES, help="of one picture, pixels")
    parser.add_argument("--batches", type=positive, nargs="+", default=[1, 2, 4, 8], help="pictures at once")
    parser.add_argument("--at", type=positive, default=256, help="size of the pictures of a batch, pixels")
    parser.add_argument("--repeats", type=positive, default=7)
    parser.add_argument("--plot", type=Path, default=PLOT, help="SVG to write")
    add_output(parser)


def run(options: Namespace) -> Result:
    config = preset(options.preset)
    series = {
        BY_SIZE: [Case("swap", size, 1) for size in sorted(options.sizes)],
        BY_BATCH.format(options.at): [Case("swap", options.at, batch) for batch in sorted(options.batches)],
    }
    make = partial(Ours, options.precision, config)
    points = {
        name: [point for case in wanted if (point := measure(make, case, options))] for name, wanted in series.items()
    }
    rows = [
        (str(point.case), [figure(value) for value in (point.pixels / 1e6, point.seconds, point.memory / 1e9)])
        for found in points.values()
        for point in found
    ]
    exponents = {name: {"seconds": of_seconds(found), "memory": of_memory(found)} for name, found in points.items()}
    note = "; ".join(
        f"{name}: seconds grow as pixels to the power of {figure(fit['seconds'])}, memory beyond that of the smallest "
        f"case to the power of {figure(fit['memory'])}"
        for name, fit in exponents.items()
    )
    title = f"A swap, preset {options.preset}, {options.precision}"
    table = Table(title, ["megapixels", "seconds", "GB at the peak"], rows, f"{note[0].upper()}{note[1:]}.")
    atomic_write(options.plot, lambda file: file.write(plot(title, points).encode()))
    figures = {"exponents": exponents, "points": {name: [p.to_dict() for p in found] for name, found in points.items()}}
    return Result(Machine.here(CPU), [table], figures)


def measure(make: Any, case: Case, options: Namespace) -> Point | None:
    """A point, in a process that has done nothing else; None if it cannot be had here."""
    worker = Worker(make, options.threads)
    try:
        worker.call("prepare", case)
        memory = worker.call("memory") or 0  # after one swap: repeats add nothing that lasts
        seconds = median(worker.call("turn") for _ in range(options.repeats))
    except LeftOutError as reason:
        print(f"{case} left out: {reason}", file=sys.stderr)
        return None
    finally:
        worker.close()
    print(f"{case}: {figure(seconds)} s", file=sys.stderr, flush=True)
    return Point(case, seconds, memory)


def of_seconds(points: Sequence[Point]) -> float | None:
    return exponent([(point.pixels, point.seconds) for point in points])


def of_memory(points: Sequence[Point]) -> float | None:
    """Of what comes on top of the smallest case, because program and weights stay as they are."""
    return exponent([(p.pixels - points[0].pixels, p.memory - points[0].memory) for p in points[1:]])


def exponent(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Slope of a straight line through the logarithms: 1 where one quantity is proportional to the other.

    None if there are fewer than two pairs of positive numbers."""
    lines = [(log(x), log(y)) for x, y in pairs if x > 0 and y > 0]
    return linear_regression(*zip(*lines, strict=True)).slope if len(lines) > 1 else None


# -- the picture ------------------------------------------------------------------------------------------------------

HEAD = 64  # height of the title and the legend above a chart, units of the SVG


def plot(title: str, points: dict[str, list[Point]]) -> str:
    """Seconds and memory over megapixels, side by side, as an SVG file of its own."""
    panels = {
        "seconds": {name: [(p.pixels / 1e6, p.seconds) for p in found] for name, found in points.items()},
        "GB at the peak": {name: [(p.pixels / 1e6, p.memory / 1e9) for p in found] for name, found in points.items()},
    }
    drawn = "".join(panel(i * WIDTH, f"{title}: {what}", curves) for i, (what, curves) in enumerate(panels.items()))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {len(panels) * WIDTH} {HEIGHT + HEAD}" color="#222" '
        f'font-family="sans-serif"><style>text {{ fill: #222; stroke: none }}</style>'
        f'<rect width="100%" height="100%" fill="white"/>{drawn}</svg>\n'
    )


def panel(left: int, title: str, curves: Mapping[str, Points]) -> str:
    """A chart of the training report, with a legend that needs no page around it, and its axis in megapixels."""
    (curve,) = re.findall(r"<svg .*</svg>", chart(title, curves), re.DOTALL)
    place = f'<svg width="{WIDTH}" height="{HEIGHT}" y="{HEAD}" '
    curve = curve.replace("images seen", "megapixels").replace("<svg ", place)
    legend = "".join(
        f'<rect x="46" y="{28 + 16 * i}" width="10" height="10" fill="{colour}"/>'
        f'<text x="62" y="{37 + 16 * i}" font-size="12">{escape(name)}</text>'
        for i, (colour, name) in enumerate(zip(COLOURS, curves, strict=False))
    )
    head = f'<text x="46" y="18" font-size="13" font-weight="bold">{escape(title)}</text>'
    return f'<svg x="{left}" width="{WIDTH}" height="{HEIGHT + HEAD}" overflow="visible">{head}{legend}{curve}</svg>'
