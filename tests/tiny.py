"""A tiny Swapping Autoencoder whose every parameter matters, and pictures for it."""

from functools import cache

import torch
from torch import Tensor

from graftlab.config import preset
from graftlab.networks.discriminators import Discriminators
from graftlab.networks.swapping import SwappingAutoencoder


def new_model(seed: int = 0) -> SwappingAutoencoder:
    """As loaded from a file, but with weights at random: biases and strengths of the noise are not zero either."""
    torch.manual_seed(seed)
    model = SwappingAutoencoder(preset("tiny"))
    for name, parameter in model.named_parameters():
        if "bias" in name or "noise_strength" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval().requires_grad_(False)


@cache
def model() -> SwappingAutoencoder:
    """One for all tests that do not change it."""
    return new_model()


def discriminators(seed: int = 1) -> Discriminators:
    torch.manual_seed(seed)
    return Discriminators(preset("tiny"))


def pictures(count: int = 1, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    """Smooth random pictures (count, 3, height, width) in [-1, 1]."""
    noise = torch.randn(count, 3, height // 4 + 2, width // 4 + 2, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise, size=(height, width), mode="bilinear").clamp(-1, 1)


def differ(a: Tensor, b: Tensor) -> float:
    """Largest difference, as a share of the largest value."""
    assert a.shape == b.shape
    return ((a - b).abs().max() / b.abs().max()).item()
