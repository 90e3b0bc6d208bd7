"""Distances between pictures as a feature network sees them: one value per picture, differentiable, lower is closer.

The same functions serve as losses (`objectives`, `inversion`) and as metrics (`evaluation`), with different networks.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.perception.features import Features


def deep(a: Features, b: Features) -> Tensor:
    """Deep-feature distance: (N,) in [0, 2], 0 for equal pictures.

    LPIPS (Zhang et al. 2018, Eq. 1) without its learned weights: the cosine distance of the features at every position
    (half the squared difference of unit vectors), averaged over positions, then over the maps."""
    return torch.stack([cosine(x, y) for x, y in zip(a.maps, b.maps, strict=True)]).mean(0)


def self_similarity(a: Tensor, b: Tensor) -> Tensor:
    """Difference of layout, independent of colours (Kolkin et al. 2019, Eq. 7): (N,) in [0, 2].

    Maps (N, C, h, w) of parts of things rather than of surfaces (`Features.middle`). Every position's cosine distances
    to all others are scaled to sum to 1; the result is the L1 distance of these rows between the two pictures, averaged
    over positions. (The paper also divides by the number of positions.)"""

    def distances(maps: Tensor) -> Tensor:
        vectors = F.normalize(maps.flatten(2), dim=1)  # (N, C, P)
        distance = (1 - vectors.transpose(1, 2) @ vectors).clamp(min=0)
        return distance / distance.sum(1, keepdim=True).clamp(min=1e-8)

    return (distances(a) - distances(b)).abs().sum(1).mean(1)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine distance, 1 - cos, of codes or maps (N, C, ...) over channels, averaged over positions: (N,) in [0, 2]."""
    return (1 - F.cosine_similarity(a.float(), b.float(), dim=1)).reshape(len(a), -1).mean(1)


def sliced_wasserstein(a: Tensor, b: Tensor, directions: Tensor) -> Tensor:
    """Sliced Wasserstein distance of feature columns (Heitz et al. 2021, section 3.2), a difference of textures: (N,).

    Maps (N, C, P) of one size, columns in any order; directions (K, C) of unit length. Along each, the sorted columns
    of one are compared with the sorted columns of the other, in units of the second's standard deviation, so that maps
    of all scales have equal weight."""
    along_a, along_b = ((directions @ x).sort(2).values for x in (a, b))
    return (along_a - along_b).abs().mean((1, 2)) / (b.std((1, 2)) + 1e-3)


def energy(made: Tensor, real: Tensor) -> Tensor:
    """Energy distance of two batches (Szekely and Rizzo 2013), as a share of the second's spread: (N,), whose mean is 0
    for samples of one distribution, more for others, and which is no larger on the average for small batches.

    Vectors (N, D) and (M, D), each at least two. What is made too alike lies nearer to itself than to what is real."""

    def apart(x: Tensor, y: Tensor) -> Tensor:
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")  # exactly 0 from itself

    def spread(x: Tensor) -> Tensor:
        return apart(x, x).sum(1) / (len(x) - 1)  # each from all others

    scale = spread(real.detach()).mean() + 1e-8
    return (2 * apart(made, real).mean(1) - spread(made)) / scale - 1


def alike(a: Tensor, b: Tensor, nearness: float = 0.5) -> Tensor:
    """For every position of a, the most similar position of b: maps (N, C, h, w) to (N, h * w).

    Similarity is the cosine of the features minus each picture's mean (its season and hour), less `nearness` times the
    vertical distance, as a share of the picture's height: skies match skies, ground matches ground."""

    def columns(maps: Tensor) -> Tensor:
        return F.normalize((maps - maps.mean((2, 3), keepdim=True)).flatten(2), dim=1)

    likeness = columns(a).mT @ columns(b)  # (N, P, Q)
    height, width = a.shape[2:]
    level = torch.linspace(0, 1, height, device=a.device).repeat_interleave(width)
    return (likeness - nearness * (level[:, None] - level).abs()).argmax(2)


def gathered(maps: Tensor, places: Tensor, grid: tuple[int, int]) -> Tensor:
    """Maps (N, C, H, W) rearranged by cells of a coarser grid (h, w), for `places` of `alike`: (N, C, H * W).

    Columns are in the order of the cells, not of the rows, which makes no difference when comparing distributions."""
    across = (grid[0], maps.shape[2] // grid[0]), (grid[1], maps.shape[3] // grid[1])
    cells = maps.unflatten(3, across[1]).unflatten(2, across[0]).permute(0, 1, 2, 4, 3, 5).flatten(4).flatten(2, 3)
    chosen = cells.gather(2, places[:, None, :, None].expand(-1, cells.shape[1], -1, cells.shape[3]))
    return chosen.flatten(2)
