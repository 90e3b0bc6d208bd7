"""Textures in which it is known what there is to find."""

import numpy as np
import torch


def planted(count=400, seed=0):
    """Textures (count, 12) with two planted axes at right angles (deviations 2 and 0.5), noise of 0.05 and a mean.

    Returns them, the axes (2, 12) and the numbers (count, 2) of deviation 1 along them."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(np.random.default_rng(99).standard_normal((12, 2)))[0].T
    numbers = rng.standard_normal((count, 2))
    noise = 0.05 * rng.standard_normal((count, 12))
    textures = torch.tensor(0.3 + numbers * (2, 0.5) @ axes + noise)
    return textures, torch.tensor(axes), torch.tensor(numbers)


def cosine(a, b):
    return torch.cosine_similarity(a.double(), b.double(), dim=-1)
