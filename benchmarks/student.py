"""A student beside the two steps that it learned from: `python -m benchmarks student`.

Two steps: the codes of a photo are searched for in the base, and the blend draws them. One: the student redraws it.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import graftlab
from benchmarks.result import Result, add_output, positive
from benchmarks.rounds import interleaved
from benchmarks.worker import CPU
from graftlab.benchmarking import clock
from graftlab.benchmarking.machine import Machine
from graftlab.benchmarking.speed import figure
from graftlab.blending.blend import adopt
from graftlab.checkpoints.load import BUNDLED, load
from graftlab.data import TrainingImages
from graftlab.data.pairs import Pairs
from graftlab.figures.tables import Table
from graftlab.images import l1
from graftlab.inversion.likeness import Likeness
from graftlab.inversion.search import Search, Settings
from graftlab.inversion.work import carry_out
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.translator import Translator
from graftlab.perception.efficientnet import DEFAULT, efficientnet_lite
from graftlab.training.distillation import VALIDATION_PAIRS, validate

TWO, ONE = "search and blend", "student"


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--base", required=True, help="the StyleGAN2 that photos are searched for in")
    parser.add_argument("--blend", required=True, help="the one that redraws them")
    parser.add_argument("--student", required=True, help="what graft distill made of their pairs")
    parser.add_argument("--pairs", type=Path, help="what it learned from: of those held out, the distance")
    parser.add_argument("--steps", type=positive, default=500, help="of a search")
    parser.add_argument("--rounds", type=positive, default=3)
    add_output(parser)


def run(options: Namespace) -> Result:
    torch.set_num_threads(options.threads)
    base, blend = (load(name, StyleGAN2, device="cpu") for name in (options.base, options.blend))
    student = load(options.student, Translator, device="cpu")
    path = min((BUNDLED / "photos").glob("*.jpg"))
    photo = graftlab.read(path, student.config.size, square=True)
    work: dict[str, Callable[[], Tensor]] = {
        TWO: partial(two_steps, base, blend, photo, options.steps),
        ONE: partial(translated, student, photo),
    }
    translated(student, photo)  # kernels are chosen
    timed = {name: partial(clock.once, each, CPU) for name, each in work.items()}
    found = interleaved(timed, options.rounds, 600)
    ratio = found.ratio(TWO, ONE)
    apart = l1(work[ONE](), work[TWO]()).item()
    figures: dict[str, Any] = {"seconds": found.seconds, "photo_l1": apart}
    note = f"The student is {ratio} times as fast (median and quartiles). On the photo the two are L1 {apart:.4f} apart"
    if options.pairs:
        held_out = TrainingImages(Pairs(options.pairs), student.config.size, paired=True).held_out(VALIDATION_PAIRS)
        figures |= validate(student, held_out)
        shares = [figures[f"validation_{name}"] / 2 for name in ("l1", "photo")]
        note += f", on {len(held_out)} held-out pairs {shares[0]:.4f}, where photos and pictures are {shares[1]:.4f}"
    rows = [(name, [figure(1000 * (found.median(name) or 0))]) for name in work]
    table = Table(f"One photo of {student.config.size} px, {options.steps} steps", ["ms"], rows, note + ".")
    return Result(Machine.here(CPU), [table], figures)


def two_steps(base: StyleGAN2, blend: StyleGAN2, photo: Tensor, steps: int) -> Tensor:
    """The photo's codes in the base, as `graft invert` finds them, drawn by the blend."""
    search = Search(base, Likeness(photo, efficientnet_lite(DEFAULT, CPU)), Settings(steps=steps))
    carry_out(search)
    with torch.no_grad():
        return blend.decode(adopt(search.codes, base, blend))


@torch.no_grad()
def translated(student: Translator, photo: Tensor) -> Tensor:
    return student.translate(photo)
