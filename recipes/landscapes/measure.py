#!/usr/bin/env python3
"""How close a model's hybrids come to the truth, which the renderer knows: any structure under any texture.

python recipes/landscapes/measure.py landscapes-64 [--grid FOLDER]

Renders a grid of structures and textures that no model trains on (seed 4; needs povray; kept in FOLDER for the next
time), swaps 150 random pairs, and prints means of L1 (share of the full range) and PSNR: of reconstructions, of
hybrids, and of two ways of doing without a model.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from landscapes import ARCHETYPES, Texture, render, sample_pair
from torch import Tensor

import graftlab
from graftlab.images import l1, psnr

SEED, SIDE, PAIRS = 4, 8, 150


def grid(folder: Path, size: int) -> dict[tuple[int, int], Tensor]:
    """The true pictures by (structure, texture), rendered at 128 px if they are not in the folder, read at `size`."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {}
    for row in range(SIDE):
        for column in range(SIDE):
            path = folder / f"s{row}_t{column}.png"
            if not path.exists():
                kind = list(ARCHETYPES)[column % len(ARCHETYPES)]
                texture = Texture.sample(np.random.default_rng(sample_pair(SEED, column)[1]), kind)
                render(sample_pair(SEED, row)[2], texture, 128).save(path)
            pictures[row, column] = graftlab.read(path, size)
    return pictures


def moments(structure: Tensor, texture: Tensor) -> Tensor:
    """The structure's picture with the texture's mean and deviation in each colour channel."""
    (m1, s1), (m2, s2) = ((x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)) for x in (structure, texture))
    return (structure - m1) / s1 * s2 + m2


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="model file or bundled name")
    parser.add_argument("--grid", type=Path, default=Path("truth-grid"), help="folder of the rendered grid")
    options = parser.parse_args()
    model = graftlab.load(options.model)
    truth = grid(options.grid, model.config.size)
    codes = {key: model.encode(picture) for key, picture in truth.items()}
    results: dict[str, list[tuple[float, float]]] = {}

    def compare(name: str, picture: Tensor, target: Tensor) -> None:
        results.setdefault(name, []).append((l1(picture, target).item(), psnr(picture, target).item()))

    for key, picture in truth.items():
        compare("reconstruction", model.decode(codes[key]), picture)
    rng = np.random.default_rng(0)
    for _ in range(PAIRS):
        (row, other_row), (column, other_column) = (rng.choice(SIDE, 2, replace=False) for _ in range(2))
        structure, texture = (row, other_column), (other_row, column)
        target = truth[row, column]
        compare("hybrid", model.decode(codes[structure].mix(codes[texture], texture=1)), target)
        compare("structure's picture, unchanged", truth[structure], target)
        compare("its mean and deviation per channel changed", moments(truth[structure], truth[texture]), target)
    for name, values in results.items():
        mean_l1, mean_psnr = np.mean(values, axis=0)
        print(f"{name:44} L1 {mean_l1:.4f}   PSNR {mean_psnr:.2f} dB")


if __name__ == "__main__":
    main()
