"""StyleGAN2's sizes."""

from dataclasses import dataclass
from typing import Annotated, Any, Self

from graftlab.config.base import Config, Within, require
from graftlab.errors import GraftError


@dataclass(frozen=True)
class StyleGAN2Config(Config):
    """A StyleGAN2 generator with skip connections and its residual discriminator (Karras et al. 2020, config-f).

    Sizes are lists and not formulas: the networks people have trained differ in them, and their files tell them."""

    channels: tuple[int, ...]  # output channels of each synthesis block, from the constant's resolution up
    constant: tuple[int, int] = (4, 4)  # height and width of the learned constant, pixels
    z_channels: Annotated[int, Within(1, 2**14)] = 512  # Cz, length of the latent vector
    w_channels: Annotated[int, Within(1, 2**14)] = 512  # Cw, length of the intermediate latent vector
    classes: Annotated[int, Within(0, 2**16)] = 0  # labels of a conditional model; 0: none
    mapping_layers: Annotated[int, Within(1, 2**6)] = 8  # fully connected layers from z to w
    normalize: bool = True  # scale z to a mean square of 1 first; aydao's extended StyleGAN2 does not
    clamp: Annotated[float, Within(0, 2**16)] = 0.0  # limit of activations (NVIDIA's conv_clamp); 0: none
    discriminator_channels: tuple[int, ...] = ()  # per resolution, from the constant's up; empty: as `channels`
    discriminator_group: Annotated[int, Within(1, 2**16)] = 4  # pictures whose deviation the discriminator sees

    def __post_init__(self) -> None:
        for name, most, top in (("channels", 12, 2**14), ("discriminator_channels", 12, 2**14), ("constant", 2, 64)):
            self._whole_numbers(name, most, top)
        super().__post_init__()
        require(len(self.channels) >= 1, "channels must name at least one block.")
        require(len(self.constant) == 2, f"constant must be a height and a width, not {self.constant}.")
        require(
            len(self.discriminator_channels) in (0, len(self.channels)),
            f"discriminator_channels must be as many as channels, {len(self.channels)}, "
            f"not {len(self.discriminator_channels)}.",
        )

    @property
    def judge(self) -> Self:
        """What the discriminator is made by."""
        return self

    @property
    def resolutions(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each block's output, pixels."""
        height, width = self.constant
        return tuple((height * 2**block, width * 2**block) for block in range(len(self.channels)))

    @property
    def pyramid(self) -> tuple[tuple[tuple[int, int], int], ...]:
        """Heights, widths and channels, from the smallest to the picture's, as an encoder has them too."""
        return tuple(zip(self.resolutions, self.channels, strict=True))

    @property
    def size(self) -> int:
        """The picture's larger side, pixels."""
        return max(self.resolutions[-1])

    @property
    def layers(self) -> int:
        """L, rows of w that the generator uses; two per block, since the first block has one convolution and the last
        row is the last toRGB layer's own."""
        return 2 * len(self.channels)


LARGEST_CONSTANT = 16  # pixels a side, of presets

# fmt: off
STYLE_PRESETS: dict[str, dict[str, Any]] = {  # size: by default; base: channels × resolution; most: channels
    "tiny":   {"size": 32,   "base": 256,   "most": 16,  "w_channels": 16,  "mapping_layers": 2},  # for tests
    "small":  {"size": 64,   "base": 2048,  "most": 128, "w_channels": 128, "mapping_layers": 4},  # trained on a laptop
    "medium": {"size": 256,  "base": 16384, "most": 512, "w_channels": 512, "mapping_layers": 2},  # ADA's paper256
    "full":   {"size": 1024, "base": 32768, "most": 512, "w_channels": 512, "mapping_layers": 8},  # config-f
}
# fmt: on


def style_preset(name: str, size: int | tuple[int, int] | None = None) -> StyleGAN2Config:
    """A preset by name, moved to another picture size if one is given: a power of two from 8 px on, or height and width
    of pictures that are no squares, which some number of doublings makes of a constant of 4 to 16 px a side."""
    if name not in STYLE_PRESETS:
        raise GraftError(f"There is no preset '{name}'; choose one of {', '.join(STYLE_PRESETS)}.")
    numbers = STYLE_PRESETS[name]
    constant, blocks = doublings(numbers["size"] if size is None else size)
    channels = tuple(min(numbers["most"], numbers["base"] // 2**power) for power in range(2, blocks + 2))
    width = numbers["w_channels"]
    return StyleGAN2Config(channels, constant, width, width, mapping_layers=numbers["mapping_layers"])


def doublings(size: int | tuple[int, int]) -> tuple[tuple[int, int], int]:
    """The smallest constant, height and width, and the number of blocks from which it becomes pictures of a size.

    GraftError if that is more than 16 px, or less than 4."""
    height, width = sides = (size, size) if isinstance(size, int) else size
    constant, blocks = sides, 1
    while min(constant) >= 8 and not any(side % 2 for side in constant):
        constant, blocks = (constant[0] // 2, constant[1] // 2), blocks + 1
    if height == width and (constant != (4, 4) or blocks < 2):
        raise GraftError(f"StyleGAN2's pictures have a power of two of pixels a side, 8 or more, not {width} (--size).")
    if min(constant) < 4 or max(constant) > LARGEST_CONSTANT or blocks < 2:
        raise GraftError(
            f"{width}x{height} pixels are no {LARGEST_CONSTANT} or fewer doubled again and again; choose sides that "
            f"halve more often, as 256x128, 768x512 or 1024x576 (--size)."
        )
    return constant, blocks
