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
from functools import lru_cache
from itertools import combinations
from math import isfinite

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.language.text_model import TextModel, shortened

TEMPLATES = ("{}", "a photo of {}", "a picture of {}", "a landscape, {}")  # whose mean stands for a phrase
NEUTRAL = "a landscape"
SLIGHT = 0.1  # length of a change below which it counts in proportion: at first there is none, and so no direction
SMALLEST = 0.6  # side of a cut-out, as a share of the picture's shorter one
TILT = 0.15  # how far its corners are moved, as a share of its side
JITTER = 0.1  # how far brightness and contrast of a cut-out are moved
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+|nan|inf)(e[+-]?\d+)?\s*", re.IGNORECASE)
RATIO = re.compile(r".*\d:\d+\s*", re.DOTALL)  # or a time of day: no weight
EXCLUSIVE = (  # values of which a picture has one, each in a few wordings
    "day, noon, a sunny day | night, stars, northern lights | sunset | dawn",
    "winter, snow, a snowy mountain | spring | summer | autumn",
    "winter, snow | no snow",
    "winter, snow | a desert | a tropical island, palms",
    "fog | clear air, clear sky, clear",
    "storm clouds, rain, overcast sky | blue sky, clear sky",
    "clouds | cloudless",
    "dry golden grass, dry grass, dry | lush green meadows, green grass, lush",
    "a forest | no trees",
    "calm water | waves",
)
SHARE = 0.15  # of the way from a value to the nearest other, within which a phrase says the value
SAME = 0.98  # cosine of two phrases that say the same


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
        """ "snow:0.5" as a phrase and its weight, which is 1 if there is none. "dawn at 5:30" has none."""
        phrase, _, weight = text.rpartition(":")
        weighed = any(map(str.isalpha, phrase)) and NUMBER.fullmatch(weight) and not RATIO.fullmatch(text)
        return cls(phrase, float(weight)) if weighed else cls(text)


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

    def away(self, now: Tensor, before: Tensor, whole: float = SLIGHT) -> Tensor:
        """1 - cosine between the change of pictures, whose vectors (..., N, D) are given, and that of the words,
        weighed: (..., N) in [0, 2]. Changes that are shorter than `whole` count in proportion."""
        change = F.normalize(now - before, dim=-1, eps=whole)
        cosines = (change[..., None, :] * self.targets.transpose(0, 1)).sum(-1)
        return 1 - torch.einsum("...nk,k->...n", cosines, self.weights)

    def __getitem__(self, which: slice) -> "Aim":
        """That of some of the pictures."""
        return replace(self, targets=self.targets[:, which]) if self.targets.shape[1] > 1 else self


def contradictions(model: TextModel, prompts: Sequence[Prompt]) -> list[tuple[Prompt, Prompt]]:
    """Pairs of wishes that no picture grants together: two values of a factor, or what is both wished for and avoided.

    No angle between two phrases tells: "snow" is as far from "summer" as it is from "night". So each is compared with
    wordings of values that exclude each other (EXCLUSIVE), as far as the model can read these."""
    wishes = [prompt for prompt in prompts if prompt.weight]
    if len(wishes) < 2:
        return []
    vectors = [phrase(model, wish.text) for wish in wishes]
    factors = [_values(model, text) for text in EXCLUSIVE]
    said = [[_said(vector, values) for values in factors] for vector in vectors]
    found = []
    for i, j in combinations(range(len(wishes)), 2):
        both = [(a, b) for a, b in zip(said[i], said[j], strict=True) if a is not None and b is not None]
        if wishes[i].weight > 0 and wishes[j].weight > 0:
            contrary = any(a != b for a, b in both)
        elif wishes[i].weight * wishes[j].weight < 0:
            contrary = any(a == b for a, b in both) or bool(vectors[i] @ vectors[j] > SAME)
        else:  # what avoids two things can avoid both
            contrary = False
        if contrary:
            found.append((wishes[i], wishes[j]))
    return found


def notices(model: TextModel, prompts: Sequence[Prompt], neutral: str = NEUTRAL) -> list[str]:
    """What people should know of wishes: what of them the model misses, and which contradict each other.

    GraftError for a phrase without words, or with none that the model knows."""
    told = dict.fromkeys([*(prompt.text for prompt in prompts), neutral])
    for text in told:
        model.check(text)
    found = list(filter(None, map(model.notice, told)))
    for pair in contradictions(model, prompts):
        one, other = (f"{'avoiding ' * (each.weight < 0)}'{shortened(each.text)}'" for each in pair)
        found.append(f"{one} and {other} contradict each other; the result lies in between.")
    return found


@lru_cache(maxsize=len(EXCLUSIVE))  # of the one model that is asked again and again
def _values(model: TextModel, factor: str) -> list[Tensor]:
    """The values of a factor, each as the vectors of its wordings that the model can read: (wordings, D)."""
    wordings = [[text.strip() for text in value.split(",")] for value in factor.split("|")]
    known = [[phrase(model, text) for text in value if not model.unknown(text)] for value in wordings]
    return [torch.stack(value) for value in known if value]


def _said(vector: Tensor, values: list[Tensor]) -> int | None:
    """Which value a phrase says, if it says one."""
    if len(values) < 2:
        return None
    near = [value @ vector for value in values]
    number = max(range(len(values)), key=lambda i: float(near[i].max()))
    wording = values[number][near[number].argmax()]
    nearest = max(float((value @ wording).max()) for i, value in enumerate(values) if i != number)
    return number if 1 - float(near[number].max()) <= SHARE * (1 - nearest) else None


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
