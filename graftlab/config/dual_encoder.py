"""Sizes of a dual encoder of pictures and words, and the words that it knows."""

from dataclasses import dataclass
from typing import ClassVar

from graftlab.config.base import Config, require

LONGEST_PIECE, MOST_PIECES = 64, 2**16  # letters, pieces of words


@dataclass(frozen=True)
class DualEncoderConfig(Config):
    """Two towers that end in one space (CLIP: Radford et al. 2021); of pictures, what a frozen network sees."""

    vocabulary: tuple[str, ...]  # pieces of words in lower case; "+" before those that only go on with one
    features: int  # F, statistics of a picture
    size: int = 128  # pixels at which pictures are looked at
    channels: int = 256  # D, of the common space
    hidden: int = 512  # width of the tower of pictures; that of words ends with twice as many
    width: int = 192  # of the tower of words
    layers: int = 1  # of the same
    heads: int = 4  # of its attention
    length: int = 64  # pieces of a phrase that are read
    known: int = 1024  # K, phrases of the training that are kept to tell how far off another is

    limits: ClassVar[dict[str, tuple[float, float]]] = {
        "features": (1, 2**16),
        "size": (8, 2**12),
        "channels": (1, 2**12),
        "hidden": (1, 2**14),
        "width": (1, 2**12),
        "layers": (0, 64),
        "heads": (1, 64),
        "length": (1, 2**12),
        "known": (1, 2**16),
    }

    def __post_init__(self) -> None:
        words = self.vocabulary
        fits = isinstance(words, list | tuple) and 1 <= len(words) <= MOST_PIECES
        fits = fits and all(isinstance(word, str) and 1 <= len(word) <= LONGEST_PIECE for word in words)
        require(fits, f"vocabulary must be between 1 and {MOST_PIECES} pieces of words, not {words!r:.40}.")
        require(len(set(words)) == len(words), "vocabulary must name every piece of a word once.")
        object.__setattr__(self, "vocabulary", tuple(words))
        super().__post_init__()
        require(self.width % self.heads == 0, f"width must be a multiple of heads, not {self.width} of {self.heads}.")
