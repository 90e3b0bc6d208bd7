"""A small network that guesses the codes of a picture at once, for the one generator that it was trained with."""

from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from graftlab.checkpoints.build import check_layout
from graftlab.checkpoints.native import read_tensors, write_tensors
from graftlab.codes import StyleCodes
from graftlab.config import StyleGAN2Config
from graftlab.errors import GraftError
from graftlab.inversion.crops import scaled
from graftlab.inversion.search import Centre
from graftlab.networks.layers import Conv, Linear, ResidualBlock
from graftlab.networks.stylegan2 import StyleGAN2

KIND = "style-encoder"
HALVE = (1, 3, 3, 1)  # taps of the filter before every halving
LARGEST = 256  # pixels, beyond which pictures are made smaller before they are looked at
WIDEST = 4096  # channels


class Encoder(nn.Module):
    """Pictures (N, 3, H, W) to w (N, L, Cw): one w for all layers, and what each layer's differs from it by.

    Both are counted from the mean of w in its standard deviations, so an untrained encoder answers the mean."""

    mean: Tensor
    unit: Tensor

    def __init__(self, config: StyleGAN2Config, width: int = 128) -> None:
        super().__init__()
        sizes = [size for size in config.resolutions if max(size) <= LARGEST] or [config.constant]
        widths = [min(channels, width) for channels in config.channels[: len(sizes)]][::-1]
        self.config, self.width, self.size = config, width, sizes[-1]
        self.from_rgb = Conv(3, widths[0], 1)
        self.blocks = nn.ModuleList(ResidualBlock(inputs, outputs, HALVE) for inputs, outputs in pairwise(widths))
        height, across = config.constant
        self.hidden = Linear(widths[-1] * height * across, 2 * width, activate=True)
        self.common = Linear(2 * width, config.w_channels)
        self.offsets = Linear(2 * width, config.layers * config.w_channels)
        for layer in (self.common, self.offsets):
            nn.init.zeros_(layer.weight)
        self.register_buffer("mean", torch.zeros(config.w_channels))
        self.register_buffer("unit", torch.ones(()))
        self.model: str | None = None  # fingerprint of the generator

    @classmethod
    def of(cls, generator: StyleGAN2, centre: Centre, width: int = 128) -> Self:
        """An untrained one for a generator, on its device."""
        encoder = cls(generator.config, width)
        encoder.mean.copy_(centre.mean)
        encoder.unit.fill_(centre.unit)
        encoder.model = generator.fingerprint
        return encoder.to(centre.mean.device)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] of the generator's size; returns (N, L, Cw)."""
        x = self.from_rgb(scaled(images, self.size).contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            x = block(x)
        hidden = self.hidden(x.flatten(1))
        rows = self.offsets(hidden).unflatten(1, (self.config.layers, self.config.w_channels))
        return self.mean + self.unit * (self.common(hidden)[:, None] + rows)

    @torch.no_grad()
    def encode(self, images: Tensor) -> StyleCodes:
        """Pictures (N, 3, H, W) of the generator's size to codes W+."""
        return StyleCodes(self(images.to(self.mean)), model=self.model)

    def save(self, path: Path, about: dict[str, Any]) -> None:
        """Write a file that knows its generator. `about` is JSON: images seen, figures, whatever is known."""
        header = {"kind": KIND, "config": self.config.to_dict(), "width": self.width, "model": self.model}
        write_tensors(path, self.state_dict(), {**header, "about": about})

    @classmethod
    def load(cls, path: Path, generator: StyleGAN2) -> Self:
        """Read what `save` wrote, frozen, on the generator's device. GraftError if it is another's encoder, or none."""
        tensors, header = read_tensors(path)
        width, owner = header.get("width"), header.get("model")
        if header.get("kind") != KIND or type(width) is not int or not 1 <= width <= WIDEST:
            raise GraftError(f"{path} holds no encoder; make one with 'graft train-encoder'.")
        if owner != generator.fingerprint or header.get("config") != _as_json(generator.config):
            raise GraftError(
                f"{path} is the encoder of another model ({str(owner)[:12]}, this one is "
                f"{str(generator.fingerprint)[:12]}); train one for this with 'graft train-encoder'."
            )
        encoder = cls(generator.config, width)
        check_layout(path, tensors, {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()})
        encoder.load_state_dict(tensors)
        encoder.model = generator.fingerprint
        return encoder.eval().requires_grad_(False).to(next(generator.parameters()).device)


def _as_json(config: StyleGAN2Config) -> dict[str, Any]:
    """What JSON makes of a configuration: lists in the place of tuples."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in config.to_dict().items()}
