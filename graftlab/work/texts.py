"""Numbers that people write in one text: lists and ranges, from-to, numbers by resolution."""

from collections.abc import Callable, Iterable, Sequence
from math import inf, nan
from typing import TypeVar

from graftlab.errors import GraftError

LARGEST_SEED = 2**32 - 1  # noise and latent vectors are functions of 32 bits
MOST_SEEDS = 100_000
NumberT = TypeVar("NumberT", int, float)


def parse_seeds(text: str, option: str = "--seeds") -> list[int]:
    """ "1,4,10-20" as numbers, in the order given. GraftError for anything else."""
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        ends = (first, last) if dash else (first, first)
        if not all(end.isascii() and end.isdigit() and int(end) <= LARGEST_SEED for end in map(str.strip, ends)):
            raise GraftError(f"{option} takes numbers and ranges such as 1,4,10-20, not '{text}'.")
        low, high = map(int, ends)
        if high < low or len(numbers) + high - low >= MOST_SEEDS:
            raise GraftError(f"{option} {text}: ranges go upwards, and at most {MOST_SEEDS:,} pictures at once.")
        numbers += range(low, high + 1)
    return numbers


def name_seeds(seeds: Sequence[int]) -> str:
    """What some pictures are: "seed 7", "seeds 1, 4, 10-20"."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    parts = [f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return f"seed{'' if len(seeds) == 1 else 's'} {', '.join(parts)}"


def parse_range(text: str, option: str) -> tuple[float, float]:
    """ "0.3:1" or "0.3,1" as two numbers, "0.7" as the same twice. GraftError for anything else."""
    first, colon, last = text.replace(",", ":").partition(":")
    try:
        return float(first), float(last if colon else first)
    except ValueError:
        raise GraftError(f"{option} takes a number or two, such as 0.7 or 0.3:1, not '{text}'.") from None


def parse_shifts(text: str, option: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """ "0.1,-0.2" as right and down, twice, "0,0:0.3,0" as from and to. GraftError for anything else."""
    first, colon, last = text.partition(":")
    try:
        (x, y), (to_x, to_y) = (tuple(map(float, end.split(","))) for end in (first, last if colon else first))
    except ValueError:
        raise GraftError(f"{option} takes right and down, such as 0.1,-0.2, not '{text}'.") from None
    return (x, y), (to_x, to_y)


def parse_classes(text: str, option: str = "--class") -> str | tuple[str, str]:
    """ "rose" as a class, "rose:3" as two. GraftError for anything else."""
    first, colon, last = text.partition(":")
    if not all([first, last] if colon else [first]) or ":" in last:
        raise GraftError(f"{option} takes a class, such as 3, or two, such as 3:5, not '{text}'.")
    return (first, last) if colon else first


def parse_numbers(text: str, option: str) -> list[float]:
    """ "-3,0,3" as numbers, and "-3:3" as five at even distances. GraftError for anything else."""
    try:
        if ":" not in text:
            return [float(number) for number in text.split(",")]
        first, last = map(float, text.split(":"))
    except ValueError:
        raise GraftError(f"{option} takes numbers such as -3,0,3, or a range such as -3:3, not '{text}'.") from None
    return [first + (last - first) * i / 4 for i in range(5)]


def parse_named(texts: Iterable[str], wanted: str) -> dict[str, float]:
    """Numbers by name, each given as NAME=NUMBER. GraftError that begins with what is wanted, for anything else."""
    numbers: dict[str, float] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            numbers[name] = float(number if name else "")
        except ValueError:
            raise GraftError(f"{wanted}, not '{text}'.") from None
    return numbers


def parse_length(text: str, option: str, stride: int) -> float:
    """A length in cells: "4", or in pixels "16px", of which a cell has `stride`. GraftError for anything else."""
    try:
        length = float(text.removesuffix("px"))
    except ValueError:
        length = nan
    if not 0 <= length < inf:
        raise GraftError(f"{option} takes cells, such as 4, or pixels, such as 16px, not '{text}'.")
    return length / stride if text.endswith("px") else length


def parse_lengths(text: str, option: str, stride: int) -> float | list[float]:
    """One length, as `parse_length`, or several with commas between. GraftError for anything else."""
    lengths = [parse_length(part, option, stride) for part in text.split(",")]
    return lengths if len(lengths) > 1 else lengths[0]


def parse_curve(text: str) -> dict[int, float]:
    """ "4:0,16:0.2" as numbers. GraftError for anything else, and for a resolution that is named twice."""
    try:
        named = [(int(key), float(value)) for key, value in (part.split(":") for part in text.split(","))]
    except ValueError:
        raise GraftError(f"--curve takes resolutions with shares of B such as 4:0,16:0.2,64:1, not '{text}'.") from None
    if len(dict(named)) < len(named):
        raise GraftError(f"--curve {text} names a resolution twice; leave one of the two out.")
    return dict(named)


def parse_band(text: str) -> tuple[int, int]:
    """ "16-64" as numbers. GraftError for anything else."""
    try:
        low, high = map(int, text.split("-"))
    except ValueError:
        raise GraftError(f"--band takes two resolutions such as 16-64, not '{text}'.") from None
    return low, high


def parse_aspect(text: str, option: str = "--aspect") -> tuple[int, int]:
    """ "2:1" as width and height. GraftError for anything else."""
    try:
        width, height = map(int, text.split(":"))
    except ValueError:
        width = height = 0
    if min(width, height) < 1:
        raise GraftError(f"{option} takes width and height in proportion, such as 2:1, not '{text}'.")
    return width, height


def parse_size(text: str, option: str = "--size") -> int | tuple[int, int]:
    """ "64" as a side, "256x128", width by height, as height and width. GraftError for anything else."""
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) > 2 or not all(side.strip().isdecimal() for side in sides):
        raise GraftError(f"{option} takes a side in pixels, such as 64, or width x height, as 256x128, not '{text}'.")
    width, height = int(sides[0]), int(sides[-1])
    return (height, width) if len(sides) == 2 and height != width else width


def parse_axis(text: str, option: str, kind: Callable[[str], NumberT]) -> list[NumberT]:
    """The numbers of "levels:4,8"; none of "levels". GraftError if something else stands behind the colon."""
    _, colon, listed = text.partition(":")
    try:
        return [kind(value) for value in listed.split(",")] if colon else []
    except ValueError:
        raise GraftError(f"{option} takes numbers behind the colon, such as levels:4,8,16, not '{text}'.") from None
