"""A text model of three words, which are colours: what a picture says is how much of each it has."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.language.text_model import TextModel
from graftlab.language.words import words_of

COLOURS = ("red", "green", "blue")
OTHERS = {"a", "of", "photo", "picture", "landscape", "grey"}


class Colours(TextModel):
    """Vectors of length 1: a word of a colour is an axis, a picture its mean colour from black on."""

    name = "colours"

    def images(self, pictures: Tensor) -> Tensor:
        return F.normalize(pictures.mean((2, 3)) + 1.001, dim=1)

    def texts(self, phrases: Sequence[str]) -> Tensor:
        found = [[1.0 * (colour in words_of(phrase)) for colour in COLOURS] for phrase in phrases]
        return F.normalize(torch.tensor(found) + 0.01, dim=1)

    def unknown(self, phrase: str) -> list[str]:
        return [word for word in words_of(phrase) if word not in OTHERS.union(COLOURS)]
