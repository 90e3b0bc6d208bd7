"""Sizes of the encoders of pSp, e4e and ReStyle."""

from dataclasses import dataclass
from typing import Annotated

from graftlab.config.base import Config, Within, require

STAGES = 4  # of a backbone; each halves the picture
BACKBONES = ("ir-se", "resnet")  # ArcFace's IR-SE-50, or ResNet-34
HEADS = ("pyramid", "last", "w+", "w")
NARROWEST, WIDEST, DEEPEST = 16, 2**12, 2**7  # channels, blocks of a stage


@dataclass(frozen=True)
class PSPConfig(Config):
    """A backbone, and what reads w from its maps. Defaults are pSp's (Richardson et al. 2021, section 3)."""

    backbone: str = "ir-se"
    blocks: tuple[int, ...] = (3, 4, 14, 3)  # of each stage
    widths: tuple[int, ...] = (64, 128, 256, 512)  # channels of each stage
    inputs: Annotated[int, Within(1, 64)] = 3  # channels; 6: the picture, and what was drawn of it so far
    head: str = "pyramid"  # w of each layer from three scales or the last one, or all w, or one, from that by a matrix
    styles: Annotated[int, Within(1, 64)] = 18  # w that come out: one for each layer, or one
    w_channels: Annotated[int, Within(1, WIDEST)] = 512
    size: Annotated[int, Within(32, 4096)] = 256  # of the picture, pixels
    differences: bool = False  # the first w is that of all layers, and others what theirs differ from it by (e4e)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least, most in (("blocks", 1, DEEPEST), ("widths", NARROWEST, WIDEST)):
            values = tuple(getattr(self, name))
            object.__setattr__(self, name, values)  # JSON brings lists
            whole = [type(value) is int and least <= value <= most for value in values] == [True] * STAGES
            require(whole, f"{name} must be {STAGES} whole numbers from {least} to {most}, not {values!r:.60}.")
        require(self.backbone in BACKBONES, f"The backbone is {' or '.join(BACKBONES)}, not '{self.backbone}'.")
        require(self.head in HEADS, f"The head is {', '.join(HEADS)}, not '{self.head}'.")
        require(self.size & (self.size - 1) == 0, f"size must be a power of 2, not {self.size}.")
