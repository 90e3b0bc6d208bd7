"""Pictures with weights, and places in pictures, as people write them."""

from collections.abc import Sequence
from math import isfinite, isnan, nan
from pathlib import Path

from graftlab.editing.edits import SOFT
from graftlab.errors import GraftError
from graftlab.images import open_rgb


def number(text: str) -> float:
    """The number that a text tells; NaN if it tells none, or an infinite one."""
    try:
        return float(text) if isfinite(float(text)) else nan
    except ValueError:
        return nan


def parse_weighted(texts: Sequence[str], option: str = "--texture") -> tuple[list[Path], list[float]]:
    """Pictures and weights from texts FILE or FILE:WEIGHT."""
    paths, weights = [], []
    for text in texts:
        path, colon, weight = text.rpartition(":")
        if not colon or Path(text).exists():  # a name may hold a colon
            path, weight = text, "1"
        if isnan(number(weight)):
            raise GraftError(f"{option} takes a picture, as FILE or FILE:WEIGHT with a finite number, not '{text}'.")
        paths.append(Path(path))
        weights.append(number(weight))
    return paths, weights


def parse_textures(texts: Sequence[str] | None) -> tuple[list[Path], list[float] | None]:
    """Pictures that give the texture, and their weights: None for each its own, none at all for their mean."""
    if not texts or list(texts) == ["seam"]:
        return [], None
    return ([], []) if list(texts) == ["mix"] else parse_weighted(texts)


def parse_place(photo: Path, text: str, square: bool) -> tuple[float, float]:
    """Shares of width and height, in the picture as read, of a place told in pixels of the file or percent of it."""
    sides = open_rgb(photo).size
    told = [(number(part.strip().removesuffix("%")), part.strip().endswith("%")) for part in text.split(",")]
    if len(told) != 2 or any(isnan(value) for value, _ in told):
        raise GraftError(f"--at takes x,y in pixels, such as 60,40, or in percent, such as 25%,50%, not '{text}'.")
    kept = [min(sides)] * 2 if square else list(sides)
    spots = [value / 100 * side if percent else value for (value, percent), side in zip(told, sides, strict=True)]
    shares = [(spot - (side - length) // 2) / length for spot, side, length in zip(spots, sides, kept, strict=True)]
    if not all(0 <= share <= 1 for share in shares):
        what = f"the central square (--square) of {photo}" if square else photo
        raise GraftError(f"--at {text} lies outside {what}, which has {kept[0]} × {kept[1]} pixels.")
    return shares[0], shares[1]


def parse_masked(text: str, option: str) -> tuple[Path, float]:
    """A mask and the width of its edge in pixels, from FILE or FILE~WIDTH."""
    path, tilde, width = text.rpartition("~")
    if not tilde or Path(text).exists():
        return Path(text), SOFT
    if isnan(number(width)):
        raise GraftError(
            f"{option} takes the width of a mask's edge in pixels behind ~, as in sky.png~16, not '{text}'."
        )
    return Path(path), number(width)


def parse_region(text: str) -> tuple[Path, float, Path, float]:
    """Mask, width of its edge, picture and amount, from MASK=PICTURE, MASK~WIDTH=PICTURE:AMOUNT and the like."""
    mask, _, picture = text.partition("=")
    if not (mask and picture):
        raise GraftError(f"--region takes MASK=PICTURE, such as sky.png=sunset.jpg, not '{text}'.")
    (path,), (amount,) = parse_weighted([picture], "--region")
    if not 0 <= amount <= 1:
        raise GraftError(f"The amount of a region lies between 0 and 1, which '{text}' does not say.")
    return *parse_masked(mask, "--region"), path, amount


def parse_move(text: str) -> tuple[str, float, Path | None, float]:
    """Name of a direction, gain, mask and width of its edge, from NAME=GAIN or NAME=GAIN@MASK and the like."""
    name, _, rest = text.partition("=")
    gain, at, mask = rest.partition("@")
    if not name or isnan(number(gain)) or (at and not mask):
        raise GraftError(
            f"--move takes NAME=GAIN or NAME=GAIN@MASK, such as hour=1.5 or hour=1.5@sky.png, not '{text}'."
        )
    return name, number(gain), *(parse_masked(mask, "--move") if mask else (None, SOFT))
