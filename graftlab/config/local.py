"""Sizes of two networks that draw side by side."""

from dataclasses import dataclass
from typing import Annotated

from graftlab.config.base import Config, Within, require
from graftlab.config.stylegan2 import StyleGAN2Config
from graftlab.config.swapping import SwappingConfig


@dataclass(frozen=True)
class LocalConfig(Config):
    """Where the second network draws: in clusters of features, under a mask, or both."""

    clusters: Annotated[int, Within(0, 2**10)] = 0  # into which features are divided; 0: the mask alone says where
    block: Annotated[int, Within(0, 2**7)] = 0  # of the generator, whose features they are
    masked: bool = False  # whether there is a mask
    soft: Annotated[float, Within(0, 2**12)] = 0.0  # width of edges, pixels

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.clusters or self.masked), "A local blend needs clusters or a mask.")
        require(self.block < self.blocks, f"block must be below {self.blocks}, not {self.block}.")

    @property
    def blocks(self) -> int:
        """Of the generator."""
        raise NotImplementedError


@dataclass(frozen=True)
class LocalStyleGAN2Config(LocalConfig, StyleGAN2Config):
    """Two StyleGAN2s of the same sizes."""

    @property
    def blocks(self) -> int:
        return len(self.channels)


@dataclass(frozen=True)
class LocalSwappingConfig(LocalConfig, SwappingConfig):
    """Two Swapping Autoencoders of the same sizes, of which the first encodes."""

    @property
    def blocks(self) -> int:
        return self.head_blocks + self.downsamplings
