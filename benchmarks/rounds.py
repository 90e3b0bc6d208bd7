"""Repeats in turn, A B A B ..., so that a machine that slows down slows all alike; and what they say."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Self

from graftlab.benchmarking.speed import figure

FEWEST = 2  # rounds, however long they take


class LeftOutError(Exception):
    """Why a competitor does not take part, in a sentence."""


@dataclass
class Rounds:
    """Seconds of every repeat by competitor, round by round, and why some are missing."""

    seconds: dict[str, list[float]]
    left_out: dict[str, str]

    def median(self, name: str) -> float | None:
        return median(self.seconds[name]) if self.seconds.get(name) else None

    def ratio(self, theirs: str, ours: str) -> "Ratio | None":
        """How many times longer theirs takes than ours; None where either is missing."""
        a, b = self.seconds.get(theirs), self.seconds.get(ours)
        return Ratio.of(a, b) if a and b else None


def interleaved(competitors: Mapping[str, Callable[[], float]], most: int, budget: float) -> Rounds:
    """Let each repeat its work once a round: `most` rounds, fewer once `budget` seconds are spent.

    A competitor is asked for the seconds of one repeat; who raises LeftOutError takes no further part."""
    found = Rounds({name: [] for name in competitors}, {})
    start = time.perf_counter()
    for done in range(most):
        if done >= FEWEST and time.perf_counter() - start > budget:
            break
        for name, repeat in competitors.items():
            if name in found.left_out:
                continue
            try:
                found.seconds[name].append(repeat())
            except LeftOutError as reason:
                found.left_out[name] = str(reason)
                del found.seconds[name]
    return found


@dataclass(frozen=True)
class Ratio:
    """The median over rounds of a quotient, and its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, numerators: Sequence[float], denominators: Sequence[float]) -> Self:
        """Of two competitors' seconds in the same rounds."""
        found = [a / b for a, b in zip(numerators, denominators, strict=True)]
        low, _, high = quantiles(found, n=4, method="inclusive") if len(found) > 1 else found * 3
        return cls(median(found), low, high)

    def __str__(self) -> str:
        return f"{figure(self.median)} ({figure(self.low)}–{figure(self.high)})"
