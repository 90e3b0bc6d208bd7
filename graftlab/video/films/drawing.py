"""Codes to frames: what all films have in common.

A film's frame is a function of its number. Decoding several at once is faster, so batches begin at multiples of their
size wherever a film is started, and a film that is continued has the same pixels as one that never stopped.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from graftlab.codes import Codes, Decoder
from graftlab.errors import GraftError
from graftlab.hardware import exact_convolutions
from graftlab.video.film import Film
from graftlab.work.parallel import ordered_map

AT_ONCE = (16, 8, 4, 2, 1)  # frames; each divides the largest, so that all batches begin at multiples of that
CELLS_AT_ONCE = 2**14  # of structure; more would cost memory and gain nothing

SIDE_BY_SIDE = 2  # batches

Way = Callable[[float], Codes]
"""Share of the film, from 0 to 1, to codes of one picture. A closed way has the same codes at 0 and at 1."""


@dataclass(frozen=True)
class Hand:
    """A model, and how it draws frames."""

    model: Decoder
    noise: str = "fixed"  # "random": another in each frame, though the same in every rendering of the film
    seed: int = 0
    batch: int | None = None  # frames decoded at once; None: by their size

    def __post_init__(self) -> None:
        if self.batch is not None and self.batch < 1:
            raise GraftError(f"Frames are decoded one or more at once, not {self.batch}.")

    def at_once(self, codes: Codes) -> int:
        """How many frames with codes like these (of one picture) are decoded at once: one of AT_ONCE."""
        return self.batch or next(count for count in AT_ONCE if count * cells(codes) <= CELLS_AT_ONCE or count == 1)

    def workers(self, codes: Codes) -> int:
        """How many batches of frames like these are drawn side by side: two of small pictures on a processor.

        Threads that share such a batch wait for the slowest at every layer; with large pictures that is rare."""
        processor = not isinstance(self.model, nn.Module) or next(self.model.parameters()).device.type == "cpu"
        small = max(AT_ONCE) * cells(codes) <= CELLS_AT_ONCE
        return SIDE_BY_SIDE if processor and small and torch.get_num_threads() > 1 else 1

    @torch.no_grad()
    def draw(self, codes: Codes, first: int, **options: Any) -> Tensor:
        """Frames (N, 3, H, W) of codes (N of them), the first of which is frame number `first`."""
        if self.noise != "random":
            return self.model.decode(codes, noise=self.noise, seed=self.seed, **options)
        options["noise"] = "fixed"
        images = (
            self.model.decode(codes[i], seed=(self.seed + first + i) % 2**32, **options) for i in range(len(codes))
        )
        return torch.cat(list(images))

    def draw_all(self, batches: Iterable[tuple[int, Codes]], workers: int) -> Iterator[tuple[int, Tensor]]:
        """`draw` for many batches, each with the number of its first frame, which comes back with the frames.

        So many are drawn at a time, each by its share of the threads."""
        if workers == 1:
            yield from ((number, self.draw(codes, number)) for number, codes in batches)
            return
        threads = torch.get_num_threads()

        def work(numbered: tuple[int, Codes]) -> tuple[int, Tensor]:
            torch.set_num_threads(-(-threads // workers))  # of this thread, and of those that begin later
            number, codes = numbered
            return number, self.draw(codes, number)

        try:
            with exact_convolutions():  # the switch is the process's: one thread would turn it off under the other
                yield from ordered_map(work, batches, workers, workers + 1)
        finally:
            torch.set_num_threads(threads)


def cells(codes: Codes) -> int:
    """Cells of the structure of one picture; for codes without any as many as a picture of 512 pixels might have."""
    structure = getattr(codes, "structure", None)
    return CELLS_AT_ONCE // 4 if structure is None else structure.shape[2:].numel()


def from_codes(
    hand: Hand,
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
        begin = first - first % (hand.batch or max(AT_ONCE))
        codes = iter(in_order(begin))
        if (here := next(codes, None)) is None:
            return
        codes = chain([here], codes)

        def batches() -> Iterator[tuple[int, Codes]]:
            number = begin
            for one in codes:
                batch = [one, *islice(codes, hand.at_once(one) - 1)]
                if number + len(batch) > first:
                    yield number, Codes.cat(batch)
                number += len(batch)

        for number, frames in hand.draw_all(batches(), hand.workers(here)):
            yield from frames[max(first - number, 0) :].split(1)

    return Film(
        frames, fps, lambda number: hand.draw(codes_at(number), number), start, recipe=recipe or {}, closed=closed
    )


def from_way(
    hand: Hand, way: Way, frames: int, fps: Fraction, closed: bool = False, recipe: dict[str, Any] | None = None
) -> Film:
    """The film along a way. If that is closed, the last frame is one step short of the first, which comes next."""
    steps = frames if closed else max(1, frames - 1)
    return from_codes(hand, lambda number: way(number / steps), frames, fps, recipe, closed=closed)


def check_finite(**values: float) -> None:
    """GraftError unless these are finite numbers."""
    for name, value in values.items():
        if not isfinite(value):
            raise GraftError(f"{name.replace('_', ' ')} must be a finite number, not {value:g}.")
