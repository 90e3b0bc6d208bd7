"""Codes that are a function of a frame's number, or of a share of the film, as a film of what is drawn of them."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain, islice
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from graftlab.codes import Codes
from graftlab.errors import GraftError
from graftlab.rendering.renderer import AT_ONCE, Renderer
from graftlab.video.film import Film

Way = Callable[[float], Codes]
"""Share of the film, from 0 to 1, to codes of one picture. A closed way has the same codes at 0 and at 1."""


def from_codes(
    renderer: Renderer[Any],
    codes_at: Callable[[int], Codes],  # of one frame
    frames: int,
    fps: Fraction,
    recipe: dict[str, Any] | None = None,
    codes_from: Callable[[int], Iterable[Codes]] | None = None,  # the same in order from a number on, if that is faster
    closed: bool = False,  # the first frame follows the last as any two follow each other
) -> Film:
    """The film of codes that are a function of the frame's number."""
    codes_at = torch.no_grad()(codes_at)
    in_order = codes_from or (lambda first: map(codes_at, range(first, frames)))

    def start(first: int) -> Iterator[Tensor]:
        begin = first - first % (renderer.batch or max(AT_ONCE))
        codes = iter(in_order(begin))
        if (here := next(codes, None)) is None:
            return
        codes = chain([here], codes)

        def batches() -> Iterator[tuple[int, Codes]]:
            number = begin
            for one in codes:
                batch = [one, *islice(codes, renderer.at_once(one) - 1)]
                if number + len(batch) > first:
                    yield number, Codes.cat(batch)
                number += len(batch)

        for number, frames in renderer.draw_all(batches(), renderer.workers(here)):
            yield from frames[max(first - number, 0) :].split(1)

    return Film(
        frames, fps, lambda number: renderer.draw(codes_at(number), number), start, recipe=recipe or {}, closed=closed
    )


def from_way(
    renderer: Renderer[Any],
    way: Way,
    frames: int,
    fps: Fraction,
    closed: bool = False,
    recipe: dict[str, Any] | None = None,
) -> Film:
    """The film along a way. If that is closed, the last frame is one step short of the first, which comes next."""
    steps = frames if closed else max(1, frames - 1)
    return from_codes(renderer, lambda number: way(number / steps), frames, fps, recipe, closed=closed)


def check_finite(**values: float) -> None:
    """GraftError unless these are finite numbers."""
    for name, value in values.items():
        if not isfinite(value):
            raise GraftError(f"{name.replace('_', ' ')} must be a finite number, not {value:g}.")
