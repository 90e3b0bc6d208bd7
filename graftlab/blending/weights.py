"""How much of which model: small functions from a layer to the share of B, or to the shares of many models.

    blend(a, b, layer_swap(32))                            # up to 32 pixels from A, everything finer from B
    blend(a, b, reversed_(layer_swap(32, width=0.5)))      # the other way round, and gradually
    blend(a, b, held(interpolate(0.5), mapping=0))         # halfway, with A's mapping network
    blend_many([a, b, c], matrix({4: (1, 0, 0), 64: (0, 0.5, 0.5)}))

A share is a number, 0 for A and 1 for B, and may lie beyond; or one number per output channel (C,), or per output and
input channel (C or 1, I or 1). Nothing is computed before a layer asks, so rules cost nothing to make.
"""

from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import exp, isfinite, log2
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import Tensor

from graftlab.blending.layers import ROLES, Layer
from graftlab.errors import GraftError
from graftlab.work.files import read_table

Share = float | Tensor
"""Of one model in a tensor: a number, one per output channel (C,), or per output and input channel (C or 1, I or 1)."""
ShareT = TypeVar("ShareT")  # Share, or for many models a sequence of them
FARTHEST = 1000  # share, either way; beyond it blends are nothing but rounding
MIDDLE = 1.5  # positions from the end of what A gives to the middle of the change
FIRST_CONVOLUTION = "synthesis.blocks.0.conv."  # the script's 4x4/Conv


@dataclass(frozen=True)
class Rule(Generic[ShareT]):
    """What a blend asks for every layer, and what is to be told about it."""

    share: Callable[[Layer], ShareT]
    about: Mapping[str, Any]  # JSON for the model's file
    resolutions: tuple[int, ...] = field(default=())  # those it names, which the network must have

    def __call__(self, layer: Layer) -> ShareT:
        return self.share(layer)


# -- two models -------------------------------------------------------------------------------------------------------


def layer_swap(resolution: int, level: int = 0, width: float | None = None) -> Rule[Share]:
    """Resolutions up to and including this one from A, all finer ones from B (Pinkney and Adler 2020, section 2).

    Level 1 moves the switch one convolution on, into the next resolution, behind its doubling convolution. With a width
    the share of B rises gradually, 1 / (1 + exp(-x / width)) with x in positions (`layers`) from the middle; width
    towards 0 is the hard switch. GraftError for another level than 0 and 1, and for a width that is not above 0."""
    if level not in (0, 1):
        raise GraftError(f"The level of a swap is 0 or 1, not {level} (--level).")
    if resolution < 1:
        raise GraftError(f"A swap happens at a resolution in pixels, not at {resolution} (--swap-at).")
    if width is not None and not (isfinite(width) and width > 0):
        raise GraftError(f"The width of a swap is a number above 0, or none, not {width} (--width).")
    middle = 2 * log2(resolution) + level + MIDDLE

    def share(layer: Layer) -> Share:
        x = layer.position - middle
        return float(x > 0) if width is None else logistic(x / width)

    return Rule(share, {"swap_at": resolution, "level": level, "width": width}, (resolution,))


def interpolate(alpha: float) -> Rule[Share]:
    """The same share of B everywhere; numbers beyond [0, 1] exaggerate. GraftError beyond [-1000, 1000]."""
    check_share(alpha, "--alpha")
    return Rule(lambda layer: alpha, {"alpha": alpha})


def curve(shares: Mapping[int, float]) -> Rule[Share]:
    """A share of B for some resolutions; between them it changes in proportion to the doublings, beyond them not.

    GraftError for no resolutions, and for shares beyond [-1000, 1000]."""
    row = _between({resolution: (share,) for resolution, share in shares.items()}, "--curve")
    return Rule(lambda layer: row(layer)[0], {"curve": {str(key): value for key, value in sorted(shares.items())}})


def band(low: int, high: int) -> Rule[Share]:
    """The resolutions from `low` to `high`, both included, from B, all others from A.

    GraftError if they are not in this order."""
    if not 1 <= low <= high:
        raise GraftError(
            f"A band runs from a resolution to the same or a finer one, not from {low} to {high} (--band)."
        )
    about = {"band": [low, high]}
    return Rule(lambda layer: float(low <= layer.resolution <= high), about, (low, high))


def reversed_(rule: Rule[Share]) -> Rule[Share]:
    """What came from A comes from B, and the other way round."""
    return replace(rule, share=lambda layer: 1 - rule(layer), about={**rule.about, "reverse": True})


