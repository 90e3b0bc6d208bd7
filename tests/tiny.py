"""Tiny models whose every parameter matters, and pictures for them."""

from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from graftlab.config import StyleGAN1Config, StyleGAN2Config, StyleGAN3Config, preset
from graftlab.editing.directions import Directions
from graftlab.editing.distributions import Distribution, Gaussian
from graftlab.networks.discriminators import Discriminators
from graftlab.networks.stylegan1 import StyleGAN1
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.stylegan3 import StyleGAN3
from graftlab.networks.swapping import SwappingAutoencoder

M = TypeVar("M", bound=nn.Module)


def new_model(seed: int = 0) -> SwappingAutoencoder:
    """As loaded from a file, but with weights at random: biases and strengths of the noise are not zero either."""
    torch.manual_seed(seed)
    return ready(SwappingAutoencoder(preset("tiny")))


def stylegan2(seed: int = 0, **sizes: Any) -> StyleGAN2:
    """The same of StyleGAN2, of 32 px unless `sizes`, fields of its configuration, say otherwise."""
    torch.manual_seed(seed)
    small = {"channels": (16, 16, 8, 8), "z_channels": 12, "w_channels": 16, "mapping_layers": 2}
    model = StyleGAN2(StyleGAN2Config(**{**small, **sizes}))
    torch.nn.init.normal_(model.mapping.average, std=0.3)
    return ready(model)


def stylegan1(seed: int = 0, **sizes: Any) -> StyleGAN1:
    """The same of the first StyleGAN."""
    torch.manual_seed(seed)
    small = {"channels": (16, 16, 8, 8), "z_channels": 12, "w_channels": 16, "mapping_layers": 2}
    model = StyleGAN1(StyleGAN1Config(**{**small, **sizes}))
    torch.nn.init.normal_(model.mapping.average, std=0.3)
    return ready(model)


def stylegan3(seed: int = 0, **sizes: Any) -> StyleGAN3:
    """The same of StyleGAN3."""
    torch.manual_seed(seed)
    small = {"size": 32, "channels": (8, 8, 8, 6), "z_channels": 12, "w_channels": 16, "margin": 4}
    small |= {"first_cutoff": 1.0, "first_stopband": 3.0}  # which makes resolutions of 8, 16 and 32
    model = StyleGAN3(StyleGAN3Config(**{**small, **sizes}))
    torch.nn.init.normal_(model.mapping.average, std=0.3)
    torch.nn.init.normal_(model.synthesis.input.affine.weight)
    return ready(model)


def ready(model: M) -> M:
    for name, parameter in model.named_parameters():
        if "bias" in name or "noise_strength" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval().requires_grad_(False)


@cache
def model() -> SwappingAutoencoder:
    """One for all tests that do not change it."""
    return new_model()


def tuned(model: M, seed: int, far: float = 0.2) -> M:
    """It, moved from where it was, as a fine-tuned copy would be."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in model.state_dict().values():
        tensor.add_(far * torch.randn(tensor.shape, generator=generator))
    return model


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


def lay_beside(path: Path, model: SwappingAutoencoder) -> None:
    """Directions and a distribution beside the file of a model, with numbers at random."""
    draw = torch.Generator().manual_seed(0)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw)

    def gaussian(channels: int) -> Gaussian:
        axes = torch.linalg.qr(numbers(channels, 3))[0].T * torch.tensor([[0.9], [0.6], [0.3]])
        return Gaussian(numbers(channels), axes, torch.tensor(0.01), torch.linspace(0, 0.1, 101))

    texture, structure = model.config.texture_channels, model.config.structure_channels
    known = Directions(("hour", "season"), numbers(2, texture), numbers(texture), torch.zeros(2), model.fingerprint)
    known.save(path.with_suffix(".directions.safetensors"))
    textures = Distribution(gaussian(texture), gaussian(structure), True, model.fingerprint)
    textures.save(path.with_suffix(".textures.safetensors"))
