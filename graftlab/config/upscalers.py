"""Sizes of the networks that enlarge pictures."""

from dataclasses import dataclass
from typing import ClassVar

from graftlab.config.base import Config, require

WIDEST, DEEPEST = 2**10, 2**8  # channels, blocks


@dataclass(frozen=True)
class RRDBConfig(Config):
    """ESRGAN's network, and Real-ESRGAN's large one (Wang et al. 2018, 2021)."""

    doublings: int = 2  # at the end, by nearest neighbours and a convolution
    unshuffle: int = 1  # pixels a side that become the channels of one at the beginning: 1, 2 or 4
    width: int = 64  # channels of the features
    growth: int = 32  # channels that each convolution of a dense block adds
    blocks: int = 23  # residual-in-residual dense blocks

    limits: ClassVar[dict[str, tuple[float, float]]] = {
        "doublings": (0, 4),
        "width": (1, WIDEST),
        "growth": (1, WIDEST),
        "blocks": (1, DEEPEST),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.unshuffle in (1, 2, 4), f"unshuffle must be 1, 2 or 4, not {self.unshuffle}.")
        require(
            2**self.doublings >= self.unshuffle,
            f"{self.doublings} doublings do not make up for an unshuffling by {self.unshuffle}.",
        )

    @property
    def factor(self) -> int:
        """Sides of the picture over sides of the one it is given."""
        return int(2**self.doublings // self.unshuffle)


@dataclass(frozen=True)
class CompactConfig(Config):
    """Real-ESRGAN's small network, a plain stack of convolutions (SRVGGNetCompact)."""

    factor: int = 4
    width: int = 64  # channels of the features
    convolutions: int = 32  # between the first and the last

    limits: ClassVar[dict[str, tuple[float, float]]] = {
        "factor": (1, 16),
        "width": (1, WIDEST),
        "convolutions": (0, DEEPEST),
    }


@dataclass(frozen=True)
class RDNConfig(Config):
    """A residual dense network (Zhang et al. 2018)."""

    factor: int = 4
    width: int = 64  # G0, channels of the features
    growth: int = 64  # G, channels that each convolution of a dense block adds
    blocks: int = 10  # D, dense blocks
    convolutions: int = 1  # C, in each of them

    limits: ClassVar[dict[str, tuple[float, float]]] = {
        "factor": (1, 16),
        "width": (1, WIDEST),
        "growth": (1, WIDEST),
        "blocks": (1, DEEPEST),
        "convolutions": (1, 64),
    }
