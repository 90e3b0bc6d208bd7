"""Random numbers of a batch of which one process, or one pass through the networks, sees only a part.

All numbers of the batch are drawn, and those of the part are kept. So what happens to a picture depends neither on how
many processes share the batch nor on how many passes each of them makes through its share.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

AT_ONCE = 2**26  # numbers: of a batch so large that more are needed, not all are in memory at a time


@dataclass(frozen=True)
class Part:
    """Which part of a batch: the same place of every stretch.

    A batch is a row of stretches of equal length, and pictures a stretch apart belong together: the first half of a
    batch is reconstructed, and minibatch deviation compares across the batch. A part of every stretch keeps such
    pictures together, and is a small batch of the same layout."""

    number: int = 0
    of: int = 1
    stretch: int = 1  # items of the whole batch

    def rows(self, count: int) -> Tensor:
        """Which of the `count` items of a whole batch, a multiple of the stretch, are in this part: (count / of,)."""
        return torch.arange(count).view(-1, self.of, self.stretch // self.of)[:, self.number].flatten()


WHOLE = Part()


class Seen:
    """The part that the networks see now: of the process, whose generators of random numbers are no thread's own
    either, and which compiled networks can ask for."""

    part: Part = WHOLE


@contextmanager
def seeing(part: Part) -> Iterator[None]:
    """In which random numbers are those of a part."""
    before, Seen.part = Seen.part, part
    try:
        yield
    finally:
        Seen.part = before


def drawn(
    make: Callable[..., Tensor],  # torch.rand and the like, which takes a shape first
    shape: tuple[int, ...],
    batch: int = 0,  # the dimension that runs over the items of the batch, or of the part that is seen
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Random numbers of this shape. A draw for more than AT_ONCE numbers of a batch that is shared is made piece by
    piece, which on a GPU gives others than one draw would."""
    part, how = Seen.part, {"device": device} if dtype is None else {"device": device, "dtype": dtype}
    if part.of == 1:
        return make(shape, **how)
    count = shape[batch] * part.of
    rows = part.rows(count)
    piece = count if batch else max(1, AT_ONCE // max(1, prod(shape[1:])))
    kept = []
    for start in range(0, count, piece):
        sizes = [min(piece, count - start) if axis == batch else size for axis, size in enumerate(shape)]
        numbers = make(tuple(sizes), **how)
        mine = rows[(rows >= start) & (rows < start + piece)] - start
        kept.append(numbers.index_select(batch, mine.to(numbers.device)))
    return torch.cat(kept, batch)


def normal_like(like: Tensor) -> Tensor:
    """Standard normal numbers for every item of a tensor (N, ...), those that torch.randn_like draws for a whole
    batch, which depend on how it lies in memory."""
    if Seen.part.of == 1:
        return torch.randn_like(like)
    last = like.ndim == 4 and not like.is_contiguous()
    layout = torch.channels_last if last else torch.contiguous_format

    def make(shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
        return torch.empty(shape, device=device, dtype=dtype, memory_format=layout).normal_()

    return drawn(make, tuple(like.shape), 0, like.device, like.dtype)


def within(where: Tensor, rows: Tensor) -> Tensor:
    """Places of a batch, -1 for none, as places of the part that has these rows; -1 for what is not among them."""
    places = torch.full((len(where) + 1,), -1)  # the last is that of -1
    places[rows] = torch.arange(len(rows))
    return places[where[rows]]
