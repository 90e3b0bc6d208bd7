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

RIDGE = 3000.0  # added to the squares of each statistic, which sum up to the pictures
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
        return self.columns(seen) @ self.weight.T

    def columns(self, seen: Tensor) -> Tensor:
        x = squashed((seen - self.mean) / self.deviation)
        return torch.cat([x, torch.ones(len(x), 1)], 1)

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
    """Ridge regression to +1 and -1, both as heavy, on whole pictures and those without detail."""
    chosen = [index for index, scene in enumerate(scenes) if scene.photo is None]
    held = torch.tensor([scenes[index].held for index in chosen]).repeat(2)
    known = truth([scenes[index] for index in chosen]).float().repeat(2, 1)
    seen = torch.cat([views.number(which, chosen) for which in (0, 1)])
    empty = torch.zeros(0, seen.shape[1] + 1)
    found = Factors([], empty, seen[~held].mean(0), seen[~held].std(0).clamp(min=1e-3), [])
    x, weights = found.columns(seen), []
    for column, claim in enumerate(CLAIMS):
        y = known[:, column]
        mine, others = (y != 0) & ~held, (y != 0) & held
        if min((y[mine] > 0).sum(), (y[mine] < 0).sum()) < FEWEST or len(y[others].unique()) < 2:
            continue
        heavy = torch.where(y[mine] > 0, 0.5 / (y[mine] > 0).sum(), 0.5 / (y[mine] < 0).sum()) * mine.sum()
        gram = (x[mine] * heavy[:, None]).T @ x[mine] + RIDGE * torch.eye(x.shape[1])
        weight = torch.linalg.solve(gram, (x[mine] * heavy[:, None]).T @ y[mine])
        right = ((x[others] @ weight) * y[others] > 0).float()
        found.claims.append(claim)
        found.right.append(float((right[y[others] > 0].mean() + right[y[others] < 0].mean()) / 2))
        weights.append(weight)
    return Factors(found.claims, torch.stack(weights), found.mean, found.deviation, found.right)


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
