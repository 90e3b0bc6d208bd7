"""A StyleGAN3 beside a StyleGAN2 of its size and width: `python -m benchmarks stylegan3`. Time of a picture from w.

Weights are drawn at random. The two take turns, and what counts is the processor's time, which other work on the
machine disturbs little.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from statistics import median
from time import process_time

import torch
from torch import Tensor

from benchmarks.result import Result, add_output, positive
from benchmarks.worker import CPU
from graftlab.benchmarking.clock import flops
from graftlab.benchmarking.machine import Machine
from graftlab.config import StyleGAN2Config, StyleGAN3Config
from graftlab.figures.tables import Table
from graftlab.networks.style import StyleGAN
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.stylegan3 import StyleGAN3

BASE, MOST = 32768, 512  # channels × resolution, and the most channels: the widths of both papers
LAYERS = 14


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--size", type=int, default=256, help="side of the pictures, pixels")
    parser.add_argument("--rounds", type=positive, default=3)
    add_output(parser)


def networks(size: int) -> dict[str, StyleGAN]:
    """StyleGAN2 config-f, and StyleGAN3's configurations T and R, which has twice the width."""
    blocks = tuple(min(MOST, BASE // 2**power) for power in range(2, size.bit_length()))
    stages = StyleGAN3Config(size, (1,) * LAYERS).stages[:-1]
    widths = {wide: tuple(min(wide * MOST, round(wide * BASE / 2 / each.cutoff)) for each in stages) for wide in (1, 2)}
    made: dict[str, StyleGAN] = {
        "StyleGAN2": StyleGAN2(StyleGAN2Config(blocks)),
        "StyleGAN3, T": StyleGAN3(StyleGAN3Config(size, widths[1])),
        "StyleGAN3, R": StyleGAN3(StyleGAN3Config(size, widths[2], kernel=1, radial=True)),
    }
    return {name: network.eval().requires_grad_(False) for name, network in made.items()}


def drawing(network: StyleGAN) -> Callable[[], Tensor]:
    codes = network.codes_of([0])
    return lambda: network.decode(codes)


@torch.no_grad()
def run(options: Namespace) -> Result:
    torch.set_num_threads(options.threads or torch.get_num_threads())
    draw = {name: drawing(network) for name, network in networks(options.size).items()}
    work = {name: flops(each) for name, each in draw.items()}  # which also lays out the weights
    spent: dict[str, list[float]] = {name: [] for name in draw}
    for _ in range(options.rounds):
        for name, each in draw.items():
            begin = process_time()
            each()
            spent[name].append(process_time() - begin)
    first = next(iter(draw))
    figures = {
        name: {
            "seconds": median(times),
            "ratio": median(mine / other for mine, other in zip(times, spent[first], strict=True)),
            "flops": work[name],
            "flops_ratio": work[name] / work[first],
        }
        for name, times in spent.items()
    }
    rows = [
        (
            name,
            [
                f"{each['seconds']:.2f}",
                f"{each['ratio']:.2f}",
                f"{each['flops'] / 1e9:,.0f}",
                f"{each['flops_ratio']:.2f}",
            ],
        )
        for name, each in figures.items()
    ]
    columns = ["CPU seconds", "times StyleGAN2's", "GFLOP", "times StyleGAN2's"]
    return Result(Machine.here(CPU), [Table(f"A picture of {options.size} px", columns, rows)], figures)
