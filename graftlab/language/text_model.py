"""What guidance by words needs of a model: pictures and phrases in one space."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from graftlab.errors import GraftError
from graftlab.language.words import words_of


class TextModel(ABC):
    """Pictures and phrases to unit vectors, whose products tell how well they fit each other."""

    name: str  # for reports; two sets of weights never share one
    threshold: float | None = (
        None  # of `distance_to_known`, beyond which a phrase is unlike the training's; None: unknown
    )

    @abstractmethod
    def images(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in [-1, 1], of any size, seen whole as a square; returns float32 (N, D) of unit length,
        on the device of the model, differentiable in the pictures."""

    @abstractmethod
    def texts(self, phrases: Sequence[str]) -> Tensor:
        """Phrases to float32 (N, D) of unit length, on the device of the model. GraftError for one without words."""

    def unknown(self, phrase: str) -> list[str]:
        """The words of a phrase that the model cannot read, each once; none if it reads any text."""
        return []

    def unread(self, phrase: str) -> str:
        """What of a phrase lies beyond the length that the model reads; empty if it reads all."""
        return ""

    def distance_to_known(self, phrase: str) -> float | None:
        """How far a phrase is from the nearest of the training, in [0, 2]; None if the model does not know."""
        return None

    def notice(self, phrase: str) -> str | None:
        """A sentence for people if the model is likely to miss what a phrase says."""
        if rest := self.unread(phrase):
            return f"'{shortened(phrase)}' is too long for {self.name}, which leaves out '{shortened(rest)}'."
        if words := self.unknown(phrase):
            return f"{self.name} does not know {', '.join(map(repr, words))} and goes by the other words of '{phrase}'."
        distance = self.distance_to_known(phrase)
        if distance is not None and self.threshold is not None and distance > self.threshold:
            return f"'{phrase}' is unlike what {self.name} was trained on, so it may mean something else to it."
        return None

    def check(self, phrase: str) -> None:
        """GraftError for a phrase without words, and for one of which the model knows none."""
        check_phrases([phrase])
        if set(self.unknown(phrase)) >= set(words_of(phrase)):
            raise GraftError(
                f"{self.name} knows none of the words of '{shortened(phrase)}'; say it in other English words, or with "
                "another text model."
            )


def shortened(text: str, most: int = 60) -> str:
    """A text, or as much of its beginning as a sentence can quote."""
    return text if len(text) <= most else text[:most].rstrip() + " ..."


def check_phrases(phrases: Sequence[str]) -> None:
    """GraftError for a text in place of a list, for an empty one, and for a phrase without a word."""
    if isinstance(phrases, str):
        raise GraftError(f"Phrases are a list: give ['{phrases}'].")
    if not phrases:
        raise GraftError("There is no phrase; say what the picture should show.")
    for phrase in phrases:
        if not any(letter.isalnum() for letter in phrase):
            raise GraftError(f"'{phrase}' holds no words; say what the picture should show.")


def check_pictures(pictures: Tensor) -> None:
    """GraftError for what is no batch of pictures."""
    if pictures.ndim != 4 or pictures.shape[1] != 3 or 0 in pictures.shape:
        raise GraftError(f"Pictures are (N, 3, H, W), not {tuple(pictures.shape)}.")
