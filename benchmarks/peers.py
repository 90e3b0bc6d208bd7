"""graftlab beside other implementations, in turn on the same machine: `python -m benchmarks peers`.

Each is a checkout that lies somewhere on this machine and is named by an option; their code is imported from there, and
runs in the plain PyTorch that it falls back to on a processor. Same networks, same threads, float32; graftlab in
bfloat16 too.
"""

import os
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from benchmarks import authors, rosinality
from benchmarks.ours import STEPS, Ours, network
from benchmarks.result import Result, add_output, positive
from benchmarks.rounds import LeftOutError, Ratio, Rounds, interleaved
from benchmarks.worker import CPU, Worker
from graftlab.benchmarking.machine import Ceiling, Machine, ceiling
from graftlab.benchmarking.speed import SAMPLE, Case, cases, figure
from graftlab.config import PRECISIONS, recipe
from graftlab.errors import GraftError
from graftlab.figures.tables import Table

OURS = {"float32": "graftlab", "bfloat16": "graftlab bf16"}
AUTHORS, ROSINALITY = "authors", "rosinality"
AGREEMENT = 1e-3  # of float32 outputs, as a share of the largest value
TRAINING = {64: 4, 256: 2}  # pictures at once, by their size


@dataclass(frozen=True)
class Found:
    """What a case gave."""

    case: Case
    rounds: Rounds
    memory: dict[str, int | None] = field(default_factory=dict)  # bytes at the peak, by implementation
    flops: int | None = None  # of graftlab's work

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self.case), **asdict(self.rounds), "memory": self.memory, "flops": self.flops}


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--authors", type=Path, metavar="FOLDER", help="checkout of the authors' code")
    parser.add_argument("--rosinality", type=Path, metavar="FOLDER", help="checkout of rosinality's code")
    parser.add_argument("--sizes", type=positive, nargs="*", default=[64, 256, 512, 1024], help="of pictures, pixels")
    parser.add_argument("--batches", type=positive, nargs="*", default=[1, 8], help="pictures at once")
    parser.add_argument("--training", type=positive, nargs="*", default=[64, 256], help="sizes to train at, pixels")
    parser.add_argument("--sampling", type=positive, nargs="*", default=[256, 1024], help="sizes of StyleGAN2, pixels")
    parser.add_argument("--rounds", type=positive, default=9, help="repeats of each implementation, at most")
    parser.add_argument("--budget", type=float, default=120, help="seconds for a case; 2 rounds are made all the same")
    add_output(parser)


def run(options: Namespace) -> Result:
    """GraftError if a folder is not what its option says."""
    if options.authors is None and options.rosinality is None:
        raise GraftError("There is nobody to compare with: name a checkout by --authors or --rosinality.")
    if unknown := set(options.training) - set(TRAINING):
        raise GraftError(f"--training is measured at {', '.join(map(str, TRAINING))} px, not at {min(unknown)}.")
    makers: dict[str, Any] = {name: partial(Ours, precision) for precision, name in OURS.items()}
    if options.authors:
        makers[AUTHORS] = partial(authors.Authors, authors.checkout(options.authors))
    if options.rosinality:
        makers[ROSINALITY] = partial(rosinality.Rosinality, rosinality.checkout(options.rosinality))
    torch.set_num_threads(options.threads)
    machine, best = Machine.here(CPU), ceiling(CPU, PRECISIONS)
    workers = {name: Worker(make, options.threads) for name, make in makers.items()}
    try:
        found = list(measure(workers, options))
    finally:
        for worker in workers.values():
            worker.close()
    names = list(workers)
    tables = [*inference_tables(found, names), *training_tables(found, names), arithmetic_table(found, best)]
    return Result(machine, tables, {"cases": [case.to_dict() for case in found]}, best)


