"""StyleGAN3's generator (Karras et al. 2021, configurations T and R): features that are signals, not pixels.

What the input holds are waves, which a learned motion turns and shifts; no layer knows where the picture's grid lies.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import pi, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.config.stylegan3 import Stage, StyleGAN3Config
from graftlab.networks.filters import filtered_rectify, filtered_rectify_in_phases, lowpass
from graftlab.networks.layers import EPSILON, GAIN, Equalized, Linear, Noise, full, gaussian
from graftlab.networks.style import StyleGAN

TAPS = 6  # of a filter, for each step of the higher rate between two of the lower
OVERSAMPLING = 2  # of the rectifier, beyond the rates before and after it
SCALE = 0.25  # of what leaves the last layer


class FourierFeatures(nn.Module):
    """Waves in a plane, of frequencies within the first layer's band, moved as w says (Fig. 4a; appendix C.2)."""

    frequencies: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, stage: Stage, w_channels: int) -> None:
        super().__init__()
        self.stage = stage
        self.weight = gaussian(stage.channels, stage.channels)
        self.affine = Linear(w_channels, 4)  # cosine and sine of the angle, shift right and down
        nn.init.zeros_(self.affine.weight)
        with torch.no_grad():
            self.affine.bias[0] = 1
        drawn = gaussian(stage.channels, 2).detach()
        radius = drawn.norm(dim=1, keepdim=True)
        drawn = drawn / (radius * radius.square().exp().pow(0.25))  # evenly over the disc
        self.register_buffer("frequencies", drawn * stage.cutoff)  # cycles per picture
        self.register_buffer("phases", torch.empty(stage.channels).uniform_(-0.5, 0.5))  # turns
        self.register_buffer("transform", torch.eye(3))  # of the plane, after the learned motion

    def forward(self, w: Tensor, motion: Tensor | None = None) -> Tensor:
        """w (N, Cw), motion (N, 3); returns (N, C, S, S)."""
        size, rate, cutoff = self.stage.size, self.stage.rate, self.stage.cutoff
        plane = self.learned(w) @ self.transform
        if motion is not None:
            plane = plane @ undone(motion.double()).to(plane)
        phases = self.phases + (self.frequencies @ plane[:, :2, 2:])[:, :, 0]
        frequencies = self.frequencies @ plane[:, :2, :2]
        fading = 1 - (frequencies.norm(dim=2) - cutoff) / (
            rate / 2 - cutoff
        )  # what the transform lifts out of the band
        line = (torch.arange(size, device=w.device, dtype=w.dtype) + 0.5 - size / 2) / rate  # the picture's middle is 0
        turns = (
            line[:, None, None] * frequencies[:, None, None, :, 1] + line[:, None] * frequencies[:, None, None, :, 0]
        )
        waves = torch.sin(2 * pi * (turns + phases[:, None, None])) * fading.clamp(0, 1)[:, None, None]
        return F.linear(waves, self.weight / sqrt(len(self.weight))).permute(0, 3, 1, 2)

    def learned(self, w: Tensor) -> Tensor:
        """The learned rotation, of the plane that the learned shift has moved: w (N, Cw) to matrices (N, 3, 3)."""
        told = full(self.affine(w))
        cosine, sine, x, y = (told / told[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        return rigid(cosine, sine, sine * y - cosine * x, -sine * x - cosine * y)


def undone(motion: Tensor) -> Tensor:
    """Where in the plane what a motion (N, 3) brings to a place came from: matrices (N, 3, 3)."""
    angle, right, down = torch.deg2rad(motion[:, 0]), motion[:, 1], motion[:, 2]
    cosine, sine = angle.cos(), angle.sin()
    return rigid(cosine, sine, sine * down - cosine * right, -sine * right - cosine * down)


def rigid(cosine: Tensor, sine: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Rotations followed by shifts, as matrices (N, 3, 3) of four numbers (N,)."""
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack([cosine, -sine, x, sine, cosine, y, zero, zero, one], 1).unflatten(1, (3, 3))


class FilteredConv(Equalized):
    """Modulated convolution, whose input is scaled to unit magnitude, then the filtered rectifier (Fig. 4b).

    Instead of per-sample weights, the style multiplies the input and the demodulation factor divides the output, as in
    `StyleConv`. The layer to red, green, blue has neither demodulation nor rectifier."""

    magnitude: Tensor

    def __init__(self, before: Stage, stage: Stage, config: StyleGAN3Config, to_rgb: bool = False) -> None:
        super().__init__()
        self.before, self.stage, self.to_rgb, self.clamp = before, stage, to_rgb, config.clamp
        width = 1 if to_rgb else config.kernel
        self.weight = gaussian(stage.channels, before.channels, width, width)
        self.bias = nn.Parameter(torch.zeros(stage.channels))
        self.affine = Linear(config.w_channels, before.channels, bias=1.0)
        self.register_buffer("magnitude", torch.ones(()))  # mean square of the input, averaged over training
        high = max(before.rate, stage.rate) * (1 if to_rgb else OVERSAMPLING)
        self.up, self.down = high // before.rate, high // stage.rate
        self.before_taps = TAPS * self.up, before.cutoff, 2 * before.half_width, high
        radial = config.radial and stage.cutoff * 2 < stage.rate
        self.after_taps = TAPS * self.down, stage.cutoff, 2 * stage.half_width, high, radial
        wanted = (stage.size - 1) * self.down + 1 + self.before_taps[0] + self.after_taps[0] - 2
        missing = wanted - (before.size + width - 1) * self.up
        first = (missing + self.up) // 2
        self.pad = (first, missing - first)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x (N, C, S, S), w (N, Cw); returns (N, C', S', S')."""
        style = full(self.affine(w))
        x = x * (style * self.magnitude.rsqrt())[:, :, None, None].to(x.dtype)
        gain = 1.0 if self.to_rgb else GAIN
        y, bias = self.convolve(x, gain, padding=self.weight.shape[-1] - 1), (self.bias * gain)[:, None, None]
        if self.to_rgb:
            y = y + bias.to(y.dtype)
            return y.clamp(-self.clamp, self.clamp) if self.clamp else y
        with torch.autocast(x.device.type, enabled=False):
            power = style.square() @ self.kept("power", 1.0, self.weight.dtype).T
        y = torch.addcmul(bias.to(y.dtype), y, torch.rsqrt(power + EPSILON)[:, :, None, None].to(y.dtype))
        rectify = filtered_rectify if self.up % self.down else filtered_rectify_in_phases
        return rectify(y, self.up, self.filters[0], self.down, self.filters[1], self.pad, self.clamp)

    @property
    def filters(self) -> tuple[Tensor, Tensor]:
        """The low-pass filters before and after the rectifier."""
        return lowpass(*self.before_taps), lowpass(*self.after_taps)

    def scaled(self, gain: float) -> Tensor:
        return self.weight * (gain / sqrt(self.weight[0].numel()))

    def power(self, gain: float) -> Tensor:
        """Squares of the weights as used, summed over the kernel: (outputs, inputs)."""
        return self.weight.square().sum((2, 3)) * (gain**2 / self.weight[0].numel())


class Synthesis(nn.Module):
    """w to a picture: Fourier features, then layers whose band widens up to the picture's."""

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        stages = config.stages
        self.input = FourierFeatures(stages[0], config.w_channels)
        pairs = list(pairwise((stages[0], *stages)))
        self.layers = nn.ModuleList(FilteredConv(before, stage, config) for before, stage in pairs[:-1])
        self.to_rgb = FilteredConv(*pairs[-1], config, to_rgb=True)

    def forward(self, w: Tensor, noise: Noise | None = None, motion: Tensor | None = None) -> Tensor:
        """w (N, L, Cw), motion (N, 3) as of `StyleCodes`; returns (N, 3, S, S).

        There is no noise: it would stick to the grid."""
        x = self.input(w[:, 0], motion).contiguous(memory_format=torch.channels_last)
        for layer, row in zip(self.layers, w[:, 1:].unbind(1), strict=False):  # the last row is `to_rgb`'s
            x = layer(x, row)
        return full(self.to_rgb(x, w[:, -1])) * SCALE

    def coarsest(self, layers: int) -> Iterator[nn.Module | nn.Parameter]:
        """What draws first: the waves and some layers."""
        yield self.input
        yield from self.layers[:layers]

    def affines(self) -> Iterator[tuple[int, Linear]]:
        """The affine layer of every convolution but that to red, green, blue, and the row of w that it reads."""
        for row, layer in enumerate(self.layers, 1):
            assert isinstance(layer, FilteredConv)
            yield row, layer.affine

    def constant_noise(self, layer: int, like: Tensor) -> None:
        """None: the layers have no noise."""


class StyleGAN3(StyleGAN):
    """Mapping and synthesis without noise; what is drawn can be turned and shifted."""

    kind = "stylegan3"
    title = "a StyleGAN3"
    moves = True

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__(config)
        self.synthesis = Synthesis(config)
