"""StyleGAN2's generator (Karras et al. 2020, config-f, as of 2020's ADA): mapping, synthesis and the two together."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.codes import StyleCodes
from graftlab.config import StyleGAN2Config
from graftlab.errors import GraftError
from graftlab.networks.layers import (
    EPSILON,
    Linear,
    ModulatedConv,
    Noise,
    StyleConv,
    StyledConv,
    full,
    gaussian,
    upsample,
)
from graftlab.networks.model import Decoder
from graftlab.networks.noise import noise_source

Labels = int | Sequence[int] | Tensor | None
"""Classes of a conditional model: one number for all, one per item, or shares of each class (N, classes)."""
StyleNoise = Literal["const", "none", "fixed", "random"]
MAPPING_RATE = 0.01  # learning rate of the mapping network, as a share of the others'
DOUBLE = (1, 3, 3, 1)  # taps of the filter beside every doubling


def second_moment(x: Tensor) -> Tensor:
    """Scale rows (N, C) to a mean square of 1."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + EPSILON)


def class_matrix(labels: Labels, count: int, classes: int) -> Tensor | None:
    """Labels as (count, classes), one-hot unless given as shares; None for a network without classes.

    GraftError if labels are given to a network without classes, missing for one with classes, or do not fit."""
    if classes == 0:
        if labels is not None:
            raise GraftError("This model knows no classes; leave them out (--class).")
        return None
    if labels is None:
        raise GraftError(f"This model draws {classes} classes; choose one from 0 to {classes - 1} (--class).")
    table = torch.as_tensor(labels)
    if table.shape == (count, classes):
        return table.float()
    whole = not table.is_floating_point() and table.shape in ((), (count,))
    if not whole or not bool(((table >= 0) & (table < classes)).all()):
        raise GraftError(
            f"Classes are whole numbers from 0 to {classes - 1} (--class), one for all or one for each of the {count} "
            f"pictures, not {table.tolist()!s:.40}."
        )
    return F.one_hot(table.long(), classes).float().expand(count, classes)


