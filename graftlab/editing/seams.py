"""Where two structures that overlap are best joined: along a path through the cells in which they are alike."""

import torch
import torch.nn.functional as F
from torch import Tensor

SOFT = 3.0  # cells over which one structure becomes the other along a path, unless told otherwise
BUSY = 1.0  # deviation around a cell, in those of the whole map, from which on a row is not flat
CENTRED = 1e-3  # of the mean cost, which a path saves at the most by keeping to the middle: decides between equals


def minimum_path(cost: Tensor) -> Tensor:
    """The path from the first row to the last whose costs (N, h, w) add up to least: its column in each row (N, h).

    From row to row it goes straight on or one column aside (dynamic programming, as in Efros and Freeman 2001, "Image
    quilting", section 2.1)."""
    sums = [cost[:, 0]]
    for row in cost.unbind(1)[1:]:
        sums.append(row + _least(sums[-1])[0])
    columns = [sums[-1].argmin(1, keepdim=True)]
    for above in reversed(sums[:-1]):
        columns.append(columns[-1] + _least(above)[1].gather(1, columns[-1]))
    return torch.cat(columns[::-1], 1)


def join(a: Tensor, b: Tensor, overlap: int, fade: float | None = None) -> Tensor:
    """Two maps (N, C, h, w) side by side, the last `overlap` columns of one over the first of the other.

    They meet where both are alike, and one becomes the other over `fade` columns, at once if it is 0; along a straight
    line where there is no room for another path. If it is None it is `SOFT`, and longer in rows where both are flat, as
    in a sky: there nothing can be seen twice. Returns (N, C, h, w + w - overlap)."""
    begin = a.shape[3] - overlap
    before, after = a[..., begin:], b[..., :overlap]
    least = min(SOFT, overlap) if fade is None else fade
    meeting = _meeting(before, after, least)[..., None]
    length = torch.full_like(meeting, least)
    if fade is None and overlap:
        length = torch.lerp(length, torch.full_like(length, 2 * overlap), _flatness(before, after)[..., None])
    # Up to the edges of the overlap, and no farther: on each side of the path a straight line of its own.
    away = torch.arange(overlap).to(a) + 0.5 - meeting
    room = torch.where(away < 0, meeting, overlap - meeting)
    share = 0.5 + 0.5 * away / torch.minimum(length / 2, room).clamp(min=1e-6)
    middle = torch.lerp(before, after, share.clamp(0, 1)[:, None]) if overlap else before
    return torch.cat([a[..., :begin], middle, b[..., overlap:]], 3)


def _meeting(a: Tensor, b: Tensor, fade: float) -> Tensor:
    """The column before which one gives way to the other (N, h), counted from the left of two maps (N, C, h, w)."""
    width = a.shape[3]
    edges = torch.arange(width + 1).to(a)
    middle = width / 2
    inside = ((edges - middle).abs() <= middle - fade / 2).nonzero().flatten()
    if len(inside) < 2:
        return a.new_full((a.shape[0], a.shape[2]), middle)
    apart = (a - b).square().sum(1, keepdim=True)
    apart = F.avg_pool2d(apart, 3, stride=1, padding=1, count_include_pad=False)  # the generator looks around too
    both = F.pad(apart, (1, 1, 0, 0), mode="replicate")[:, 0]
    cost = both[..., :-1] + both[..., 1:]  # of the two columns that an edge divides
    away = ((edges - middle) / middle) ** 2
    cost = cost + CENTRED * cost.mean((1, 2), keepdim=True).clamp(min=1e-12) * away
    return (minimum_path(cost[..., inside]) + inside[0]).to(a)


def _flatness(a: Tensor, b: Tensor) -> Tensor:
    """Which rows of two maps (N, C, h, w) hold nothing that could be seen twice: (N, h), 1 where both are flat."""
    busiest = []
    for each in (a, b):
        mean, square = (F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) for x in (each, each.square()))
        deviation = (square - mean.square()).clamp(min=0).mean(1).sqrt()
        busiest.append(deviation.amax(2) / each.var(dim=(2, 3)).mean(1).sqrt().clamp(min=1e-6)[:, None])
    busy = F.max_pool1d(torch.maximum(*busiest)[:, None], 5, 1, 2)[:, 0]
    return F.avg_pool1d((1 - busy / BUSY).clamp(0, 1)[:, None], 5, 1, 2, count_include_pad=False)[:, 0]


def _least(sums: Tensor) -> tuple[Tensor, Tensor]:
    """The least of each sum and its neighbours (N, w), and how far aside that lies: -1, 0 or 1; 0 among equals."""
    wide = F.pad(sums, (1, 1), value=float("inf"))
    best, aside = torch.stack([wide[:, 1:-1], wide[:, :-2], wide[:, 2:]], 2).min(2)
    return best, torch.tensor([0, -1, 1]).to(aside)[aside]
