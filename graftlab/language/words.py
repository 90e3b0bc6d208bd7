"""Words as numbers: each is spelled by the longest pieces of a small vocabulary, or is unknown.

A vocabulary lists beginnings ("snow", "lake") and, marked with a plus, what words go on with ("+y", "+side"); so a word
that was never met, such as "lakes" or "snowfields", may still be read.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from graftlab.networks.dual_encoder import PADDING, SPECIAL, UNKNOWN

ON = "+"  # before a piece that goes on with a word
ENDINGS = ["s", "es", "ed", "ing", "ly", "y", "less", "like", "capped", "clad", "covered", "swept", "lit", "light"]
ENDINGS += ["side", "top", "scape", "field", "storm", "fall", "land", "line"]
PLURAL = re.compile("...[^isu]s$")  # "lakes", but neither "grass" nor "cumulus"


class Vocabulary:
    """The pieces of a dual encoder, in the order of their numbers."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = tuple(pieces)

    @classmethod
    def of(cls, sentences: Iterable[str]) -> "Vocabulary":
        """All that it takes to spell some sentences: short words, and longer ones only if those do not spell them."""
        found = cls([ON + ending for ending in ENDINGS])
        words = sorted(
            {word for sentence in sentences for word in words_of(sentence)}, key=lambda word: (len(word), word)
        )
        for word in words:
            if not found.spelled(word):
                found = cls([*found.pieces, word[:-1] if PLURAL.search(word) else word])
        used = {number for word in words for number in found.spelled(word)}
        return cls([piece for number, piece in enumerate(found.pieces, SPECIAL) if number in used])

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {piece: number for number, piece in enumerate(self.pieces, SPECIAL)}

    def spelled(self, word: str) -> list[int]:
        """The numbers of a word's pieces, the longest that fits each time; none if it cannot be spelled so."""
        numbers, at = [], 0
        while at < len(word):
            mark = ON if at else ""
            ends = (end for end in range(len(word), at, -1) if mark + word[at:end] in self._numbers)
            end = next(ends, None)
            if end is None:
                return []
            numbers.append(self._numbers[mark + word[at:end]])
            at = end
        return numbers

    def numbers(self, text: str, length: int) -> list[int]:
        """A phrase as at most so many pieces; a word that cannot be spelled is UNKNOWN."""
        return [number for word in words_of(text) for number in self.spelled(word) or [UNKNOWN]][:length]

    def rest(self, text: str, length: int) -> str:
        """The words of a phrase that do not fit into so many pieces."""
        words, left = words_of(text), length
        for number, word in enumerate(words):
            left -= max(1, len(self.spelled(word)))
            if left < 0:
                return " ".join(words[number:])
        return ""

    def unknown(self, text: str) -> list[str]:
        """The words of a phrase that cannot be spelled, each once."""
        return list(dict.fromkeys(word for word in words_of(text) if not self.spelled(word)))


def words_of(text: str) -> list[str]:
    """The words of a phrase in lower case, without accents; what is no letter parts them."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("'", "").replace("’", ""))
    return re.findall(r"[^\W\d_]+", "".join(letter for letter in plain if not unicodedata.combining(letter)))


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """Phrases of different lengths as one tensor (N, T)."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[PADDING] * (longest - len(row))] for row in rows])
