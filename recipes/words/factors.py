#!/usr/bin/env python3
"""Read the factors of a picture off what the frozen network sees: a line for every claim, fitted on renderings.

    python recipes/words/factors.py factors.safetensors --renderings pictures/places pictures/alpine \\
        --photos photos packages --keep views.safetensors

For who wants to know whether steering a picture to "night" made it night, and what else it changed:

    scores = Factors.load("factors.safetensors")(pictures)   # (N, C), above 0 where the claim is rather true

It sees with the network that graft-mini sees with, so it does not notice what fools both.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from captions import CLAIMS, Claim
from torch import Tensor
from train import Scene, opened, options, truth
from views import SIDE, Views

from graftlab.artifacts import read_tensors, write_tensors
from graftlab.language.seeing import statistics
from graftlab.networks.dual_encoder import squashed
from graftlab.perception.choice import feature_network

RIDGE = 0.3  # added to the variance of each statistic, which is about 1
FEWEST = 20  # pictures of which a claim is known to be true, and false


@dataclass(frozen=True)
class Factors:
    """A weight for every statistic and claim."""

    claims: list[Claim]
    weight: Tensor  # (C, F + 1), the last for the level
    mean: Tensor  # (F,)
    deviation: Tensor  # (F,)
    right: list[float]  # on held-out pictures, the mean of the shares that are right of true and of false ones

    def scores(self, seen: Tensor) -> Tensor:
        """Statistics (N, F) to (N, C)."""
        return squashed((seen - self.mean) / self.deviation) @ self.weight[:, :-1].T + self.weight[:, -1]

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in [-1, 1] to (N, C)."""
        return self.scores(statistics(feature_network().seen(pictures, SIDE).maps))

    def save(self, path: Path) -> None:
        tensors = {"weight": self.weight, "mean": self.mean, "deviation": self.deviation}
        write_tensors(path, tensors, {"claims": self.claims, "right": self.right})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        tensors, header = read_tensors(Path(path))
        return cls([tuple(claim) for claim in header["claims"]], right=header["right"], **tensors)


def fit(scenes: list[Scene], views: Views) -> Factors:
    """Linear discriminants (Fisher 1936), one covariance for all claims, on whole pictures and those without detail."""
    chosen = [index for index, scene in enumerate(scenes) if scene.photo is None]
    held = torch.tensor([scenes[index].held for index in chosen]).repeat(2)
    known = truth([scenes[index] for index in chosen]).repeat(2, 1)
    seen = torch.cat([views.number(which, chosen) for which in (0, 1)])
    mean, deviation = seen[~held].mean(0), seen[~held].std(0).clamp(min=1e-3)
    x = squashed((seen - mean) / deviation)
    spread = x[~held].T @ x[~held] / (~held).sum() + RIDGE * torch.eye(x.shape[1])
    claims, middles, apart = [], [], []
    for column, claim in enumerate(CLAIMS):
        true, false = (~held & (known[:, column] == sign) for sign in (1, -1))
        if min(true.sum(), false.sum()) >= FEWEST and len(known[held, column].unique()) > 1:
            claims.append(claim)
            middles.append((x[true].mean(0) + x[false].mean(0)) / 2)
            apart.append(x[true].mean(0) - x[false].mean(0))
    weight = torch.linalg.solve(spread, torch.stack(apart).T).T
    level = -(weight * torch.stack(middles)).sum(1, keepdim=True)
    found = Factors(claims, torch.cat([weight, level], 1), mean, deviation, [])
    scores, known = found.scores(seen[held]), known[held]
    for column, claim in enumerate(claims):
        of = known[:, CLAIMS.index(claim)]
        shares = [(scores[of == sign, column] * sign > 0).float().mean() for sign in (1, -1) if (of == sign).any()]
        found.right.append(float(torch.stack(shares).mean()))
    return found


def main() -> None:
    told = options().parse_args()
    torch.set_num_threads(1)
    found = fit(*opened(told))
    found.save(told.model)
    for (factor, value), right in zip(found.claims, found.right, strict=True):
        print(f"{factor} {value}: {right:.0%}")
    print(f"mean over {len(found.claims)} claims: {sum(found.right) / len(found.right):.0%}")


if __name__ == "__main__":
    main()
