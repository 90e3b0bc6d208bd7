"""The Swapping Autoencoder's sizes, and presets of them."""

from dataclasses import dataclass, replace
from math import log2
from typing import Annotated, Self

from graftlab.config.base import Config, Within, require
from graftlab.errors import GraftError


@dataclass(frozen=True)
class SwappingConfig(Config):
    """A Swapping Autoencoder and its two discriminators (Park et al. 2020, appendix B).

    The defaults are the authors' networks at 256 px. Channel counts are what the capacities work out to, see
    `encoder_channels` and its neighbours.
    """

    size: Annotated[int, Within(1, 2**14)] = 256  # side of the training pictures, pixels; other sizes work at test time
    structure_channels: Annotated[int, Within(1, 2**12)] = 8  # Cs, channels of the structure code
    texture_channels: Annotated[int, Within(1, 2**16)] = 2048  # Ct, length of the texture code
    downsamplings: Annotated[int, Within(1, 8)] = 4  # halvings from picture to structure code; the stride is 2 to that
    texture_downsamplings: Annotated[int, Within(1, 8)] = 2  # further ones, unpadded, before the mean for the texture
    encoder_capacity: Annotated[float, Within(0, 2**8)] = 1.0  # factor on the encoder's channels
    encoder_growth: Annotated[float, Within(0, 2**4)] = 2.0  # factor on the channels at each halving
    generator_capacity: Annotated[float, Within(0, 2**8)] = 1.0  # factor on the generator's channels
    head_blocks: Annotated[int, Within(1, 2**6)] = 2  # residual blocks at the structure code's resolution
    noise: bool = True  # noise in the upsampling blocks (the head blocks always have it)
    antialias: bool = True  # low-pass filters beside every change of resolution
    discriminator_capacity: Annotated[float, Within(0, 2**8)] = 1.0  # factor on the image discriminator's channels
    discriminator_max_channels: Annotated[int, Within(1, 2**14)] = 512  # upper limit of the same
    patch_size: Annotated[int, Within(8, 256)] = 128  # side to which random crops are resized, pixels
    patch_capacity: Annotated[float, Within(0, 2**8)] = 4.0  # factor on the patch discriminator's channels
    patch_max_channels: Annotated[int, Within(1, 2**14)] = 384  # upper limit of the same
    patch_hidden: Annotated[int, Within(2, 2**14)] = 2048  # width of the layers that compare two patches' features

    def __post_init__(self) -> None:
        super().__post_init__()
        smallest = self.smallest_grid * self.stride
        require(
            self.size % self.stride == 0,
            f"size {self.size} is not a multiple of {self.stride} (2 to the power of {self.downsamplings} "
            f"downsamplings); use {max(smallest, round(self.size / self.stride) * self.stride)}.",
        )
        require(
            self.size >= smallest,
            f"size {self.size} gives a structure code of {self.size // self.stride} cells a side, and the texture "
            f"branch needs {self.smallest_grid}; use at least {smallest}, or fewer downsamplings.",
        )
        require(
            self.patch_size in (8, 16, 32, 64, 128, 256),
            f"patch_size must be a power of two, not {self.patch_size}; use {2 ** round(log2(self.patch_size))}.",
        )
        depth = self.downsamplings
        channels = {
            "encoder_capacity": map(self.encoder_channels, range(depth + self.texture_downsamplings + 1)),
            "generator_capacity": map(self.generator_channels, range(depth + 1)),
            "discriminator_capacity": map(self.discriminator_channels, self.discriminator_resolutions),
            "patch_capacity": map(self.patch_channels, self.patch_resolutions),
        }
        for name, counts in channels.items():
            require(
                min(counts) >= 1,
                f"{name} {getattr(self, name)} leaves a layer without channels at size {self.size}; raise it (or "
                "take a larger preset), or take a smaller size.",
            )

    @property
    def stride(self) -> int:
        """Pixels per cell of the structure code."""
        return 2**self.downsamplings

    @property
    def smallest_grid(self) -> int:
        """Cells that survive the unpadded convolutions of the texture branch, per side."""
        return int(2 ** (self.texture_downsamplings + 1) - 1)

    def encoder_channels(self, halvings: int) -> int:
        """Channels of the encoder after so many halvings; never more than the texture code has."""
        return min(self.texture_channels, round(self.encoder_growth ** (5 + halvings) * self.encoder_capacity))

    def generator_channels(self, doublings: int) -> int:
        """Channels of the generator after so many doublings of the structure code's resolution."""
        return int(min(512, 128 * 2 ** (self.downsamplings - doublings)) * self.generator_capacity)

    def head_channels(self, block: int) -> int:
        """Output channels of a head block; they grow in equal steps towards the upsampling blocks."""
        return max(self.structure_channels, round((block + 1) / self.head_blocks * self.generator_channels(0)))

    def discriminator_channels(self, resolution: int) -> int:
        """Channels of the image discriminator at a resolution (StyleGAN2, table of config-f, with channel factor 2)."""
        if resolution <= 8:
            return self.discriminator_max_channels
        return min(self.discriminator_max_channels, int(1024 * self.discriminator_capacity * min(1, 32 / resolution)))

    @property
    def discriminator_resolutions(self) -> list[int]:
        """Input resolutions of the image discriminator's halving blocks, 8 px last."""
        return [2**i for i in range(round(log2(self.size)), 2, -1)]

    def patch_channels(self, resolution: int) -> int:
        """Channels of the patch discriminator at a resolution."""
        wide = int(1024 / resolution * self.patch_capacity)
        return min(self.patch_max_channels, wide) if resolution <= 16 else wide

    @property
    def patch_resolutions(self) -> list[int]:
        """Input resolutions of the patch discriminator's halving blocks, 8 px last."""
        return [2**i for i in range(round(log2(self.patch_size)), 2, -1)]

    def at(self, size: int) -> Self:
        """The same networks for another picture size; patches keep their share of the picture."""
        patch = 2 ** round(log2(max(8.0, self.patch_size * size / self.size)))
        return replace(self, size=size, patch_size=min(256, patch))


