"""Sizes of the Swapping Autoencoder's second public implementation."""

from dataclasses import dataclass
from typing import Annotated

from graftlab.config.base import Config, Within, require


@dataclass(frozen=True)
class RosinalityConfig(Config):
    """A Swapping Autoencoder as rosinality/swapping-autoencoder-pytorch builds it.

    All widths are fixed multiples of one number, and depths are fixed: 4 halvings, 4 + 4 generator blocks."""

    size: Annotated[int, Within(1, 2**14)] = 256  # side of the training pictures, pixels; other sizes work at test time
    width: Annotated[int, Within(1, 2**8)] = 32  # channels of the encoder's first layer
    structure_channels: Annotated[int, Within(1, 2**12)] = 8  # Cs, channels of the structure code

    def __post_init__(self) -> None:
        super().__post_init__()
        smallest = self.smallest_grid * self.stride
        require(
            self.size % self.stride == 0 and self.size >= smallest,
            f"size must be a multiple of {self.stride} from {smallest} up, not {self.size}.",
        )

    @property
    def downsamplings(self) -> int:
        """Halvings from picture to structure code."""
        return 4

    @property
    def texture_downsamplings(self) -> int:
        """Further halvings before the mean that gives the texture code."""
        return 2

    @property
    def stride(self) -> int:
        """Pixels per cell of the structure code."""
        return int(2**self.downsamplings)

    @property
    def smallest_grid(self) -> int:
        """Cells that survive the texture branch, which pads, per side."""
        return int(2**self.texture_downsamplings)

    @property
    def texture_channels(self) -> int:
        """Ct, length of the texture code."""
        return self.encoder_channels(self.downsamplings + self.texture_downsamplings)

    def encoder_channels(self, halvings: int) -> int:
        """Channels of the encoder after so many halvings."""
        return int(self.width * 2**halvings)

    @property
    def head_channels(self) -> tuple[int, ...]:
        """Output channels of the generator's blocks at the structure code's resolution."""
        return tuple(self.width * factor for factor in (4, 8, 12, 16))

    @property
    def up_channels(self) -> tuple[int, ...]:
        """Output channels of the generator's doubling blocks."""
        return tuple(self.width * factor for factor in (16, 16, 8, 4))
