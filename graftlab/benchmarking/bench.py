"""`bench`: a machine and a model in figures, in one call."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from graftlab.benchmarking import machine, speed
from graftlab.errors import GraftError
from graftlab.hardware import choose_device, training_precision
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.work.progress import Progress, silent

SIZE = 256  # pixels, measured beside the model's own


@dataclass(frozen=True)
class Bench:
    """What was measured."""

    here: machine.Machine
    best: machine.Ceiling
    speeds: list[speed.Speed]

    def to_dict(self, name: str) -> dict[str, Any]:
        about = {"machine": self.here.to_dict(), "ceiling": self.best.to_dict(), "model": name}
        return {**about, "cases": [found.to_dict() for found in self.speeds]}

    def text(self, name: str) -> str:
        return "\n".join([self.here.summary(), self.best.summary(), speed.table(name, self.speeds).text()])


def bench(
    model: SwappingModel | StyleGAN,  # on any device
    sizes: Collection[int] = (),  # sides of the pictures, pixels; none: the model's own, and 256
    batches: Sequence[int] = (1, 8),  # pictures at once
    precisions: Sequence[str] = (),  # none: float32, and what the device is good at
    device: str | None = None,  # None: the fastest
    threads: int | None = None,  # None: PyTorch's choice
    progress: Progress = silent,  # of pictures
) -> Bench:
    """Measure this machine with a model: what it reaches at its best, and pictures per second.

    GraftError for sizes of a StyleGAN2, whose pictures have one."""
    place = choose_device(device)
    precisions = precisions or sorted({"float32", training_precision(place)}, reverse=True)
    if threads:
        torch.set_num_threads(threads)
    network = model.to(place).eval().requires_grad_(False)
    if isinstance(network, StyleGAN):
        if sizes:
            raise GraftError("Sizes (--sizes) cannot be chosen for a StyleGAN2, whose pictures have one size.")
        wanted = speed.cases([network.config.size], batches, [speed.SAMPLE])
    else:
        smallest = network.config.smallest_grid * network.config.stride
        wanted = speed.cases(sizes or {network.config.size, max(SIZE, smallest)}, batches)
    here, best = machine.Machine.here(place), machine.ceiling(place, precisions)
    return Bench(here, best, list(speed.measure(network, wanted, best, precisions, place, progress)))