def pinkney(resolution: int, level: int = 0, width: float | None = None) -> Rule[Share]:
    """The shares of the best-known script, `blend_models.py` of justinpinkney/stylegan2, for a StyleGAN2.

    It differs from `layer_swap` in that the smooth curve has its middle where A ends, 1.5 positions before the hard
    switch, and that the mapping network, the average, constant noise and the first convolution are always A's."""
    swap, middle = layer_swap(resolution, level), 2 * log2(resolution) + level

    def share(layer: Layer) -> Share:
        if layer.role in ("mapping", "average", "noise") or layer.name.startswith(FIRST_CONVOLUTION):
            return 0.0
        return swap(layer) if width is None else logistic((layer.position - middle) / width)

    smooth = layer_swap(resolution, level, width)  # refuses a wrong width
    return replace(smooth, share=share, about={**smooth.about, "compat": "pinkney"})


# -- any number of models ---------------------------------------------------------------------------------------------


def pair(rule: Callable[[Layer], Share]) -> Rule[Sequence[Share]]:
    """A rule for two models as one for many."""
    about, resolutions = getattr(rule, "about", {}), getattr(rule, "resolutions", ())

    def shares(layer: Layer) -> Sequence[Share]:
        share = rule(layer)
        return 1 - share, share

    return Rule(shares, about, resolutions)


def matrix(rows: Mapping[int, Sequence[float]]) -> Rule[Sequence[Share]]:
    """The shares of all models for some resolutions; as `curve`, between them in proportion to the doublings.

    Every row sums to 1, which is checked when models are blended. GraftError for rows of different length, and for
    shares beyond [-1000, 1000]."""
    lengths = sorted({len(row) for row in rows.values()})
    if len(lengths) > 1:
        raise GraftError(f"Every resolution has one share for each model; here are rows of {lengths} (--weights).")
    about = {"weights": {str(resolution): list(row) for resolution, row in sorted(rows.items())}}
    return Rule(_between(rows, "--weights"), about)


def read_rows(path: Path) -> dict[int, list[float]]:
    """Rows for `matrix` from a file (`read_table`): resolution -> shares of all models.

    GraftError if the file is something else, or names a resolution twice."""
    try:
        rows = read_table(path)
        read = {int(resolution): _numbers(row) for resolution, row in rows.items()}
    except GraftError:
        raise
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise GraftError(
            f"{path} is no table of weights; write each resolution with the shares of all models, as "
            '{"4": [1, 0], "64": [0.5, 0.5]}.'
        ) from None
    if len(read) < len(rows):
        raise GraftError(f"{path} names a resolution twice; leave one of the two out.")
    return read


def _numbers(row: Any) -> list[float]:
    if not isinstance(row, list):  # the text "10" would do as 1 and 0
        raise TypeError("a row is a list")
    return [float(share) for share in row]


# -- any rule ---------------------------------------------------------------------------------------------------------


def held(rule: Rule[ShareT], **shares: ShareT) -> Rule[ShareT]:
    """A rule with another share for tensors of some roles; `to_rgb` is the role "to-rgb".

    GraftError for an unknown role."""
    fixed: dict[str, ShareT] = {name.replace("_", "-"): share for name, share in shares.items()}
    if unknown := sorted(fixed.keys() - set(ROLES)):
        raise GraftError(f"Tensors are of the roles {', '.join(ROLES)}, not {', '.join(unknown)}.")

    def share(layer: Layer) -> ShareT:
        return fixed[layer.role] if layer.role in fixed else rule(layer)

    return replace(rule, share=share, about={**rule.about, "held": fixed})


def only(part: str, rule: Rule[ShareT], rest: ShareT) -> Rule[ShareT]:
    """A rule for one part of the network (encoder, generator, mapping, synthesis), with one share for the rest."""

    def share(layer: Layer) -> ShareT:
        return rule(layer) if layer.part == part else rest

    return replace(rule, share=share, about={**rule.about, "part": part})


def check_share(share: float, option: str) -> None:
    """GraftError for a share beyond [-1000, 1000], and for what is no number."""
    if not abs(share) <= FARTHEST:
        raise GraftError(f"A share lies between -{FARTHEST} and {FARTHEST}, not at {share:g} ({option}).")


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)), for any x."""
    return 1 / (1 + exp(-x)) if x > -700 else 0.0


def _between(rows: Mapping[int, Sequence[float]], option: str) -> Callable[[Layer], Sequence[float]]:
    """Rows for any layer, from rows for some resolutions: linear in the logarithm, constant beyond the ends."""
    if not rows or min(rows) < 1:
        raise GraftError(f"Name shares for at least one resolution, in pixels ({option}).")
    for share in chain(*rows.values()):
        check_share(share, option)
    anchors = sorted(rows)

    def row(layer: Layer) -> Sequence[float]:
        after = bisect(anchors, layer.resolution)
        if after in (0, len(anchors)):
            return rows[anchors[min(after, len(anchors) - 1)]]
        low, high = anchors[after - 1], anchors[after]
        amount = (log2(layer.resolution) - log2(low)) / (log2(high) - log2(low))
        return [(1 - amount) * x + amount * y for x, y in zip(rows[low], rows[high], strict=True)]

    return row
