"""How far pictures are from words, in the space where a text-image model puts both.

    aim = Aim.of(model, [Prompt("golden sunset"), Prompt("fog", -1)], neutral="a landscape")
    aim.away(model.images(changed), model.images(pictures))       # (N,), differentiable in the changed pictures
    aim.away(look(model, changed, 8, seed), look(model, pictures, 8, seed)).mean(0)  # the same, through cut-outs

A picture that only comes nearer to a sentence finds pixels that please the model and nobody else. Two measures against
that: the change of the picture is to point where the change of the words points (the directional loss of StyleGAN-NADA,
Gal et al. 2021), and it is looked at through random cut-outs (FuseDream, Liu et al. 2021).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.language.text_model import TextModel

TEMPLATES = ("{}", "a photo of {}", "a picture of {}", "a landscape, {}")  # whose mean stands for a phrase
NEUTRAL = "a landscape"
SLIGHT = 0.1  # length of a change below which it counts in proportion: at first there is none, and so no direction
SMALLEST = 0.6  # side of a cut-out, as a share of the picture's shorter one
TILT = 0.15  # how far its corners are moved, as a share of its side
JITTER = 0.1  # how far brightness and contrast of a cut-out are moved
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+|nan|inf)(e[+-]?\d+)?\s*", re.IGNORECASE)
OPPOSITE = -0.5  # cosine from which on two wishes contradict each other


@dataclass(frozen=True)
class Prompt:
    """A phrase and how much it counts; what counts less than 0 is avoided. GraftError for a weight without end."""

    text: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isfinite(self.weight):
            raise GraftError(f"The weight of '{self.text}' must be a finite number, not {self.weight}.")

    @classmethod
    def parse(cls, text: str) -> "Prompt":
        """ "snow:0.5" as a phrase and its weight, which is 1 if there is none."""
        phrase, _, weight = text.rpartition(":")
        return cls(phrase, float(weight)) if NUMBER.fullmatch(weight) and phrase else cls(text)


@dataclass(frozen=True, eq=False)
class Aim:
    """Where pictures are to go from where they are: changes that words stand for, or that lead to another picture."""

    targets: Tensor  # (K, 1 or N, D) of length 1
    weights: Tensor  # (K,), whose absolute values sum to 1

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        model: TextModel,
        prompts: Sequence[Prompt],
        neutral: str = NEUTRAL,  # what the words change
        like: Sequence[Tensor] = (),  # pictures (1, 3, H, W) that others should be like, with a weight of 1 each
        pictures: Tensor | None = None,  # those others (N, 3, H, W), as they are now
    ) -> "Aim":
        """GraftError if nothing is wished for, for a phrase without words or none that the model knows, and for one
        that says what the neutral one does."""
        weights = [prompt.weight for prompt in prompts] + [1.0] * len(like)
        if not any(weights):
            raise GraftError("Say what to become: a text with a weight other than 0 (--text), or a picture (--like).")
        start = phrase(model, neutral)
        changes = [(phrase(model, prompt.text) - start)[None] for prompt in prompts]
        for prompt, change in zip(prompts, changes, strict=True):
            if change.norm() < 1e-3:
                raise GraftError(f"'{prompt.text}' means the same to {model.name} as '{neutral}'; change one of them.")
        if pictures is not None:
            changes += [model.images(other) - model.images(pictures) for other in like]
        share = torch.tensor(weights) / sum(map(abs, weights))
        return cls(torch.stack([F.normalize(each, dim=-1) for each in _alike(changes)]), share.to(start))

    def away(self, now: Tensor, before: Tensor) -> Tensor:
        """1 - cosine between the change of pictures, whose vectors (..., N, D) are given, and that of the words,
        weighed: (..., N) in [0, 2]. Changes that are slight count in proportion."""
        change = F.normalize(now - before, dim=-1, eps=SLIGHT)
        cosines = (change[..., None, :] * self.targets.transpose(0, 1)).sum(-1)
        return 1 - torch.einsum("...nk,k->...n", cosines, self.weights)

    def __getitem__(self, which: slice) -> "Aim":
        """That of some of the pictures."""
        return replace(self, targets=self.targets[:, which]) if self.targets.shape[1] > 1 else self

    @property
    def contradicts(self) -> bool:
        """Whether two of the wishes point away from each other."""
        wishes = self.targets.mean(1) * self.weights.sign()[:, None]
        return bool((wishes @ wishes.T).min() < OPPOSITE)


def phrase(model: TextModel, text: str) -> Tensor:
    """What a phrase stands for: the mean over TEMPLATES, (D,) of length 1.

    GraftError if it has no words, or none that the model knows."""
    model.check(text)
    return F.normalize(model.texts([template.format(text) for template in TEMPLATES]).mean(0), dim=0)


def look(model: TextModel, pictures: Tensor, count: int, seed: int) -> Tensor:
    """Vectors of pictures (N, 3, H, W), whole and through so many cut-outs: (1 + count, N, D)."""
    whole = model.images(pictures)[None]
    if not count:
        return whole
    return torch.cat([whole, model.images(cut_outs(pictures, count, seed)).unflatten(0, (count, len(pictures)))])


def cut_outs(pictures: Tensor, count: int, seed: int) -> Tensor:
    """Parts of pictures (N, 3, H, W), a little tilted and in other light: (count * N, 3, S, S), S the shorter side.

    The same places and lights for all pictures, so that each is seen as if it were alone."""
    side = min(pictures.shape[2:])
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(count):
        share = SMALLEST + (1 - SMALLEST) * torch.rand((), generator=generator).item()
        places = _places(_corners(pictures.shape[2:], share * side, generator), side).to(pictures)
        part = F.grid_sample(pictures, places.expand(len(pictures), -1, -1, -1), align_corners=False)
        gain, offset = (JITTER * (2 * torch.rand(2, generator=generator) - 1)).tolist()
        made.append(part * (1 + gain) + offset)
    return torch.cat(made)


def _corners(size: torch.Size, side: float, generator: torch.Generator) -> Tensor:
    """Corners of a square somewhere in a picture, each moved a little inwards: 2 rows of 2 of (x, y) in [-1, 1]."""
    height, width = size
    top, left = (torch.rand(2, generator=generator) * torch.tensor([height - side, width - side])).tolist()
    y, x = (torch.tensor([start, start + side]) for start in (top, left))
    inwards = TILT * side * torch.rand(2, 2, 2, generator=generator)
    signs = torch.tensor([[[1, 1], [-1, 1]], [[1, -1], [-1, -1]]])
    corners = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1) + signs * inwards
    return corners / torch.tensor([width, height]) * 2 - 1


def _places(corners: Tensor, side: int) -> Tensor:
    """Where the pixels of a cut-out lie, evenly between its corners (2, 2, 2): (1, side, side, 2)."""
    between = F.interpolate(corners.permute(2, 0, 1)[None], size=(side, side), mode="bilinear", align_corners=True)
    return between.permute(0, 2, 3, 1)


def _alike(changes: list[Tensor]) -> list[Tensor]:
    """Changes of all pictures (1, D), or of each of them (N, D), as tensors of one shape."""
    count = max(map(len, changes))
    return [change.expand(count, -1) for change in changes]
