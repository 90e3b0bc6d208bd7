"""Where two structures that overlap are best joined: along a path through the cells in which they are alike."""

import torch
import torch.nn.functional as F
from torch import Tensor

SOFT = 3.0  # cells over which one structure becomes the other along a path, unless told otherwise
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

    They meet where both are alike, and one becomes the other over `fade` columns: `SOFT` if it is None, at once if it
    is 0, along a straight line where there is no room for another. Returns (N, C, h, w + w - overlap)."""
    fade = min(SOFT, overlap) if fade is None else fade
    begin = a.shape[3] - overlap
    before, after = a[..., begin:], b[..., :overlap]
    share = (torch.arange(overlap).to(a) + 0.5 - _meeting(before, after, fade)[..., None]) / max(fade, 1e-6) + 0.5
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


def _least(sums: Tensor) -> tuple[Tensor, Tensor]:
    """The least of each sum and its neighbours (N, w), and how far aside that lies: -1, 0 or 1; 0 among equals."""
    wide = F.pad(sums, (1, 1), value=float("inf"))
    best, aside = torch.stack([wide[:, 1:-1], wide[:, :-2], wide[:, 2:]], 2).min(2)
    return best, torch.tensor([0, -1, 1]).to(aside)[aside]