def measure(workers: dict[str, Worker], options: Namespace) -> Iterator[Found]:
    """Case after case, everybody in turn; before the first with other networks, whether all make the same of them."""
    for _, sizes in groupby(sorted(options.sizes), network):
        alike = list(sizes)
        if AUTHORS in workers:
            agree(workers, alike[0])
        for case in cases(alike, options.batches):
            yield told(compete(workers, case, options.rounds, options.budget))
    samplers = {name: worker for name, worker in workers.items() if name != AUTHORS}  # who have a StyleGAN2
    for case in cases(options.sampling, options.batches, [SAMPLE]):
        yield told(compete(samplers, case, options.rounds, options.budget))
    # rosinality trains in one function, which takes pictures of 256 px and more, and cannot be stopped between steps.
    trained = {name: worker for name, worker in workers.items() if name != ROSINALITY}
    if ROSINALITY in workers:
        workers[ROSINALITY].close()
    for size in sorted(options.training):
        for step in STEPS:
            yield told(compete(trained, Case(step, size, TRAINING[size]), options.rounds, options.budget))


def compete(workers: Mapping[str, Worker], case: Case, most: int, budget: float) -> Found:
    """One case. Whoever cannot do it, or needs more than the budget to do it once, is left out of it."""
    left_out: dict[str, str] = {}
    ready: dict[str, Worker] = {}
    for name, worker in workers.items():
        try:
            worker.call("prepare", case, timeout=budget)
            ready[name] = worker
        except LeftOutError as reason:
            left_out[name] = str(reason)
    rounds = interleaved(
        {name: partial(worker.call, "turn", timeout=budget) for name, worker in ready.items()}, most, budget
    )
    rounds.left_out.update(left_out)
    memory = {name: ready[name].call("memory") for name in rounds.seconds}
    try:
        flops = ready[OURS["float32"]].call("flops") if OURS["float32"] in rounds.seconds else None
    except LeftOutError:  # counting needs a little more memory
        flops = None
    return Found(case, rounds, memory, flops)


def told(found: Found) -> Found:
    """Say on stderr how a case went: a run takes long."""
    seconds = [f"{name} {figure(found.rounds.median(name))} s" for name in found.rounds.seconds]
    reasons = [f"{name} left out: {reason}" for name, reason in found.rounds.left_out.items()]
    print(f"{found.case}: {'; '.join([*seconds, *reasons])}", file=sys.stderr, flush=True)
    return found


def agree(workers: Mapping[str, Worker], size: int) -> None:
    """Give graftlab the authors' weights, and compare codes and hybrids before anything is timed.

    GraftError if the largest difference is more than AGREEMENT."""
    try:
        handle, file = tempfile.mkstemp(suffix=".pth")
        os.close(handle)
        workers[AUTHORS].call("ask", "save", size, Path(file))
        for name in OURS.values():
            workers[name].call("ask", "adopt", size, Path(file))
        theirs, ours = (workers[name].call("ask", "outputs", size) for name in (AUTHORS, OURS["float32"]))
    except LeftOutError as reason:
        raise GraftError(f"The authors' weights could not be compared: {str(reason).rstrip('.')}.") from None
    finally:
        Path(file).unlink()
    for key in theirs:
        difference = abs(theirs[key] - ours[key]).max() / abs(theirs[key]).max()
        if not difference < AGREEMENT:  # nor is what is no number
            raise GraftError(f"With the same weights, the {key} of --authors is another, by {difference:.1g}.")
        print(f"same weights, {size} px: largest difference of the {key} {difference:.1g}", file=sys.stderr)


# -- tables -----------------------------------------------------------------------------------------------------------


def inference_tables(found: list[Found], names: list[str]) -> list[Table]:
    shown = [one for one in found if one.case.what not in STEPS]
    peers = [name for name in names if name not in OURS.values()]
    speed = [(str(one.case), [rate(one, name) for name in names] + ratios(one.rounds, peers)) for one in shown]
    memory = [(str(one.case), [gigabytes(one, name) for name in names]) for one in shown]
    if not shown:
        return []
    return [
        Table("Pictures per second", [*names, *comparisons(peers)], speed, NOTE),
        Table("Memory at the peak, GB", names, memory, "Of the whole process: PyTorch, weights, pictures."),
    ]


