"""Sizes of the networks that enlarge pictures."""

from dataclasses import dataclass
from typing import Annotated

from graftlab.config.base import Config, Within, require

WIDEST, DEEPEST = 2**10, 2**8  # channels, blocks


@dataclass(frozen=True)
class RRDBConfig(Config):
    """ESRGAN's network, and Real-ESRGAN's large one (Wang et al. 2018, 2021)."""

    doublings: Annotated[int, Within(0, 4)] = 2  # at the end, by nearest neighbours and a convolution
    unshuffle: int = 1  # pixels a side that become the channels of one at the beginning: 1, 2 or 4
    width: Annotated[int, Within(1, WIDEST)] = 64  # channels of the features
    growth: Annotated[int, Within(1, WIDEST)] = 32  # channels that each convolution of a dense block adds
    blocks: Annotated[int, Within(1, DEEPEST)] = 23  # residual-in-residual dense blocks

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

    factor: Annotated[int, Within(1, 16)] = 4
    width: Annotated[int, Within(1, WIDEST)] = 64  # channels of the features
    convolutions: Annotated[int, Within(0, DEEPEST)] = 32  # between the first and the last


@dataclass(frozen=True)
class RDNConfig(Config):
    """A residual dense network (Zhang et al. 2018)."""

    factor: Annotated[int, Within(1, 16)] = 4
    width: Annotated[int, Within(1, WIDEST)] = 64  # G0, channels of the features
    growth: Annotated[int, Within(1, WIDEST)] = 64  # G, channels that each convolution of a dense block adds
    blocks: Annotated[int, Within(1, DEEPEST)] = 10  # D, dense blocks
    convolutions: Annotated[int, Within(1, 64)] = 1  # C, in each of them
