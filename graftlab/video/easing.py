"""Easing: how a change sets in and how it ends, as curves from 0 to 1.

Every change in a film follows one of these: blends of textures, gains of directions, truncation, motion.
"""

from collections.abc import Callable
from math import cos, isfinite, pi

from graftlab.errors import GraftError
from graftlab.video.drawn import parse_drawn

Easing = Callable[[float], float]
"""Share of the time, in [0, 1], to share of the change: 0 at 0 and 1 at 1, unless it is drawn otherwise."""

_FALL = 1 / 2.75  # of the bounce's time; the jumps take as long, half and a quarter of it


def bounce(t: float) -> float:
    """A ball that falls on the end and jumps three times, each time to a quarter of the height before."""
    if t < _FALL:
        return (t / _FALL) ** 2
    begin = _FALL
    for length in (_FALL, _FALL / 2, _FALL / 4):
        if t <= begin + length:
            return 1 - ((length / 2) ** 2 - (t - begin - length / 2) ** 2) / _FALL**2
        begin += length
    return 1.0


def back(t: float) -> float:
    """A little too far, then back."""
    return 1 + 2.7 * (t - 1) ** 3 + 1.7 * (t - 1) ** 2


EASINGS: dict[str, Easing] = {
    "linear": lambda t: t,
    "smooth": lambda t: t * t * (3 - 2 * t),  # the slope is 0 at both ends
    "smoother": lambda t: t**3 * (t * (6 * t - 15) + 10),  # and so is the curvature
    "sine": lambda t: (1 - cos(pi * t)) / 2,
    "in": lambda t: t * t,
    "out": lambda t: t * (2 - t),
    "in-out": lambda t: 4 * t**3 if t < 0.5 else 1 - 4 * (1 - t) ** 3,
    "jump": lambda t: float(t >= 1),  # no change until the end
    "back": back,
    "bounce": bounce,
}


def easing(name: str) -> Easing:
    """The curve of this name, or a drawn one, as 0=0,0.3=0.8,1=1. GraftError if there is none."""
    curve = EASINGS.get(name) or parse_drawn(name)
    if curve is None:
        raise GraftError(f"There is no easing '{name:.60}', only {', '.join(EASINGS)}, or one as 0=0,0.3=0.8,1=1.")
    return curve


def there_and_back(share: float) -> float:
    """Up from 0 to 1 at half time, and down again: the way of every film that sweeps and closes."""
    return 1 - abs(1 - 2 * (share % 1))


def between(start: float, end: float, ease: str = "linear", and_back: bool = False) -> Callable[[float], float]:
    """Share of the film to a number that goes from `start` to `end`, or there and back again.

    GraftError unless both are finite numbers and the easing is known."""
    for value in (start, end):
        if not isfinite(value):
            raise GraftError(f"Only finite numbers can be swept, not {value:g}.")
    curve = easing(ease)
    return lambda share: start + (end - start) * curve(there_and_back(share) if and_back else share)
