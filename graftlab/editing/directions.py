"""Directions: vectors that are added to codes, and their files (Park et al. 2020, section 4.3).

    directions = Directions.load("landscapes-128")
    evening = directions.apply(model.encode(picture), {"hour": 1.5, "golden light": 1})

`fitting` finds them in pictures, `style_directions` in a StyleGAN2, `factors` in what is known about the pictures.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from graftlab.artifacts import Artifact, finite
from graftlab.checkpoints.load import DIRECTIONS, bundled_directions, locate
from graftlab.codes import Codes, CodesT, Decoder, Heir
from graftlab.editing import masks
from graftlab.editing.swaps import FARTHEST
from graftlab.errors import GraftError

TENSORS = ("vectors", "mean", "explained")  # of a file
PARTS = ("texture", "structure", "w")  # of codes, which directions may change
BY_NAME = ("correlations", "toward", "difference", "separation", "composed", "orthogonal")  # tables of `about`
CLEAR = 0.2  # correlation from which on a direction is said to follow something
LEFT = 1e-4  # share of a direction's length below which nothing but rounding is left


@dataclass(frozen=True, eq=False)
class Directions(Artifact):
    """k directions in one part of the codes of one model: its textures, the cells of its structures, or its w.

    The codes of the authors' autoencoder have unit length and its generator normalises again, so adding turns a code
    towards the direction: with growing gain it turns less and less, and never beyond. rosinality's codes and w have any
    length, and move in a straight line."""

    kind: ClassVar[str] = "directions"
    noun: ClassVar[str] = "directions"
    remedy: ClassVar[str] = (
        "make directions with 'graft directions fit', of w with 'graft directions ganspace' "
        "or, from other programs' files, 'graft directions import'"
    )
    names: tuple[str, ...]  # (k,), all different
    vectors: Tensor  # (k, C); where found in codes, a gain of 1 is one standard deviation of those along it
    mean: Tensor  # (C,) of the codes they were found in
    explained: Tensor  # (k,), the share of those codes' variance that lies along each; 0 where that is not known
    model: str | None = None  # fingerprint of the model they belong to, None where it has none
    about: dict[str, Any] = field(default_factory=dict)  # how they were fitted, correlations with known factors
    part: str = "texture"  # of the codes
    layers: tuple[int, ...] | None = None  # rows of w that they are meant for, None: all

    def __post_init__(self) -> None:
        k, channels = len(self.names), len(self.mean) if self.mean.ndim == 1 else 0
        if not k or (self.vectors.shape, self.explained.shape) != ((k, channels), (k,)):
            shapes = ", ".join(str(tuple(x.shape)) for x in (self.vectors, self.mean, self.explained))
            raise GraftError(f"{k} directions need vectors (k, C), a mean (C,) and shares (k,), not {shapes}.")
        if not finite(self.vectors, self.mean, self.explained):
            raise GraftError("Directions must be finite numbers.")
        if not self.vectors.double().norm(dim=1).all():
            raise GraftError("A direction must have a length.")
        if len(set(self.names)) < k or not all(name.strip() and name.isprintable() for name in self.names):
            raise GraftError("Every direction needs a name of its own.")
        if self.part not in PARTS or (self.layers is not None and self.part != "w"):
            raise GraftError(f"Directions change {', '.join(PARTS)}, and layers belong to w alone.")

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Which direction has this name; "component 3" also finds "component 3 (season)"."""
        for form in (lambda full: full, lambda full: full.partition(" (")[0]):
            if name in (forms := [form(full) for full in self.names]):
                return forms.index(name)
        raise GraftError(f"There is no direction '{name}', only {', '.join(self.names)}.")

    def correlations(self, name: str) -> dict[str, float]:
        """How a direction follows known factors, on pictures it was not fitted on: its own first, then by strength."""
        found = self.entries("correlations").get(self.names[self.index(name)])
        numbers = {key: r for key, r in found.items() if isinstance(r, int | float)} if isinstance(found, dict) else {}
        return dict(sorted(numbers.items(), key=lambda item: (item[0] != name, -abs(item[1]))))

    def entries(self, key: str) -> dict[str, Any]:
        """An entry of `about` that tells something of each direction, by name; empty if there is none."""
        table = self.about.get(key)
        return table if isinstance(table, dict) else {}

    def describe(self, name: str) -> str:
        """What is known of a direction, in a line."""
        explained, end = float(self.explained[self.index(name)]), self.entries("toward").get(name)
        facts = [f"{explained:.1%} of the variance"] if explained else []
        if followed := [f"{factor} {r:+.2f}" for factor, r in self.correlations(name).items() if abs(r) >= CLEAR]:
            facts.append(f"follows {', '.join(followed)}")
        if isinstance(terms := self.entries("composed").get(name), dict):
            facts.append(" ".join(f"{gain:+g} {part}" for part, gain in terms.items()))
        if isinstance(others := self.entries("orthogonal").get(name), list):
            facts.append(f"at right angles to {', '.join(map(str, others))}")
        match self.entries("difference").get(name), self.entries("separation").get(name):
            case float() as whole, {"right": float() as right, "distance": float() as distance}:
                facts.append(f"the whole difference is a gain of {whole:.2f}")
                facts.append(f"{right:.0%} of the pictures left out lie on their side, {distance:.1f} deviations apart")
        return f"{name}{f' (toward {end})' if end else ''}{': ' if facts else ''}{'; '.join(facts)}"

    # -- using them ---------------------------------------------------------------------------------------------------

    def apply(
        self,
        codes: CodesT,
        gains: Mapping[str, float],
        mask: Tensor | None = None,  # (N or 1, 1, h, w) in [0, 1] over the picture, where they change; None: everywhere
        layers: Iterable[int] | None = None,  # rows of w that they change; None: those they are meant for
    ) -> CodesT:
        """Add so many standard deviations of each named direction to textures (vectors or maps), structures or w.

        The sum is not normalised here, so that several edits may come in any order. Inside a mask, textures become
        maps with the structure's cells. GraftError for codes of another model or without such a part, an unknown name,
        a gain beyond FARTHEST, a mask without sense, and layers that the codes do not have."""
        self._check(codes)
        tensor: Tensor = getattr(codes, self.part)
        step = self.sum(gains).to(tensor.dtype).to(tensor.device)  # in two steps: Apple's GPUs know no float64
        shape = [] if self.part == "w" else [1] * (tensor.ndim - 2)
        change: dict[str, Any] = {self.part: tensor + step.reshape(-1, *shape)}
        moved = replace(codes, **change)
        rows = self.layers if layers is None else layers
        if (mask if self.part == "w" else rows) is not None:
            raise GraftError("A mask is for pictures' codes, and layers are for w; leave the other out.")
        if mask is not None:
            return codes.mix(moved, **{self.part: _region(mask, codes)})
        return moved if rows is None else codes.style_mix(moved, rows)  # type: ignore[attr-defined]  # they are of w

    def inherited(self, model: Heir, codes: Codes) -> Self:
        """The same for a model that was made from theirs, whose codes these are: in it they keep their meaning."""
        heir = self.model in model.ancestors and codes.model in (model.fingerprint, *model.ancestors)
        return replace(self, model=codes.model) if heir else self

    def _check(self, codes: CodesT) -> None:
        if self.part not in codes.parts:
            raise GraftError(
                f"These directions change {self.part}, which {type(codes).__name__} do not have; "
                f"they have {' and '.join(codes.parts)}."
            )
        self.check_owner(codes.model, "these codes")
        have = getattr(codes, self.part).shape[-1 if self.part == "w" else 1]
        if have != len(self.mean):
            raise GraftError(f"These directions are for {self.part} codes of {len(self.mean)} channels, not {have}.")

    def sum(self, gains: Mapping[str, float]) -> Tensor:
        """The named directions, each times its gain, together: (C,), float64."""
        total = torch.zeros(len(self.mean), dtype=torch.float64)
        for name, gain in gains.items():
            if not isfinite(gain) or abs(gain) > FARTHEST:
                raise GraftError(f"A gain lies between -{FARTHEST} and {FARTHEST}, which {gain:g} does not.")
            total += gain * self.vectors[self.index(name)].double()
        return total

    def positions(self, codes: Tensor) -> Tensor:
        """Where codes (N, C) lie along each direction, in gains from the mean: (N, k), float64."""
        vectors = self.vectors.double()
        return (codes.cpu().double() - self.mean.double()) @ (vectors / vectors.square().sum(1, keepdim=True)).T

    # -- making others of them ----------------------------------------------------------------------------------------

    def select(self, names: Sequence[str]) -> "Directions":
        """Some of them, in this order."""
        chosen = [self.index(name) for name in names]
        kept = tuple(self.names[i] for i in chosen)
        return replace(self, names=kept, vectors=self.vectors[chosen], explained=self.explained[chosen])

    def rename(self, old: str, new: str) -> "Directions":
        """The same, one of them under another name, also in what is told about it."""
        old = self.names[self.index(old)]
        tables = {
            key: {new if name == old else name: entry for name, entry in self.entries(key).items()}
            for key in BY_NAME
            if key in self.about
        }
        names = tuple(new if name == old else name for name in self.names)
        return replace(self, names=names, about={**self.about, **tables})

    def compose(self, name: str, gains: Mapping[str, float]) -> "Directions":
        """The same and a new one, whose gain of 1 is these gains together. GraftError if they cancel out."""
        vector = self.sum(gains)
        longest = max(
            (abs(gain) * self.vectors[self.index(one)].norm().item() for one, gain in gains.items()), default=0
        )
        if not vector.norm() > LEFT * longest:
            raise GraftError(f"Nothing is left of '{name}': its parts cancel out.")
        vectors = torch.cat([self.vectors, vector.to(self.vectors)[None]])
        explained = torch.cat([self.explained, self.explained.new_zeros(1)])
        about = {**self.about, "composed": {**self.entries("composed"), name: dict(gains)}}
        return replace(self, names=(*self.names, name), vectors=vectors, explained=explained, about=about)

    def orthogonalise(self, name: str, others: "Directions") -> "Directions":
        """The same, one of them without what it shares with others of the model: at right angles to each of those.

        A gain of 1 is what remains of the old one. GraftError if that is next to nothing."""
        if (others.model, others.part, len(others.mean)) != (self.model, self.part, len(self.mean)):
            raise GraftError("Directions are compared with others of one model, and of one part of its codes.")
        place = self.index(name)
        vector, basis = self.vectors[place].double(), others.vectors.double().T
        left = vector - basis @ torch.linalg.lstsq(basis, vector[:, None], driver="gelsd").solution[:, 0]
        if not left.norm() > LEFT * vector.norm():
            raise GraftError(f"Nothing is left of '{self.names[place]}' that the others do not have.")
        vectors, explained = self.vectors.clone(), self.explained.clone()
        vectors[place], explained[place] = left.to(vectors), 0
        about = {key: value for key, value in self.about.items() if key not in BY_NAME}
        for key in filter(self.about.__contains__, BY_NAME):  # what was told of the old one holds no more
            about[key] = {one: entry for one, entry in self.entries(key).items() if one != self.names[place]}
        about["orthogonal"] = {**self.entries("orthogonal"), self.names[place]: list(others.names)}
        return replace(self, vectors=vectors, explained=explained, about=about)

    @staticmethod
    def cat(parts: "Sequence[Directions]") -> "Directions":
        """Several of one model, fitted on the same pictures, as one."""
        if not parts:
            raise GraftError("There are no directions to join.")
        first = parts[0]
        for part in parts[1:]:
            alike = part.mean.shape == first.mean.shape and torch.allclose(part.mean, first.mean, atol=1e-5)
            if (part.model, part.part, part.layers) != (first.model, first.part, first.layers) or not alike:
                raise GraftError("Directions that are joined must be of one model, and fitted on the same pictures.")
        about = {key: value for part in parts for key, value in part.about.items()}
        vectors, explained = (torch.cat([getattr(part, name) for part in parts]) for name in ("vectors", "explained"))
        names = tuple(name for part in parts for name in part.names)
        return replace(first, names=names, vectors=vectors, explained=explained, about=about)

    # -- files --------------------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote: a file, or the name of a bundled model. GraftError if the file holds none."""
        return super().load(bundled_directions().get(str(path), path))

    def _tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in TENSORS}

    def _header(self) -> dict[str, Any]:
        header = {"part": self.part, "names": self.names, "model": self.model, "about": self.about}
        return header if self.layers is None else {**header, "layers": self.layers}

    @classmethod
    def _restored(cls, tensors: dict[str, Tensor], header: dict[str, Any]) -> Self:
        names, layers = header["names"], header.get("layers")
        if set(tensors) != set(TENSORS):
            raise GraftError(f"their tensors are {', '.join(sorted(tensors)) or 'missing'}")
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise GraftError("their names are not text")
        if layers is not None and not (isinstance(layers, list) and all(type(layer) is int for layer in layers)):
            raise GraftError("their layers are not numbers")
        rows = None if layers is None else tuple(layers)
        return cls(**{**tensors, **header, "names": tuple(names), "layers": rows})


