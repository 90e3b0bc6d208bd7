"""Sweeps: directions whose gains go from one number to another and back."""

from collections.abc import Mapping, Sequence

from graftlab.codes import Codes
from graftlab.editing.directions import Directions
from graftlab.errors import GraftError
from graftlab.video.curves import Curve
from graftlab.video.easing import between
from graftlab.video.films.drawing import Way


def sweep(
    codes: Codes,  # of one picture
    directions: Directions,
    gains: Mapping[str, tuple[float, float] | Curve],  # of a direction: at first and at half time; or over time
    ease: str = "smooth",
    and_back: bool = True,  # a closed way; else the second gain comes at the end
    layers: Sequence[int] | None = None,  # rows of w that change; None: those that the directions are meant for
) -> Way:
    """The way along directions, in standard deviations. GraftError for gains, names or a model that do not fit."""
    if not gains:
        raise GraftError("A sweep needs a direction; name one (--name).")
    curves = {name: gain if callable(gain) else between(*gain, ease, and_back) for name, gain in gains.items()}
    for share in (0, 0.5 if and_back else 1):
        moved = {name: curve(share) for name, curve in curves.items()}
        directions.apply(codes, moved, layers=layers)  # refuses before any work is done
    return lambda share: directions.apply(codes, {name: curve(share) for name, curve in curves.items()}, layers=layers)
