"""Distances between pictures as a feature network sees them: one value per picture, differentiable, lower is closer.

The same functions teach (`objectives`, `inversion`) and judge (`evaluation`), never with the same network for both.
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


def self_similarity(a: Features, b: Features) -> Tensor:
    """How much the layout differs, whatever the colours (Kolkin et al. 2019, Eq. 7): (N,) in [0, 2].

    Every position's cosine distances to all others, scaled to sum to 1; the L1 distance of these rows between the two
    pictures, averaged over positions. (The paper divides by the number of positions once more.)"""

    def distances(maps: Tensor) -> Tensor:
        vectors = F.normalize(maps.flatten(2), dim=1)  # (N, C, P)
        distance = (1 - vectors.transpose(1, 2) @ vectors).clamp(min=0)
        return distance / distance.sum(1, keepdim=True).clamp(min=1e-8)

    return (distances(a.middle) - distances(b.middle)).abs().sum(1).mean(1)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine distance, 1 - cos, of codes or maps (N, C, ...) over channels, averaged over positions: (N,) in [0, 2]."""
    return (1 - F.cosine_similarity(a.float(), b.float(), dim=1)).reshape(len(a), -1).mean(1)
