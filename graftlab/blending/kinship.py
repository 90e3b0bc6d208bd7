"""Will they blend? Only where one network was fine-tuned from the other, or both from a third.

Then the same channel does the same work in both, and what lies between is a network too. The features of networks that
learned apart have nothing to do with each other, in whatever order they come, and a blend of them draws noise. Whether
two are kin is either known, from what their files tell, or estimated: fine-tuning turns the weights of a layer little,
while those of unrelated networks are at right angles (cosine 0, relative distance sqrt(2)). What the estimate
cannot see: networks that learned apart from the same random numbers look like kin, for training moves weights little.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import nan, sqrt
from statistics import median
from typing import Any, Literal

import torch
from torch import Tensor

from graftlab.blending.layers import Layer, layers_of
from graftlab.errors import GraftError
from graftlab.networks.alike import check_alike
from graftlab.networks.model import Network

Verdict = Literal["same", "kin", "likely", "doubtful", "unrelated"]
LIKELY, DOUBTFUL = 0.7, 0.3  # cosines of the median layer, from which on networks are likely kin, or may be
PIECE = 2**20  # numbers widened at once
TELLING = 256  # numbers of a tensor whose cosine is not small by chance alone


@dataclass(frozen=True)
class Distance:
    """How far a tensor, or several together, of one model lies from the other's."""

    product: float = 0.0  # of the two, summed
    mine: float = 0.0  # squares of A's
    theirs: float = 0.0  # squares of B's
    apart: float = 0.0  # squares of the difference

    def __add__(self, other: "Distance") -> "Distance":
        return Distance(
            *(self.product + other.product, self.mine + other.mine),
            *(self.theirs + other.theirs, self.apart + other.apart),
        )

    @property
    def relative(self) -> float:
        """Length of the difference as a share of A's length (relative L2)."""
        return 0.0 if self.apart == 0 else sqrt(self.apart / self.mine) if self.mine else nan

    @property
    def cosine(self) -> float:
        """Of the angle between the two; 1 for nothing and nothing."""
        if self.apart == 0:
            return 1.0
        return self.product / sqrt(self.mine * self.theirs) if self.mine and self.theirs else nan


@dataclass(frozen=True)
class Kinship:
    """Whether two networks can be blended, and why."""

    verdict: Verdict
    sentence: str
    cosine: float  # of the median layer of convolutions
    relative: float  # distance of the same, as a share of A's length

    @property
    def blends(self) -> bool:
        return self.verdict != "unrelated"

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"verdict": self.verdict, "why": self.sentence, "cosine": self.cosine, "relative": self.relative}


def kinship(a: Network, b: Network) -> Kinship:
    """A verdict on two models, by what is known of them (`about`) or by their weights.

    GraftError if they differ in more than their weights."""
    telling = [
        distance
        for layer, distance in compare(a, b)
        if layer.role == "convolution" and a.get_parameter(layer.name).numel() >= TELLING and distance.mine
    ]
    if not telling:
        raise GraftError("These networks are too small, or too empty, to tell whether they are kin.")
    cosine, relative = median(each.cosine for each in telling), median(each.relative for each in telling)
    verdict, reason = _known(a, b) or _estimated(cosine)
    figures = f"the weights of the median layer have a cosine of {cosine:.2f} and differ by {relative:.0%}"
    return Kinship(verdict, f"{reason}; {figures}.", cosine, relative)


def compare(a: Network, b: Network) -> Iterator[tuple[Layer, Distance]]:
    """The distance of every tensor of two models. GraftError if they differ in more than their weights."""
    check_alike(a, b)
    mine, theirs = a.state_dict(), b.state_dict()
    for layer in layers_of(a):
        yield layer, measure(mine[layer.name], theirs[layer.name])


def measure(mine: Tensor, theirs: Tensor) -> Distance:
    """The distance of two tensors of one shape, summed in float64, piece by piece."""
    total = Distance()
    for piece in zip(mine.flatten().split(PIECE), theirs.flatten().split(PIECE), strict=True):
        x, y = (part.detach().cpu().double() for part in piece)
        total += Distance(*(torch.dot(*pair).item() for pair in ((x, y), (x, x), (y, y), (y - x, y - x))))
    return total


def family_of(model: Network) -> set[str]:
    """Fingerprints of a model and of its parents, as far as they are known."""
    parent, parents = model.about.get("parent"), model.about.get("parents")
    named = [parent, *(parents if isinstance(parents, list) else [])]
    return {name for name in (model.fingerprint, *named) if isinstance(name, str)}


def _known(a: Network, b: Network) -> tuple[Verdict, str] | None:
    """The verdict from fingerprints, if they tell."""
    if a.fingerprint and a.fingerprint == b.fingerprint:
        return "same", "These are the same network"
    mine, theirs = family_of(a), family_of(b)
    if a.fingerprint in theirs or b.fingerprint in mine:
        return "kin", "They will blend: the file of one names the other as its parent"
    if mine & theirs:
        return "kin", "They will blend: their files name the same parent"
    return None


def _estimated(cosine: float) -> tuple[Verdict, str]:
    if cosine >= LIKELY:
        return "likely", "They will probably blend: they seem to have grown from the same weights"
    if cosine >= DOUBTFUL:
        return "doubtful", "They may blend: they seem to be kin, but far apart"
    return "unrelated", "They will not blend: these networks seem to have been trained apart"