_SLIM = {"discriminator_max_channels": 128, "patch_max_channels": 128, "patch_hidden": 512}
_FFHQ1024 = {"size": 768, "generator_capacity": 0.8, "patch_size": 256}  # 768 px crops of 1024 px faces
# fmt: off
PRESETS: dict[str, SwappingConfig] = {
    "tiny": SwappingConfig(  # for tests: a step takes milliseconds
        size=32, downsamplings=2, texture_channels=16, encoder_capacity=0.125, generator_capacity=0.03125,
        discriminator_capacity=1 / 128, discriminator_max_channels=16,
        patch_size=8, patch_capacity=0.0625, patch_max_channels=16, patch_hidden=16),
    "small": SwappingConfig(  # 64 to 128 px, trained on a laptop overnight
        size=128, downsamplings=3, texture_channels=256, encoder_capacity=0.5, generator_capacity=0.25,
        discriminator_capacity=1 / 16, patch_size=32, patch_capacity=0.5, **_SLIM),  # type: ignore[arg-type]
    "small64": SwappingConfig(  # 64 px with as fine a structure code as `small` has at 128 px
        size=64, downsamplings=2, texture_channels=256, encoder_capacity=0.75, generator_capacity=0.25,
        discriminator_capacity=1 / 16, patch_size=16, patch_capacity=0.5, **_SLIM),  # type: ignore[arg-type]
    "small256": SwappingConfig(  # 256 px with cells of 16 px, as the authors have them; trained on a laptop
        size=256, structure_channels=16, texture_channels=256, encoder_capacity=0.5, generator_capacity=0.25,
        discriminator_capacity=1 / 16, patch_size=64, patch_capacity=0.5, **_SLIM),  # type: ignore[arg-type]
    # the authors' releases
    "church256":   SwappingConfig(size=256),
    "bedroom256":  SwappingConfig(size=256),
    "afhq256":     SwappingConfig(size=256),
    "mountain512": SwappingConfig(size=512),
    "ffhq512":     SwappingConfig(size=512),
    "ffhq1024":    SwappingConfig(downsamplings=5, texture_channels=1536, encoder_capacity=0.4,
                                  **_FFHQ1024),  # type: ignore[arg-type]
    "ffhq1024-wide-structure": SwappingConfig(downsamplings=6, structure_channels=64, texture_channels=1024,
                                  encoder_growth=1.8, **_FFHQ1024),  # type: ignore[arg-type]
}
# fmt: on


def preset(name: str, size: int | None = None) -> SwappingConfig:
    """A preset by name, moved to another picture size if one is given."""
    if name not in PRESETS:
        raise GraftError(f"There is no preset '{name}'; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name] if size is None else PRESETS[name].at(size)
