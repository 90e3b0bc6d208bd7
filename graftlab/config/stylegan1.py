"""StyleGAN1's sizes."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from graftlab.config.base import Config, Within, require


@dataclass(frozen=True)
class StyleGAN1Config(Config):
    """The generator of the first StyleGAN (Karras et al. 2019, config F), which draws square pictures.

    Widths are a list and not a formula: the networks people have trained differ in them, and their files tell them."""

    channels: tuple[int, ...]  # output channels of each synthesis block, from 4 x 4 pixels up
    z_channels: Annotated[int, Within(1, 2**14)] = 512  # Cz, length of the latent vector
    w_channels: Annotated[int, Within(1, 2**14)] = 512  # Cw, length of the intermediate latent vector
    mapping_layers: Annotated[int, Within(1, 2**6)] = 8  # fully connected layers from z to w

    classes: ClassVar[int] = 0  # its conditional form is not known here

    def __post_init__(self) -> None:
        self._whole_numbers("channels", 12, 2**14)
        super().__post_init__()
        require(len(self.channels) >= 1, "channels must name at least one block.")

    @property
    def resolutions(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each block's output, pixels."""
        return tuple((4 * 2**block, 4 * 2**block) for block in range(len(self.channels)))

    @property
    def pyramid(self) -> tuple[tuple[tuple[int, int], int], ...]:
        """Heights, widths and channels, from the smallest to the picture's, as an encoder has them too."""
        return tuple(zip(self.resolutions, self.channels, strict=True))

    @property
    def size(self) -> int:
        """The picture's side, pixels."""
        return self.resolutions[-1][0]

    @property
    def layers(self) -> int:
        """L, rows of w: two per block, one for the features of each layer."""
        return 2 * len(self.channels)