class MappingNetwork(nn.Module):
    """Latent vector z, and class, to the intermediate latent vector w (StyleGAN, Fig. 1b).

    `average` is the mean of w over training, the centre of truncation. Without z, with classes alone, this network is
    the class embedding of a discriminator and has no average."""

    average: Tensor

    def __init__(self, z_channels: int, w_channels: int, classes: int, layers: int) -> None:
        super().__init__()
        self.embed = Linear(classes, w_channels) if classes else None
        widths = [z_channels + (w_channels if classes else 0), *[w_channels] * layers]
        self.layers = nn.ModuleList(
            Linear(inputs, outputs, activate=True, rate=MAPPING_RATE) for inputs, outputs in pairwise(widths)
        )
        if z_channels:
            self.register_buffer("average", torch.zeros(w_channels))

    def forward(self, z: Tensor | None, labels: Tensor | None = None) -> Tensor:
        """z (N, Cz) and labels (N, classes), where the network has them; returns w (N, Cw)."""
        parts = [] if z is None else [second_moment(z)]
        if self.embed is not None and labels is not None:
            parts.append(second_moment(self.embed(labels)))
        w = torch.cat(parts, dim=1)
        for layer in self.layers:
            w = layer(w)
        return w


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
        x = self.constant.expand(len(w), *self.constant.shape).contiguous(memory_format=torch.channels_last)
        image: Tensor | None = None
        for block in self.blocks:
            x, image = block(x, image, w, noise)
        assert image is not None  # a configuration has at least one block
        return image

    def constant_noise(self, layer: int, like: Tensor) -> Tensor:
        """A layer's own noise (1, 1, H, W), as a source of noise."""
        block: SynthesisBlock = self.blocks[(layer + 1) // 2]  # type: ignore[assignment]
        styled = block.conv if layer % 2 == 0 else block.up
        assert styled is not None  # layer 0 is the first block's second convolution
        return styled.noise[None, None]


class StyleGAN2(Decoder[StyleCodes]):
    """Mapping and synthesis: from seeds or `StyleCodes` to pictures."""

    kind = "stylegan2"
    title = "a StyleGAN2"
    codes = StyleCodes
    remake = (
        "find the photo's with this one ('graft invert PHOTO -m MODEL'), or, if the two are kin, draw them by blends of "
        "both ('graft sheet A B --photo CODES')"
    )
    usual_noise = "const"
    takes = "seeds"

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.config = config
        self.mapping = MappingNetwork(config.z_channels, config.w_channels, config.classes, config.mapping_layers)
        self.synthesis = Synthesis(config)

    def map(
        self,
        z: Tensor,
        labels: Labels = None,
        psi: float = 1.0,  # truncation: 1 none, 0 the average for all
        cutoff: int | None = None,  # layers that are truncated, from the coarsest up; None: all
    ) -> StyleCodes:
        """Latent vectors z (N, Cz) to codes w (N, L, Cw), differentiable (truncation: StyleGAN, appendix B).

        GraftError if z has another width, or if classes are missing, unknown or given to a model without any."""
        if z.ndim != 2 or z.shape[1] != self.config.z_channels:
            raise GraftError(f"This model's latent vectors are (N, {self.config.z_channels}), not {tuple(z.shape)}.")
        layers, average = self.config.layers, self.mapping.average
        truncated = layers if cutoff is None else cutoff
        if labels is None and psi == 0 and truncated >= layers:
            labels = torch.zeros(len(z), self.config.classes) if self.config.classes else None  # the average has none
        table = class_matrix(labels, len(z), self.config.classes)
        w = self.mapping(z.to(average), None if table is None else table.to(average))[:, None]
        coarse = torch.arange(layers, device=average.device)[:, None] < truncated
        return StyleCodes(torch.where(coarse, torch.lerp(average, w, psi), w), model=self.fingerprint)

    def codes_of(
        self, seeds: Sequence[int], psi: float = 1.0, cutoff: int | None = None, labels: Labels = None
    ) -> StyleCodes:
        """Codes (N, L, Cw) of numbered latent vectors."""
        return self.map(self.latents(seeds), labels, psi, cutoff)

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """Numbered latent vectors z (N, Cz), float64: a seed stands for the same z as in the authors' code."""
        for seed in seeds:
            if not 0 <= seed < 2**32:
                raise GraftError(f"A seed is a whole number from 0 to {2**32 - 1}, not {seed}.")
        width = self.config.z_channels
        z = np.array([np.random.RandomState(seed).randn(width) for seed in seeds]).reshape(len(seeds), width)
        return torch.from_numpy(z)

    def sample(
        self,
        seeds: Sequence[int],
        psi: float = 1.0,
        labels: Labels = None,
        cutoff: int | None = None,
        noise: StyleNoise = "const",
    ) -> Tensor:
        """Pictures (N, 3, H, W) of numbered latent vectors; arguments as of `codes_of` and `decode`."""
        return self.decode(self.codes_of(seeds, psi, cutoff, labels), noise)

    def decode(
        self,
        codes: StyleCodes,
        noise: StyleNoise = "const",
        seed: int = 0,  # of fixed noise
    ) -> Tensor:
        """Render codes w (N, L, Cw) as pictures.

        Noise is the network's own ("const"), a function of seed and position ("fixed"), new for every picture
        ("random") or absent ("none"). Returns float32 (N, 3, H, W), nominally in [-1, 1], not clamped, differentiable.
        GraftError if the codes are another model's, or of other length or width."""
        self._check_owner(codes)
        want = (self.config.layers, self.config.w_channels)
        if (have := tuple(codes.w.shape[1:])) != want:
            raise GraftError(
                f"This model's codes have {want[0]} layers of {want[1]} numbers, these have {have[0]} of {have[1]}."
            )
        with self._computing():
            return self.synthesis(self._placed(codes.w), self._noise(noise, seed))

    def _noise(self, mode: StyleNoise, seed: int) -> Noise:
        if mode not in get_args(StyleNoise):
            raise GraftError(f"noise must be one of {', '.join(get_args(StyleNoise))}, not '{mode}'.")
        return self.synthesis.constant_noise if mode == "const" else noise_source(mode, seed)
