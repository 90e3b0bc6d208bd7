"""Films beside the decoder alone: `python -m benchmarks films`. Writing a film should cost little beyond its frames.

The rate counts on a machine that does nothing else. On a busy one a film, whose encoder is a thread of its own, gets
more of it than the decoder alone, and seems fast; what both spend of the processor can be compared even there.
"""

import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import torch

import graftlab
from benchmarks.result import Result, add_output, positive
from benchmarks.rounds import interleaved
from benchmarks.worker import CPU
from graftlab.benchmarking import clock
from graftlab.benchmarking.machine import Machine
from graftlab.benchmarking.speed import figure
from graftlab.checkpoints.load import BUNDLED, load
from graftlab.codes import Codes
from graftlab.figures.tables import Table
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering import Renderer
from graftlab.video.film import Film, render
from graftlab.video.films.drawing import from_way
from graftlab.video.films.walk import through
from graftlab.work.memory import keep_freed_memory

DECODER, FILM = "the decoder alone", "a film, written"
SETTLED = 300  # frames after which the memory of a film is what it will be


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--model", default="colours-128", help="a model file, or the name of a bundled model")
    parser.add_argument("--size", type=positive, help="of the pictures, pixels; the model's by default")
    parser.add_argument("--frames", type=positive, default=512, help="of a round's film")
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--memory", type=positive, default=3000, help="frames of the film whose memory is looked at")
    parser.add_argument("--extension", default=".mp4", help="of the films")
    add_output(parser)


def run(options: Namespace) -> Result:
    keep_freed_memory()  # as `graft` does
    torch.set_num_threads(options.threads)
    model = load(options.model, SwappingModel, device="cpu")
    size, renderer = options.size or model.config.size, Renderer(model)
    photos = sorted((BUNDLED / "photos").glob("*.jpg"))
    with torch.no_grad():
        keys = [model.encode(graftlab.read(photo, size, square=True)) for photo in photos]

    def film(frames: int) -> Film:
        return from_way(renderer, through(keys, "spline", closed=True), frames, Fraction(25), closed=True)

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"film{options.extension}"
        work: dict[str, Callable[[], object]] = {
            DECODER: partial(decode, renderer, keys[0], options.frames),
            FILM: partial(render, film(options.frames), out),
        }
        cpu: dict[str, list[float]] = {name: [] for name in work}
        for each in work.values():
            each()  # memory is taken and kernels are chosen
        found = interleaved({name: partial(timed, each, cpu[name]) for name, each in work.items()}, options.rounds, 600)
        memory = Memory()
        render(film(options.memory), out, progress=memory)
    ratio = found.ratio(DECODER, FILM)
    spent = {name: min(seconds) / options.frames for name, seconds in cpu.items()}
    rows = [(name, [figure(options.frames / (found.median(name) or 1)), figure(1000 * spent[name])]) for name in work]
    note = f"Films come at {ratio} of the decoder's rate (median and quartiles). {memory}"
    table = Table(f"{options.model}, {size} px, {options.extension}", ["frames/s", "CPU ms/frame"], rows, note)
    figures: dict[str, Any] = {"seconds": found.seconds, "cpu": cpu, "frames": options.frames, "growth": memory.growth}
    return Result(Machine.here(CPU), [table], figures)


@torch.no_grad()
def decode(renderer: Renderer, codes: Codes, frames: int) -> None:
    """So many pictures, as many at once as films have, and nothing done with them."""
    count = renderer.at_once(codes)
    batch = Codes.cat([codes] * count)
    for _ in range(0, frames, count):
        renderer.model.decode(batch)


def timed(work: Callable[[], object], cpu: list[float]) -> float:
    """Seconds of one call; those that all threads were computing for, which others on the machine do not change much,
    are noted."""
    before = time.process_time()
    seconds = clock.once(work, CPU)
    cpu.append(time.process_time() - before)
    return seconds


@dataclass
class Memory:
    """Listens to the progress of a film: what the process holds, now and then."""

    seen: list[tuple[int, int]] = field(default_factory=list)  # frames done, bytes

    def __call__(self, done: int, total: int, note: str) -> None:
        if done % 50 == 0 or done == total:
            self.seen.append((done, clock.of_process("VmRSS") or 0))

    @property
    def growth(self) -> int:
        """Bytes, from when the film was under way to its largest."""
        settled = [held for done, held in self.seen if done >= min(SETTLED, self.seen[-1][0])]
        return max(settled) - settled[0]

    def __str__(self) -> str:
        return f"Over {self.seen[-1][0]} frames memory grows by {figure(self.growth / 1e6)} MB."