def directions_beside(model: str | Path) -> Path:
    """Where the directions of a model lie, if it came with some: NAME.directions.safetensors.

    GraftError if there is no such model."""
    file = locate(model)
    return file.with_name(f"{file.stem}{DIRECTIONS}.safetensors")


def _region(mask: Tensor, codes: Any) -> Tensor:
    """A mask at the resolution of the structure's cells."""
    numbers = mask.ndim == 4 and mask.shape[1] == 1 and mask.numel() > 0 and mask.is_floating_point()
    if not numbers or not bool(((mask >= 0) & (mask <= 1)).all()):
        raise GraftError(f"A mask is (1, 1, h, w) of numbers from 0 to 1, not {tuple(mask.shape)} or beyond them.")
    if not mask.any():
        raise GraftError("The mask is 0 everywhere, so nothing would change; make it white where something shall.")
    return masks.resize(mask.cpu(), codes.structure.shape[2:])


@torch.no_grad()
def sweep(
    model: Decoder,
    directions: Directions,
    codes: CodesT,  # of one picture
    names: Sequence[str],
    gains: Sequence[float],  # in standard deviations; 0 is the picture through its codes
    mask: Tensor | None = None,  # as of `Directions.apply`
    layers: Sequence[int] | None = None,
    **options: Any,
) -> Iterator[list[Tensor]]:
    """One row per named direction: the picture with each gain of it. `options` are `decode`'s: noise and seed."""
    for name in names:
        yield [model.decode(directions.apply(codes, {name: gain}, mask, layers), **options) for gain in gains]
