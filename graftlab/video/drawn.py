"""Curves that people draw: points, and a smooth line through them."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import isfinite

import numpy as np

from graftlab.errors import GraftError

POINT = r"([-+]?\d*\.?\d+)=([-+]?\d*\.?\d+)"
DRAWN = re.compile(rf"{POINT}(?:,{POINT})+")


def parse_drawn(text: str) -> Callable[[float], float] | None:
    """The curve of a text such as 0=0.4,0.3=1,1=0.7, shares of the time and the number there; None for other texts.

    GraftError if the shares do not rise from 0 to 1, and for numbers that are not finite."""
    if not DRAWN.fullmatch(text):
        return None
    times, values = zip(*((float(time), float(value)) for time, value in re.findall(POINT, text)), strict=True)
    rising = (times[0], times[-1]) == (0, 1) and all(time < later for time, later in pairwise(times))
    if not rising or not all(map(isfinite, values)):
        raise GraftError(f"The points of a drawn curve rise from 0 to 1, as in 0=0.4,0.3=1,1=0.7, unlike '{text:.60}'.")
    return smooth(times, values)


def smooth(times: Sequence[float], values: Sequence[float]) -> Callable[[float], float]:
    """Cubic pieces through points, which go nowhere beyond them (Fritsch and Butland 1984), and level out outside."""
    lengths, steps = np.diff(times), np.diff(values)
    slopes = steps / lengths
    tangents = [slopes[0]]
    for (before, after), (slope, then) in zip(pairwise(lengths), pairwise(slopes), strict=True):
        turns = slope * then <= 0
        weights = before + 2 * after, 2 * before + after
        tangents.append(0 if turns else sum(weights) / (weights[0] / slope + weights[1] / then))
    tangents.append(slopes[-1])

    def curve(share: float) -> float:
        at = min(max(share, times[0]), times[-1])
        piece = min(int(np.searchsorted(times, at, "right")), len(times) - 1) - 1
        length = lengths[piece]
        t = (at - times[piece]) / length
        bent = (1 - t) * tangents[piece] - t * tangents[piece + 1] + (2 * t - 1) * slopes[piece]
        return float(values[piece] + t * steps[piece] + t * (1 - t) * length * bent)

    return curve
