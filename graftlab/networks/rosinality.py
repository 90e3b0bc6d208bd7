"""The Swapping Autoencoder's second public implementation, rosinality/swapping-autoencoder-pytorch.

It appeared before the authors' own and differs from it where the paper leaves details open:

- neither code is normalised, and both end in the activation: lengths count, and interpolation is linear;
- the generator's layers are StyleGAN2's, whose demodulation depends on the texture;
- the structure code enters the generator as it is, and the picture leaves it unmodulated;
- there are four blocks at the structure code's resolution, of widths 4, 8, 12 and 16 times the encoder's first;
- skips are filtered and never activated; in upsampling blocks, zeros between the pixels are not compensated, so that
  the skip has a quarter of its strength;
- residual blocks widen in the first convolution, filters are (1, 3, 3, 1) everywhere, and beyond the border there are
  zeros, except before the first convolution of each encoder block, which uses reflection.
"""

from itertools import count, pairwise

import torch
from torch import Tensor, nn

from graftlab.config import RosinalityConfig
from graftlab.networks.layers import GAIN, Conv, Linear, Noise, StyleConv, StyledConv
from graftlab.networks.resampling import upsample
from graftlab.networks.swapping import SwappingModel, Trunk

TAPS = (1, 3, 3, 1)  # of all low-pass filters


class ResidualBlock(nn.Module):
    """Two convolutions beside a 1x1 skip, halving the resolution; the first reflects at the border and widens.

    The division of the sum by sqrt(2) is folded into the last convolution of either branch."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = Conv(inputs, outputs, 3, reflect=True)
        self.conv2 = Conv(outputs, outputs, 3, halve=TAPS, gain=1 / GAIN)
        self.skip = Conv(inputs, outputs, 1, activate=False, bias=False, halve=TAPS, gain=1 / GAIN)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x)) + self.skip(x)


class Encoder(Trunk):
    """Picture (N, 3, H, W) to structure (N, Cs, H/16, W/16) and texture (N, Ct), of any length."""

    def __init__(self, config: RosinalityConfig) -> None:
        super().__init__()
        deepest = config.downsamplings + config.texture_downsamplings
        channels = [config.encoder_channels(halvings) for halvings in range(deepest + 1)]
        down, texture = channels[: config.downsamplings + 1], channels[config.downsamplings :]
        self.from_rgb = Conv(3, channels[0], 1)
        self.down = nn.ModuleList(ResidualBlock(*widths) for widths in pairwise(down))
        self.to_structure = nn.Sequential(Conv(down[-1], down[-1], 1), Conv(down[-1], config.structure_channels, 1))
        self.down_texture = nn.ModuleList(Conv(*widths, 3, halve=TAPS) for widths in pairwise(texture))
        self.to_texture = Linear(texture[-1], texture[-1], activate=True)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.trunk(images)
        structure = self.to_structure(x)
        for conv in self.down_texture:
            x = conv(x)
        return structure, self.to_texture(x.mean((2, 3)))


class GeneratorBlock(nn.Module):
    """Two of StyleGAN2's layers beside a 1x1 skip, doubling the resolution if `double`.

    The division of the sum by sqrt(2) is folded into both branches."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        texture_channels: int,
        layers: "count[int]",  # numbers the generator's layers
        double: bool,
    ) -> None:
        super().__init__()
        taps = TAPS if double else None
        self.conv1 = StyledConv(inputs, outputs, texture_channels, next(layers), double=taps, modulated=StyleConv)
        self.conv2 = StyledConv(outputs, outputs, texture_channels, next(layers), modulated=StyleConv)
        strength = 1 / 4 if double else 1  # the filter's gain is 4, the share of zeros among the pixels
        self.skip: Conv | None = None
        if double or inputs != outputs:
            self.skip = Conv(inputs, outputs, 1, activate=False, bias=False, gain=strength / GAIN)
        self.doubling = double

    def forward(self, x: Tensor, texture: Tensor, noise: Noise) -> Tensor:
        y = self.conv2(self.conv1(x, texture, noise), texture, noise, gain=1 / GAIN)
        skip = x / GAIN if self.skip is None else self.skip(x)
        return (upsample(skip, TAPS) if self.doubling else skip) + y


class Generator(nn.Module):
    """Structure and texture to a picture: the texture modulates every layer but the last."""

    def __init__(self, config: RosinalityConfig) -> None:
        super().__init__()
        layers = count()

        def blocks(widths: list[int], double: bool) -> nn.ModuleList:
            return nn.ModuleList(
                GeneratorBlock(inputs, outputs, config.texture_channels, layers, double)
                for inputs, outputs in pairwise(widths)
            )

        self.head = blocks([config.structure_channels, *config.head_channels], double=False)
        self.up = blocks([config.head_channels[-1], *config.up_channels], double=True)
        self.to_rgb = Conv(config.up_channels[-1], 3, 1, activate=False, bias=False)
        self.rgb_bias = nn.Parameter(torch.zeros(3))

    def forward(self, structure: Tensor, texture: Tensor, noise: Noise) -> Tensor:
        """structure (N, Cs, h, w), texture (N, Ct) or (N, Ct, h', w'); returns (N, 3, 16 * h, 16 * w)."""
        x = structure
        for block in [*self.head, *self.up]:
            x = block(x, texture, noise)
        return self.to_rgb(x) + self.rgb_bias[:, None, None].to(x.dtype)


class RosinalityAutoencoder(SwappingModel):
    """rosinality's autoencoder; its codes are used like those of the authors' networks."""

    kind = "swapping-autoencoder-rosinality"
    config: RosinalityConfig
    encoder: Encoder
    generator: Generator

    def __init__(self, config: RosinalityConfig) -> None:
        super().__init__(config, Encoder(config), Generator(config))
