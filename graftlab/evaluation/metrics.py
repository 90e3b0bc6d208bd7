"""Distances between pictures, between their features, and between sets of them; each a function, lower is closer.

The exceptions: `psnr` (from graftlab.images) and `ssim` are higher for closer pictures.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.figures.tables import Estimate
from graftlab.images import l1, psnr
from graftlab.perception.distances import deep
from graftlab.perception.features import Features, missing

SSIM_WINDOW = 11  # pixels (Wang et al. 2004)


@dataclass(frozen=True)
class Measure:
    """A distance between two pictures, as a column of a table."""

    title: str
    unit: str
    higher: bool = False  # is better


MEASURES = {
    "l1": Measure("L1", "share of the full range"),
    "psnr": Measure("PSNR", "dB", higher=True),
    "ssim": Measure("SSIM", "1 for equal pictures", higher=True),
    "features": Measure("features", "deep-feature distance"),
}


def closeness(a: Tensor, b: Tensor, features_a: Features, features_b: Features) -> dict[str, Tensor]:
    """Every one of MEASURES between pictures (N, 3, H, W) in [-1, 1] whose features are known: (N,) each."""
    return {"l1": l1(a, b), "psnr": psnr(a, b), "ssim": ssim(a, b), "features": deep(features_a, features_b)}


# -- two pictures -----------------------------------------------------------------------------------------------------


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004) of pictures (N, 3, H, W) in [-1, 1], clamped first: (N,), at most 1.

    GraftError for pictures smaller than its window of 11 pixels."""
    try:
        from torchmetrics.functional.image import structural_similarity_index_measure
    except ImportError as error:
        raise missing(error) from error
    if min(a.shape[2:]) < SSIM_WINDOW:
        raise GraftError(f"SSIM needs pictures of {SSIM_WINDOW} pixels a side or more, not of {min(a.shape[2:])}.")
    a, b = (x.clamp(-1, 1) / 2 + 0.5 for x in (a, b))
    result = structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")
    assert isinstance(result, Tensor)
    return result


def single_image_frechet(a: Features, b: Features) -> Tensor:
    """SIFID (Shaham et al. 2019, section 4.2): Fréchet distance of the early features at all positions: (N,).

    What one picture is made of, wherever it stands: the match of textures."""
    pairs = zip(a.early.flatten(2).mT, b.early.flatten(2).mT, strict=True)
    return torch.tensor([frechet(x, y) for x, y in pairs])


def diversity(features: Features) -> float:
    """Mean deep-feature distance of all pairs within a batch of two or more."""
    first, second = map(list, zip(*combinations(range(len(features)), 2), strict=True))
    return deep(features[first], features[second]).mean().item()


# -- two sets of pictures ---------------------------------------------------------------------------------------------


def frechet(x: Tensor, y: Tensor) -> float:
    """Fréchet distance of the Gaussians fitted to features (N, D) and (M, D) (Heusel et al. 2017, Eq. 6).

    |m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2)), where C = A^T A. The trace of the root is the sum of the singular
    values of A1 A2^T, a matrix no larger than the samples: exact and fast for few samples too, in float64."""
    x, y = x.double(), y.double()
    a, b = _root(x), _root(y)
    shift = (x.mean(0) - y.mean(0)).square().sum()
    distance = shift + a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.mT).sum()
    return max(0.0, distance.item())


def _root(x: Tensor) -> Tensor:
    """A of at most D rows with A^T A the covariance of samples (N, D)."""
    deviations = (x - x.mean(0)) / max(1, len(x) - 1) ** 0.5
    return deviations if len(x) <= x.shape[1] else torch.linalg.qr(deviations, mode="r").R


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """Kernel distance KID (Binkowski et al. 2018): unbiased squared MMD with the kernel (x·y / D + 1)^3.

    Features (N, D) and (M, D), two or more of each, all of them used. Around 0 for samples of one distribution,
    whatever their number; it may be negative."""
    return _Kernels(x, y).distance(torch.ones(len(x)), torch.ones(len(y)))


class _Kernels:
    """The kernel of all pairs of two sets, from which resampled distances follow without the features."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        x, y = x.double(), y.double()
        self.of_x, self.of_y, self.between = self._kernel(x, x), self._kernel(y, y), self._kernel(x, y)

    @staticmethod
    def _kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.mT / a.shape[1] + 1) ** 3

    def distance(self, times_x: Tensor, times_y: Tensor) -> float:
        """The kernel distance in which each sample counts so many times (N,), (M,)."""
        p, q = times_x.double(), times_y.double()
        n, m = p.sum(), q.sum()

        def within(kernel: Tensor, times: Tensor, count: Tensor) -> Tensor:
            return (times @ kernel @ times - times @ kernel.diagonal()) / (count * (count - 1))

        between = p @ self.between @ q / (n * m)
        return (within(self.of_x, p, n) + within(self.of_y, q, m) - 2 * between).item()


def bootstrapped(
    distance: Callable[[Tensor, Tensor], float],
    x: Tensor,  # (N, D)
    y: Tensor,  # (M, D)
    seed: int = 0,
    times: int = 100,
) -> Estimate:
    """A distance of two sets, with 1.96 standard deviations of it under resampling of both (Efron 1979) on either side.

    Not the percentiles of the resampled: repeated samples push those upwards, for the Fréchet distance beyond the
    estimate itself. What a small sample adds to the estimate is not in the interval either."""
    value = distance(x, y)
    return _interval(value, [distance(x[i], y[j]) for i, j in _resampled(len(x), len(y), seed, times)])


def kernel_estimate(x: Tensor, y: Tensor, seed: int = 0, times: int = 100) -> Estimate:
    """`bootstrapped` for the kernel distance, many times as fast for thousands of samples."""
    kernels = _Kernels(x, y)
    value = kernels.distance(torch.ones(len(x)), torch.ones(len(y)))
    counted = (
        (torch.bincount(i, minlength=len(x)), torch.bincount(j, minlength=len(y)))
        for i, j in _resampled(len(x), len(y), seed, times)
    )
    return _interval(value, [kernels.distance(p, q) for p, q in counted])


def _resampled(n: int, m: int, seed: int, times: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Indices of as many samples of both sets, drawn with replacement."""
    rng = np.random.default_rng(seed)
    for _ in range(times):
        first, second = (torch.from_numpy(rng.integers(count, size=count)) for count in (n, m))
        yield first, second


def _interval(value: float, again: Sequence[float]) -> Estimate:
    centre = fmean(again)
    margin = 1.96 * fmean((one - centre) ** 2 for one in again) ** 0.5
    return Estimate(value, value - margin, value + margin)
