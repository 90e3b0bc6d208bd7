"""Pictures per second of a model: encode, decode and swap, or sample, at sizes and batches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import singledispatch
from itertools import product
from statistics import median
from typing import Any

import torch
from torch import Tensor

from graftlab.benchmarking.clock import Work, durations, flops, forget_peak, peak
from graftlab.benchmarking.machine import Ceiling
from graftlab.editing import swaps
from graftlab.figures.tables import Table
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.work.progress import Progress, silent


@dataclass(frozen=True)
class Case:
    """A piece of work: what is done to how many pictures of which size."""

    what: str  # one of WHAT, or SAMPLE
    size: int  # side of the pictures, pixels
    batch: int  # pictures at once

    def __str__(self) -> str:
        return f"{self.what}, {self.size} px, batch {self.batch}"


WHAT = ("encode", "decode", "swap")  # of a Swapping Autoencoder
SAMPLE = "sample"  # of a StyleGAN2


def cases(sizes: Iterable[int], batches: Iterable[int], what: Sequence[str] = WHAT) -> list[Case]:
    """Every combination, those of fewest pixels first: memory that the large ones leave behind is no small one's."""
    order = sorted(product(sizes, batches), key=lambda pair: pair[0] ** 2 * pair[1])
    return [Case(name, size, batch) for size, batch in order for name in what]


def pictures(case: Case, device: torch.device | None = None) -> Tensor:
    """Random pictures (N, 3, S, S) in [-1, 1], the same every time."""
    generator = torch.Generator().manual_seed(case.size)
    return torch.rand(case.batch, 3, case.size, case.size, generator=generator).mul_(2).sub_(1).to(device or "cpu")


@singledispatch
@torch.no_grad()
def work(model: SwappingModel | StyleGAN, case: Case, device: torch.device) -> Work:
    """What one repeat of a case does. A swap encodes two pictures and decodes one; a sample is a picture from w."""
    raise TypeError(f"{model.title} is not measured")


@work.register
@torch.no_grad()
def _(model: StyleGAN, case: Case, device: torch.device) -> Work:
    labels = 0 if model.config.classes else None
    drawn = model.codes_of(range(case.batch), labels=labels).to(device)
    return lambda: model.decode(drawn)


@work.register
@torch.no_grad()
def _(model: SwappingModel, case: Case, device: torch.device) -> Work:
    images = pictures(case, device)
    if case.what == "encode":
        return lambda: model.encode(images)
    if case.what == "swap":
        return lambda: swaps.swap(model, images, images)
    codes = model.encode(images)
    return lambda: model.decode(codes)


@dataclass(frozen=True)
class Speed:
    """What a case costs here."""

    case: Case
    precision: str
    seconds: float  # median of the repeats
    repeats: int
    flops: int  # floating-point operations of convolutions and matrix products
    share: float  # of the ceiling's convolution in the same precision
    memory: int | None  # bytes at the peak

    @property
    def images_per_second(self) -> float:
        return self.case.batch / self.seconds

    def to_dict(self) -> dict[str, Any]:
        rates = {"images_per_second": self.images_per_second, "flops_per_second": self.flops / self.seconds}
        return {**asdict(self.case), **{key: value for key, value in asdict(self).items() if key != "case"}, **rates}


def measure(
    model: SwappingModel | StyleGAN,
    wanted: Sequence[Case],
    best: Ceiling,
    precisions: Sequence[str],
    device: torch.device,
    progress: Progress = silent,  # of pictures
) -> Iterator[Speed]:
    """Measure one case after another, each in every precision."""
    done = 0
    for case in wanted:
        repeat = work(model, case, device)
        model.precision = torch.float32
        with torch.no_grad():
            arithmetic = flops(repeat)
        for precision in precisions:
            model.precision = getattr(torch, precision)
            forget_peak(device)
            with torch.inference_mode():
                found = durations(repeat, device)
            seconds = median(found)
            share = arithmetic / seconds / best.convolution[precision]
            speed = Speed(case, precision, seconds, len(found), arithmetic, share, peak(device))
            done += case.batch * len(found)
            progress(done, note=str(case))
            yield speed


def table(title: str, speeds: Sequence[Speed]) -> Table:
    """A line for each case, by precision."""
    order = sorted(speeds, key=lambda speed: speed.precision != "float32")
    return Table(
        title,
        ("images/s", "GFLOP/s", "of the ceiling", "GB at the peak"),
        [
            (
                f"{speed.case}, {speed.precision}",
                (
                    figure(speed.images_per_second),
                    figure(speed.flops / speed.seconds / 1e9),
                    f"{speed.share:.0%}",
                    figure(None if speed.memory is None else speed.memory / 1e9),
                ),
            )
            for speed in order
        ],
    )


def figure(value: float | None) -> str:
    """A number with three digits that matter: what repeats agree about."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")
