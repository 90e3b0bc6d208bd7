"""StyleGAN3's sizes, and the schedule of its frequencies that follows from them."""

from dataclasses import dataclass
from functools import cached_property
from math import ceil, log2
from typing import Annotated

from graftlab.config.base import Config, Within, require
from graftlab.config.stylegan2 import StyleGAN2Config

SLACK = 1e-9  # of a logarithm, by which rounding may miss a whole number: 256 px have a stop band at exactly 64
PICTURE = 3  # channels of what comes out


@dataclass(frozen=True)
class Stage:
    """What the features of a layer may hold. Frequencies are in cycles per picture, the signal's unit square."""

    cutoff: float  # up to which frequencies pass
    half_width: float  # of the filter's transition band
    rate: int  # samples per picture
    size: int  # side of the features, the margin beyond the picture's border included
    channels: int


@dataclass(frozen=True)
class StyleGAN3Config(Config):
    """A StyleGAN3 generator (Karras et al. 2021): configuration T with kernels of 3, R with radial filters and kernels
    of 1.

    Widths are a list and not a formula: the networks people have trained differ in them, and their files tell them."""

    size: Annotated[int, Within(8, 2**12)]  # side of the picture, pixels: a power of two
    channels: tuple[int, ...]  # of every layer but the one to red, green, blue; the input has the first one's
    kernel: Annotated[int, Within(1, 3)] = 3  # side of the kernels, pixels: 3 (T) or 1 (R)
    radial: bool = False  # radially symmetric filters before the rate goes down (R)
    z_channels: Annotated[int, Within(1, 2**14)] = 512  # Cz, length of the latent vector
    w_channels: Annotated[int, Within(1, 2**14)] = 512  # Cw, length of the intermediate latent vector
    classes: Annotated[int, Within(0, 2**16)] = 0  # labels of a conditional model; 0: none
    mapping_layers: Annotated[int, Within(1, 2**6)] = 2  # fully connected layers from z to w
    clamp: Annotated[float, Within(0, 2**16)] = 256.0  # limit of activations (NVIDIA's conv_clamp); 0: none
    critical: Annotated[int, Within(0, 64)] = 2  # last layers that use all of the rate
    margin: Annotated[int, Within(0, 64)] = 10  # pixels beyond the picture's border that features have
    first_cutoff: Annotated[float, Within(1, 2**12)] = 2.0
    first_stopband: Annotated[float, Within(1, 2**12)] = 2**2.1
    last_stopband: Annotated[float, Within(1, 16)] = 2**0.3  # as a share of the last cutoff
    discriminator_channels: tuple[int, ...] = ()  # per resolution, from 4 pixels up; empty: as the generator's
    discriminator_group: Annotated[int, Within(1, 2**16)] = 4  # pictures whose deviation the discriminator sees

    def __post_init__(self) -> None:
        self._whole_numbers("channels", 64, 2**14)
        self._whole_numbers("discriminator_channels", 12, 2**14)
        super().__post_init__()
        require(len(self.channels) >= 1, "channels must name at least one layer.")
        require(self.size & (self.size - 1) == 0, f"size must be a power of two, not {self.size}.")
        require(self.kernel != 2, "kernel must be 1 or 3, not 2.")
        require(self.critical < len(self.channels), f"critical must be fewer than the layers, {len(self.channels)}.")
        sizes = len(self.pyramid)
        require(
            len(self.discriminator_channels) in (0, sizes),
            f"discriminator_channels must be as many as resolutions, {sizes}, not {len(self.discriminator_channels)}.",
        )

    @property
    def judge(self) -> StyleGAN2Config:
        """What the discriminator is made by, which is StyleGAN2's."""
        channels = self.discriminator_channels or tuple(channels for _, channels in self.pyramid)
        group = self.discriminator_group
        return StyleGAN2Config(channels, classes=self.classes, clamp=self.clamp, discriminator_group=group)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """Of every layer, the one to red, green, blue last: cutoff and stop band grow geometrically up to the last
        layers, which are critically sampled (section 3.2, Fig. 4)."""
        count, last, found = len(self.channels), self.size / 2, []
        for layer, channels in enumerate((*self.channels, PICTURE)):
            share = min(layer / (count - self.critical), 1)
            cutoff = self.first_cutoff * (last / self.first_cutoff) ** share
            stopband = self.first_stopband * (last * self.last_stopband / self.first_stopband) ** share
            rate = 2 ** ceil(log2(min(2 * stopband, self.size)) - SLACK)
            side = self.size if layer >= count - 1 else rate + 2 * self.margin
            found.append(Stage(cutoff, max(stopband, rate / 2) - cutoff, rate, side, channels))
        return tuple(found)

    @property
    def resolutions(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each layer's rate; the last is the picture's, pixels."""
        return tuple((stage.rate, stage.rate) for stage in self.stages)

    @property
    def pyramid(self) -> tuple[tuple[tuple[int, int], int], ...]:
        """Heights, widths and channels by doublings, as an encoder has them: from 4 pixels to the picture's."""
        stages = self.stages[:-1]
        sides = [2**power for power in range(2, self.size.bit_length())]
        return tuple(((side, side), next(each.channels for each in stages if each.rate >= side)) for side in sides)

    @property
    def layers(self) -> int:
        """L, rows of w: the input's, one per layer, and that of the layer to red, green, blue."""
        return len(self.channels) + 2
