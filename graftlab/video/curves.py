"""Numbers over the time of a film, from tables of any program: what sound, a sensor or a spreadsheet gives."""

import csv
from collections.abc import Callable
from itertools import pairwise
from math import isfinite
from pathlib import Path

import numpy as np

from graftlab.errors import GraftError

MOST = 1_000_000  # lines

Curve = Callable[[float], float]
"""Share of the film, from 0 to 1, to a number."""


def read_curve(path: str | Path) -> Curve:
    """The curve in a CSV file: a number in each line, at even distances, or its time before it, which rises.

    The first is at the beginning of the film and the last at its end; between them straight lines. A first line of
    titles is left out. GraftError for anything that is no finite number, and for fewer than two."""
    lines = _numbers(Path(path))
    times = [line[0] if len(line) == 2 else float(i) for i, line in enumerate(lines)]
    if len(times) < 2 or any(later <= time for time, later in pairwise(times)):
        raise GraftError(f"{path} is no curve: its times must rise, from two lines on.")
    values, length = [line[-1] for line in lines], times[-1] - times[0]
    return lambda share: float(np.interp(times[0] + share * length, times, values))


def _numbers(path: Path) -> list[list[float]]:
    """One or two numbers from each line."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise GraftError(f"{path} cannot be read as a table ({error}); export it as CSV.") from None
    rows = [row for row in csv.reader(text.splitlines(), delimiter=";" if ";" in text else ",") if any(row)]
    found: list[list[float]] = []
    for number, row in enumerate(rows[:MOST], 1):
        try:
            line = [float(cell) for cell in row]
        except ValueError:
            if number == 1:
                continue
            line = []
        if len(line) not in (1, 2) or not all(map(isfinite, line)) or (found and len(line) != len(found[0])):
            raise GraftError(
                f"{path}, line {number}: '{', '.join(row):.40}' is not a finite number, or two with its time."
            )
        found.append(line)
    return found
