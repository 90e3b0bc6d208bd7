"""Numbers over the time of a film: drawn, from sound, or from tables of any program, as a sensor gives them."""

import csv
import re
from collections.abc import Callable
from itertools import pairwise
from math import isfinite
from pathlib import Path

import numpy as np

from graftlab.errors import GraftError
from graftlab.video.drawn import parse_drawn
from graftlab.video.hearing import HEARD, HOP, RATE, hear
from graftlab.work.files import refuse_endless

MOST = 1_000_000  # lines
NUMBER = r"[-+]?\d*\.?\d+"
NAMED = re.compile(rf"(?:({NUMBER}):({NUMBER}):)?(.+?)(?::({'|'.join(HEARD)}))?")
HEAD = 4096  # bytes, in which no text has a zero

Curve = Callable[[float], float]
"""Share of the film, from 0 to 1, to a number."""


def parse_curve(text: str, seconds: float) -> Curve | None:
    """The curve that a text names, for a film of so many seconds; None if it names none.

    Points, as 0=0.4,0.3=1,1=0.7, are a drawn one (`parse_drawn`). FILE is a table, as of `read_curve`, which is
    stretched over the film, or a sound, which runs as it is heard: FILE:bass is one of HEARD, from 0 for silence to 1
    for the loudest. LOW:HIGH:FILE makes these LOW and HIGH.
    GraftError for a file that holds neither."""
    if drawn := parse_drawn(text):
        return drawn
    if not names_curve(text):
        return None
    low, high, name, heard = _parts(text)
    with open(name, "rb") as file:
        sounds = heard or b"\0" in file.read(HEAD)
    curve = sound_curve(name, heard or HEARD[0], seconds) if sounds else read_curve(name)
    if low is None or high is None:
        return curve
    least, most = float(low), float(high)
    return lambda share: least + (most - least) * curve(share)


def names_curve(text: str) -> bool:
    """Whether a text is a drawn curve, or names a file, with what is to be made of it."""
    return parse_drawn(text) is not None or Path(_parts(text)[2]).is_file()


def _parts(text: str) -> tuple[str | None, str | None, str, str | None]:
    """LOW:HIGH:FILE:HEARD, of which all but the file may be missing."""
    found = NAMED.fullmatch(text)
    return (found[1], found[2], found[3], found[4]) if found else (None, None, text, None)


def sound_curve(path: str | Path, heard: str, seconds: float) -> Curve:
    """What is heard in a sound (`hearing.hear`) while a film of so many seconds runs; nothing after its end."""
    levels = hear(path, heard)
    times = np.arange(len(levels)) * (HOP / RATE)
    return lambda share: float(np.interp(share * seconds, times, levels, right=0.0))


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
    refuse_endless(path)
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
