"""Clusters of codes: photos of summer here, of winter nights there, and little between.

A mixture of Gaussians is fitted by scikit-learn to where codes lie along some axes. What it finds is three tensors, and
to draw from them needs no scikit-learn.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import isfinite

import numpy as np
import torch
from torch import Tensor

from graftlab.editing.swaps import FARTHEST
from graftlab.errors import GraftError, needs

BLUR = 1e-3  # variance that no cluster falls below along any axis, where that of all codes is 1
ROUNDING = 1e-4  # by which shares may miss a sum of 1


@dataclass(frozen=True, eq=False)
class Mixture:
    """K Gaussians in a space of k axes, along each of which all codes together have mean 0 and deviation 1."""

    shares: Tensor  # (K,) of the codes, largest first; they sum to 1
    means: Tensor  # (K, k)
    factors: Tensor  # (K, k, k) lower triangles whose products with their transposes are the covariances

    def __post_init__(self) -> None:
        count, k = self.means.shape if self.means.ndim == 2 else (0, 0)
        tensors = {item.name: getattr(self, item.name) for item in fields(self)}
        shapes = [tuple(tensor.shape) for tensor in tensors.values()]
        if not count or not k or shapes != [(count,), (count, k), (count, k, k)]:
            raise GraftError(f"A mixture needs tensors (K,), (K, k) and (K, k, k), not {shapes}.")
        if not all(tensor.is_floating_point() and tensor.isfinite().all() for tensor in tensors.values()):
            raise GraftError("A mixture must be finite numbers.")
        if (self.shares < 0).any() or abs(self.shares.sum().item() - 1) > ROUNDING:
            raise GraftError("The shares of a mixture must sum to 1.")

    def sample(self, seeds: Sequence[int], psi: float = 1.0) -> Tensor:
        """Places (N, k) by number, float64, psi drawing each towards the middle of its own cluster."""
        steps, chances = numbers(seeds, self.means.shape[1], psi)
        bounds = self.shares.double().cumsum(0)[:-1]
        which = torch.bucketize(chances, bounds, right=True)
        return self.means.double()[which] + (self.factors.double()[which] * steps[:, None]).sum(2)


def numbers(seeds: Sequence[int], k: int, psi: float = 1.0) -> tuple[Tensor, Tensor]:
    """For each seed k numbers of deviation psi (N, k) and one from 0 to 1 (N,), float64, whatever the others are.

    psi is the truncation: 1 as the photos vary, 0 nothing. GraftError for a seed beyond 32 bits and a psi beyond
    FARTHEST."""
    if not isfinite(psi) or abs(psi) > FARTHEST:
        raise GraftError(f"The truncation psi lies between -{FARTHEST} and {FARTHEST}, which {psi:g} does not.")
    if wrong := [seed for seed in seeds if not 0 <= seed < 2**32]:
        raise GraftError(f"A seed is a whole number from 0 to {2**32 - 1}, not {wrong[0]}.")
    draws = [np.random.RandomState(seed) for seed in seeds]
    steps = np.array([draw.randn(k) for draw in draws]).reshape(-1, k)
    return psi * torch.from_numpy(steps), torch.tensor([draw.rand() for draw in draws], dtype=torch.float64)


def check_clusters() -> None:
    """GraftError if clusters cannot be looked for, because scikit-learn is missing."""
    needs("Clusters", "sklearn", "scikit-learn", "clusters")


def fit_mixture(places: Tensor, clusters: int, seed: int = 0) -> Mixture:
    """The mixture of so many Gaussians, of any covariance each, under which places (N, k) are likeliest.

    `seed` picks where the search begins. GraftError for fewer places than clusters, and without scikit-learn."""
    check_clusters()
    from sklearn.mixture import GaussianMixture

    if not 1 <= clusters <= len(places):
        raise GraftError(f"{len(places)} pictures make one cluster or more, and no more than they are, not {clusters}.")
    search = GaussianMixture(clusters, covariance_type="full", reg_covar=BLUR, max_iter=500, random_state=seed)
    search.fit(places.double().numpy())
    order = np.argsort(-search.weights_, kind="stable")
    shares, means, covariances = (
        torch.from_numpy(found[order]) for found in (search.weights_, search.means_, search.covariances_)
    )
    return Mixture(shares.float(), means.float(), torch.linalg.cholesky(covariances).float())