NOTE = (
    "All compute in float32 but graftlab bf16. Comparisons are how many times longer the other takes: the median of "
    "rounds run in turn, and in brackets their quartiles. The authors' networks and graftlab's have the same weights; "
    "rosinality's are built a little otherwise, with other weights. A dash: left out, for want of memory or time."
)


def arithmetic_table(found: list[Found], best: Ceiling) -> Table:
    """How near the machine's best graftlab comes."""
    ceilings = {name: best.convolution[precision] for precision, name in OURS.items()}
    rows = [
        (str(one.case), [cell for name, most in ceilings.items() for cell in effort(one, name, most)]) for one in found
    ]
    columns = [f"{what}, {name}" for name in ceilings for what in ("GFLOP/s", "of the ceiling")]
    return Table("Arithmetic", columns, rows, "The ceiling is one large convolution in the same precision.")


def training_tables(found: list[Found], names: list[str]) -> list[Table]:
    """Seconds of the steps, and of the alternation: one of either kind, and R1 as often as it comes."""
    trained = [name for name in names if name != ROSINALITY]
    peers = [name for name in trained if name not in OURS.values()]
    rows = []
    for one in (one for one in found if one.case.what in STEPS):
        cells = [figure(one.rounds.median(name)) for name in trained] + ratios(one.rounds, peers)
        rows.append((str(one.case), cells + [gigabytes(one, name) for name in trained]))
        if one.case.what == STEPS[-1]:
            steps = [other.rounds for other in found if other.case.what in STEPS and other.case.size == one.case.size]
            whole = {name: alternation([step.median(name) for step in steps]) for name in trained}
            both = [figure(whole[name]) for name in trained]
            both += [times(whole[peer], whole[name]) for peer in peers for name in OURS.values()]
            label = f"alternation, {one.case.size} px, batch {one.case.batch}"
            rows.append((label, both + [""] * len(trained)))
    columns = [*trained, *comparisons(peers), *(f"GB, {name}" for name in trained)]
    interval = recipe("official").r1_interval
    note = (
        f"The alternation is a D step, a G step and 1/{interval} of an R1 step. graftlab's G step also updates its "
        "averaged networks, which the authors' code does not have."
    )
    return [Table("Seconds of a training step", columns, rows, note)] if rows else []


def alternation(steps: list[float | None]) -> float | None:
    """Seconds, of those of the three steps."""
    d, g, r1 = steps
    return None if d is None or g is None or r1 is None else d + g + r1 / recipe("official").r1_interval


def times(theirs: float | None, ours: float | None) -> str:
    return figure(theirs / ours if theirs and ours else None)


def comparisons(peers: list[str]) -> list[str]:
    return [f"{peer} / {name}" for peer in peers for name in OURS.values()]


def ratios(rounds: Rounds, peers: list[str]) -> list[str]:
    found: list[Ratio | None] = [rounds.ratio(peer, name) for peer in peers for name in OURS.values()]
    return ["–" if ratio is None else str(ratio) for ratio in found]


def rate(one: Found, name: str) -> str:
    seconds = one.rounds.median(name)
    return figure(one.case.batch / seconds if seconds else None)


def effort(one: Found, name: str, best: float) -> tuple[str, str]:
    """GFLOP/s, and their share of the ceiling."""
    seconds = one.rounds.median(name)
    if not seconds or not one.flops:
        return "–", "–"
    return figure(one.flops / seconds / 1e9), f"{one.flops / seconds / best:.0%}"


def gigabytes(one: Found, name: str) -> str:
    peak = one.memory.get(name)
    return figure(None if peak is None else peak / 1e9)
