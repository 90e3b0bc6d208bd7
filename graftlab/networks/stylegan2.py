"""StyleGAN2's generator (Karras et al. 2020, config-f, as of 2020's ADA): synthesis, and the whole."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from graftlab.config import StyleGAN2Config
from graftlab.networks.layers import (
    Linear,
    ModulatedConv,
    Noise,
    StyleConv,
    StyledConv,
    full,
    gaussian,
)
from graftlab.networks.resampling import upsample
from graftlab.networks.style import StyleGAN

DOUBLE = (1, 3, 3, 1)  # taps of the filter beside every doubling


class StyleLayer(StyledConv):
    """A styled convolution with StyleGAN2's demodulation, and the constant noise input from training."""

    noise: Tensor

    def __init__(
        self, inputs: int, config: StyleGAN2Config, block: int, layer: int, double: tuple[int, ...] | None = None
    ) -> None:
        super().__init__(
            inputs,
            config.channels[block],
            config.w_channels,
            layer,
            double=double,
            modulated=StyleConv,
            clamp=config.clamp,
        )
        self.register_buffer("noise", gaussian(*config.resolutions[block]).detach())


class SynthesisBlock(nn.Module):
    """One resolution: an upsampling convolution (not in the first block), a second one, and a ToRGB layer.

    Rows of w: the previous block's last row is this block's first, since both feed on the same features."""

    def __init__(self, config: StyleGAN2Config, block: int) -> None:
        super().__init__()
        channels, layer = config.channels[block], 2 * block  # of the second convolution
        self.up = StyleLayer(config.channels[block - 1], config, block, layer - 1, DOUBLE) if block else None
        self.conv = StyleLayer(channels, config, block, layer)
        self.to_rgb = ModulatedConv(channels, 3, 1, config.w_channels, demodulate=False)
        self.rgb_bias = nn.Parameter(torch.zeros(3))
        self.layer, self.clamp = layer, config.clamp

    def forward(self, x: Tensor, image: Tensor | None, w: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Features (N, C, H, W) and the picture so far, w (N, L, Cw); returns both at this block's resolution."""
        if self.up is not None:
            x = self.up(x, w[:, self.layer - 1], noise)
        x = self.conv(x, w[:, self.layer], noise)
        rgb = full(self.to_rgb(x, w[:, self.layer + 1], self.rgb_bias))
        if self.clamp:
            rgb = rgb.clamp(-self.clamp, self.clamp)
        if image is not None:
            with torch.autocast(x.device.type, enabled=False):  # a sum over resolutions deserves float32
                rgb = rgb + upsample(image, DOUBLE)
        return x, rgb


class Synthesis(nn.Module):
    """w to a picture: a learned constant, then one block per resolution, whose pictures add up (StyleGAN2, Fig. 7b)."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.constant = gaussian(config.channels[0], *config.constant)
        self.blocks = nn.ModuleList(SynthesisBlock(config, block) for block in range(len(config.channels)))

    def forward(self, w: Tensor, noise: Noise) -> Tensor:
        """w (N, L, Cw); returns (N, 3, H, W)."""
        return self.pictures(w, noise, len(self.blocks))[-1]

    def pictures(self, w: Tensor, noise: Noise, blocks: int) -> list[Tensor]:
        """The picture so far after each of the first blocks, from the coarsest on: (N, 3, h, w)."""
        x = self.start(w)
        found: list[Tensor] = []
        for block in self.blocks[:blocks]:
            x, image = block(x, found[-1] if found else None, w, noise)
            found.append(image)
        return found

    def start(self, w: Tensor) -> Tensor:
        """The constant, for each item of a batch: what the first block reads."""
        return self.constant.expand(len(w), *self.constant.shape).contiguous(memory_format=torch.channels_last)

    def coarsest(self, blocks: int) -> Iterator[nn.Module | nn.Parameter]:
        """What draws first: the constant and some blocks."""
        yield self.constant
        yield from self.blocks[:blocks]

    def affines(self) -> Iterator[tuple[int, Linear]]:
        """The affine layer of every convolution but those to red, green, blue, and the row of w that it reads."""
        for block in self.blocks:
            assert isinstance(block, SynthesisBlock)
            if block.up is not None:
                yield block.layer - 1, block.up.conv.modulation.affine
            yield block.layer, block.conv.conv.modulation.affine

    def constant_noise(self, layer: int, like: Tensor) -> Tensor:
        """A layer's own noise (1, 1, H, W), as a source of noise."""
        block: SynthesisBlock = self.blocks[(layer + 1) // 2]  # type: ignore[assignment]
        styled = block.conv if layer % 2 == 0 else block.up
        assert styled is not None  # layer 0 is the first block's second convolution
        return styled.noise[None, None]


class StyleGAN2(StyleGAN):
    """Mapping and synthesis with noise."""

    kind = "stylegan2"
    title = "a StyleGAN2"
    usual_noise = "const"

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__(config)
        self.synthesis = Synthesis(config)
