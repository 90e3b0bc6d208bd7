"""The first StyleGAN's generator (Karras et al. 2019, config F): synthesis, and the whole.

Every layer ends with noise, bias and rectifier; then its features are normalised, one by one, and w scales and shifts
them (adaptive instance normalisation, eq. 1). Here that norm belongs to the layer that reads the features: so all that
a layer knows of its input's channels is in one place, as in StyleGAN2, and blends can take channels from either.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.config.stylegan1 import StyleGAN1Config
from graftlab.networks.layers import EPSILON, GAIN, SLOPE, Conv, Linear, Noise, full, gaussian
from graftlab.networks.resampling import blur
from graftlab.networks.style import StyleGAN

TAPS = (1, 2, 1)  # of the filter after every doubling


class AdaptiveNorm(nn.Module):
    """Features of mean 0 and deviation 1 over the picture, scaled and shifted by w (eq. 1; "A" in Fig. 1b)."""

    def __init__(self, channels: int, w_channels: int) -> None:
        super().__init__()
        self.scale, self.shift = Linear(w_channels, channels), Linear(w_channels, channels)  # scales are around 0

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x (N, C, H, W), w (N, Cw); returns (N, C, H, W), in float32 at least."""
        x = full(x)
        variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        scale, shift = (full(affine(w))[:, :, None, None] for affine in (self.scale, self.shift))
        return torch.addcmul(shift, x - mean, (scale + 1) * torch.rsqrt(variance + EPSILON))


class DoublingConv(Conv):
    """A convolution of what is doubled by repeating pixels, then blurred.

    The two steps are one transposed convolution, of stride 2, with the kernel widened by a pixel."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, activate=False, bias=False, gain=GAIN)

    def forward(self, x: Tensor) -> Tensor:
        return blur(F.conv_transpose2d(x, self.used(self.gain), stride=2, padding=1), TAPS, (1, 1))

    def scaled(self, gain: float) -> Tensor:
        widened = F.pad(super().scaled(gain).flip(2, 3), (1, 1, 1, 1)).transpose(0, 1)
        return sum(widened[:, :, y : y + 4, x : x + 4] for y in (0, 1) for x in (0, 1))  # type: ignore[return-value]


class NoisyLayer(nn.Module):
    """How every layer ends: noise, with a strength for each channel, bias and rectifier."""

    noise: Tensor

    def __init__(self, channels: int, side: int, layer: int) -> None:
        super().__init__()
        self.bias, self.noise_strength = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("noise", gaussian(side, side).detach())
        self.layer = layer

    def finished(self, x: Tensor, noise: Noise) -> Tensor:
        bias, strength = (each[:, None, None].to(x.dtype) for each in (self.bias, self.noise_strength))
        field = noise(self.layer, x)
        x = x + bias if field is None else torch.addcmul(x + bias, field.to(x.dtype), strength)
        return F.leaky_relu(x, SLOPE)


class ConstantLayer(NoisyLayer):
    """What all pictures begin with."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__(channels, side, 0)
        self.constant = nn.Parameter(torch.ones(channels, side, side))

    def forward(self, count: int, noise: Noise) -> Tensor:
        return self.finished(self.constant.expand(count, *self.constant.shape), noise)


class AdaptiveConv(NoisyLayer):
    """The norm of what comes in, by a row of w, then a convolution."""

    def __init__(self, inputs: int, outputs: int, w_channels: int, side: int, layer: int, double: bool = False) -> None:
        super().__init__(outputs, side, layer)
        self.affine = AdaptiveNorm(inputs, w_channels)
        plain = Conv(inputs, outputs, 3, activate=False, bias=False, gain=GAIN)
        self.conv = DoublingConv(inputs, outputs) if double else plain

    def forward(self, x: Tensor, w: Tensor, noise: Noise) -> Tensor:
        """x (N, C, H, W), w (N, Cw); returns (N, C', H, W), or twice as high and wide."""
        x = self.affine(x, w).contiguous(memory_format=torch.channels_last)
        return self.finished(self.conv(x), noise)


class SynthesisBlock(nn.Module):
    """One resolution: an upsampling convolution (not in the first block) and a second one."""

    def __init__(self, config: StyleGAN1Config, block: int) -> None:
        super().__init__()
        channels, (side, _), w, layer = config.channels, config.resolutions[block], config.w_channels, 2 * block
        before, after = channels[block - 1], channels[block]
        self.up = AdaptiveConv(before, after, w, side, layer, double=True) if block else None
        self.conv = AdaptiveConv(after, after, w, side, layer + 1)


class ColourLayer(nn.Module):
    """The norm of the last features, then red, green and blue."""

    def __init__(self, channels: int, w_channels: int) -> None:
        super().__init__()
        self.affine = AdaptiveNorm(channels, w_channels)
        self.conv = Conv(channels, 3, 1, activate=False)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return full(self.conv(self.affine(x, w)))


class Synthesis(nn.Module):
    """w to a picture: a learned constant, one block per resolution, and colours at the last alone (Fig. 1b).

    The features of layer l are normalised by row l of w. Fully grown: what faded between resolutions is not here."""

    def __init__(self, config: StyleGAN1Config) -> None:
        super().__init__()
        channels = config.channels
        self.start = ConstantLayer(channels[0], config.resolutions[0][0])
        self.blocks = nn.ModuleList(SynthesisBlock(config, block) for block in range(len(channels)))
        self.to_rgb = ColourLayer(channels[-1], config.w_channels)

    @property
    def convolutions(self) -> list[AdaptiveConv]:
        """The layers after the constant, in order."""
        return [layer for layer in self.blocks.modules() if isinstance(layer, AdaptiveConv)]

    def forward(self, w: Tensor, noise: Noise) -> Tensor:
        """w (N, L, Cw); returns (N, 3, H, W)."""
        x = self.start(len(w), noise)
        for row, layer in enumerate(self.convolutions):
            x = layer(x, w[:, row], noise)
        picture: Tensor = self.to_rgb(x, w[:, -1])
        return picture

    def affines(self) -> Iterator[tuple[int, Linear]]:
        """The affine layers of every norm, to scales and to shifts, and the row of w that they read."""
        norms: list[AdaptiveNorm] = [*(layer.affine for layer in self.convolutions), self.to_rgb.affine]
        for row, norm in enumerate(norms):
            yield from ((row, norm.scale), (row, norm.shift))

    def constant_noise(self, layer: int, like: Tensor) -> Tensor:
        """A layer's own noise (1, 1, H, W), as a source of noise."""
        noisy: NoisyLayer = (self.start, *self.convolutions)[layer]
        return noisy.noise[None, None]


class StyleGAN1(StyleGAN):
    """Mapping and synthesis with noise."""

    kind = "stylegan1"
    title = "a StyleGAN1"
    usual_noise = "const"

    def __init__(self, config: StyleGAN1Config) -> None:
        super().__init__(config)
        self.synthesis = Synthesis(config)
