"""Directions: vectors that are added to texture codes, found in many pictures (Park et al. 2020, section 4.3).

    directions = principal(model, "photos", size=128, k=10)        # what varies most, without knowing what it is
    evening = directions.apply(model.encode(picture), {"component 1": 1.5})

PCA of codes follows GANSpace (Härkönen et al. 2020). Where numbers are known about the pictures, `factors` finds the
direction of each, and tells how well any direction agrees with them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graftlab.checkpoints.load import bundled_directions
from graftlab.checkpoints.native import read_tensors, write_tensors
from graftlab.codes import Autoencoder, SwapCodes
from graftlab.data.crops import cut
from graftlab.data.image_source import ImageSource
from graftlab.data.parallel import ordered_map
from graftlab.data.sources import open_source
from graftlab.editing.swaps import FARTHEST
from graftlab.errors import GraftError
from graftlab.images import from_uint8

KIND, PART = "directions", "texture"  # in a file's header: what it holds, and of which part of the codes
BATCH = 32  # pictures encoded at once
FLAT = 1e-9  # share of the variance below which there is nothing but rounding

Progress = Callable[[int, int], object]


@dataclass(frozen=True, eq=False)
class Directions:
    """k directions among the texture codes of one model.

    Texture codes have unit length and the generator normalises again, so adding turns a code towards the direction:
    with growing gain it turns less and less, and never beyond."""

    names: tuple[str, ...]  # (k,), all different
    vectors: Tensor  # (k, Ct); a gain of 1 is one standard deviation of the textures along it
    mean: Tensor  # (Ct,) of the textures they were found in
    explained: Tensor  # (k,), the share of those textures' variance that lies along each
    model: str | None = None  # fingerprint of the model they belong to, None where it has none
    about: dict[str, Any] = field(default_factory=dict)  # how they were fitted, correlations with known factors

    def __post_init__(self) -> None:
        k, channels = len(self.names), len(self.mean) if self.mean.ndim == 1 else 0
        if not k or (self.vectors.shape, self.explained.shape) != ((k, channels), (k,)):
            shapes = ", ".join(str(tuple(x.shape)) for x in (self.vectors, self.mean, self.explained))
            raise GraftError(f"{k} directions need vectors (k, C), a mean (C,) and shares (k,), not {shapes}.")
        tensors = (self.vectors, self.mean, self.explained)
        if not all(x.is_floating_point() and x.float().isfinite().all() for x in tensors):
            raise GraftError("Directions must be finite numbers.")
        if not self.vectors.double().norm(dim=1).all():
            raise GraftError("A direction must have a length.")
        if len(set(self.names)) < k or not all(name.strip() and name.isprintable() for name in self.names):
            raise GraftError("Every direction needs a name of its own.")

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
        known = self.about.get("correlations")
        found = known.get(self.names[self.index(name)]) if isinstance(known, dict) else None
        numbers = {key: r for key, r in found.items() if isinstance(r, int | float)} if isinstance(found, dict) else {}
        return dict(sorted(numbers.items(), key=lambda item: (item[0] != name, -abs(item[1]))))

    def apply(self, codes: SwapCodes, gains: Mapping[str, float]) -> SwapCodes:
        """Add so many standard deviations of each named direction to textures, which may be vectors or maps.

        The sum is not normalised here, so that several edits may come in any order. GraftError for codes of another
        model, for an unknown name, and for a gain beyond FARTHEST."""
        if self.model and codes.model and self.model != codes.model:
            raise GraftError(
                f"These directions belong to another model ({self.model[:12]}) than the codes ({codes.model[:12]}); "
                "fit new ones with 'graft directions fit'."
            )
        if codes.texture.shape[1] != len(self.mean):
            raise GraftError(
                f"These directions are for texture codes of {len(self.mean)} channels, not {codes.texture.shape[1]}."
            )
        step = torch.zeros(len(self.mean), dtype=torch.float64)
        for name, gain in gains.items():
            if not isfinite(gain) or abs(gain) > FARTHEST:
                raise GraftError(f"A gain lies between -{FARTHEST} and {FARTHEST}, which {gain:g} does not.")
            step += gain * self.vectors[self.index(name)].double()
        step = step.to(codes.texture.dtype).to(codes.texture.device)  # in two steps: Apple's GPUs know no float64
        return replace(codes, texture=codes.texture + step.reshape(-1, *[1] * (codes.texture.ndim - 2)))

    def positions(self, textures: Tensor) -> Tensor:
        """Where textures (N, Ct) lie along each direction, in standard deviations from the mean: (N, k), float64."""
        vectors = self.vectors.double()
        return (textures.cpu().double() - self.mean.double()) @ (vectors / vectors.square().sum(1, keepdim=True)).T

    @staticmethod
    def cat(parts: "Sequence[Directions]") -> "Directions":
        """Several of one model, fitted on the same pictures, as one."""
        if not parts:
            raise GraftError("There are no directions to join.")
        first = parts[0]
        for part in parts[1:]:
            alike = part.mean.shape == first.mean.shape and torch.allclose(part.mean, first.mean, atol=1e-5)
            if part.model != first.model or not alike:
                raise GraftError("Directions that are joined must be of one model, and fitted on the same pictures.")
        about = {key: value for part in parts for key, value in part.about.items()}
        vectors, explained = (torch.cat([getattr(part, name) for part in parts]) for name in ("vectors", "explained"))
        names = tuple(name for part in parts for name in part.names)
        return replace(first, names=names, vectors=vectors, explained=explained, about=about)

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file that knows its kind and its model's fingerprint."""
        tensors = {"vectors": self.vectors, "mean": self.mean, "explained": self.explained}
        header = {"kind": KIND, "part": PART, "names": self.names, "model": self.model, "about": self.about}
        write_tensors(Path(path), tensors, header)
        return Path(path)

    @staticmethod
    def load(path: str | Path) -> "Directions":
        """Read what `save` wrote: a file, or the name of a bundled model. GraftError if the file holds none."""
        file = bundled_directions().get(str(path), Path(path))
        tensors, header = read_tensors(file)
        if (header.get("kind"), header.get("part")) != (KIND, PART):
            kind = header.get("kind", "something else")
            what = f"{kind} of {header.get('part')}" if kind == KIND else kind
            raise GraftError(f"{path} holds {what}, not {KIND} of {PART}; make these with 'graft directions fit'.")
        names, model, about = (header.get(key) for key in ("names", "model", "about"))
        try:
            if set(tensors) != {"vectors", "mean", "explained"}:
                raise GraftError(f"Their tensors are {', '.join(sorted(tensors)) or 'missing'}.")
            if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
                raise GraftError("Their names are no text.")
            if not isinstance(model, str | None) or not isinstance(about, dict):
                raise GraftError("Their model or what is told about them makes no sense.")
            return Directions(tuple(names), **tensors, model=model, about=about)
        except (GraftError, NotImplementedError) as error:
            reason = str(error).rstrip(".")
            raise GraftError(
                f"{path} holds directions without sense ({reason}); make them with 'graft directions fit'."
            ) from None


# -- finding them -----------------------------------------------------------------------------------------------------


class Moments:
    """Mean and covariance of rows that come in batches (Chan et al. 1979): the same however they are cut, and in the
    memory of one matrix (C, C)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: Tensor = torch.zeros(0, dtype=torch.float64)
        self._scatter = torch.zeros(0, 0, dtype=torch.float64)

    def add(self, rows: Tensor) -> None:
        rows = rows.detach().cpu().double()
        count, mean = len(rows), rows.mean(0)
        if not self.count:
            self.mean, self._scatter = torch.zeros_like(mean), torch.zeros(len(mean), len(mean), dtype=torch.float64)
        away, total = mean - self.mean, self.count + count
        centred = rows - mean
        self._scatter += centred.T @ centred + away.outer(away) * (self.count * count / total)
        self.mean = self.mean + away * (count / total)
        self.count = total

    @property
    def covariance(self) -> Tensor:
        return self._scatter / self.count


def fit(textures: Tensor | Iterable[Tensor], k: int = 10, model: str | None = None) -> Directions:
    """The k principal components of textures (N, Ct), or of batches of them, largest first.

    The largest entry of each is positive. GraftError unless there are more pictures than directions and the textures
    vary in so many ways."""
    moments = Moments()
    for batch in [textures] if isinstance(textures, Tensor) else textures:
        moments.add(batch)
    _check_count(k, moments.count)
    variances, axes = torch.linalg.eigh(moments.covariance)
    variances, axes = variances.flip(0).clamp(min=0), axes.flip(1).T  # rows, largest first
    total = variances.sum()
    if k > len(variances) or not variances[k - 1] > FLAT * total:
        found = int((variances > FLAT * total).sum())
        raise GraftError(f"These textures vary in {found} ways only; ask for fewer directions than {k}.")
    axes = axes[:k] * axes[:k].gather(1, axes[:k].abs().argmax(1, keepdim=True)).sign()
    return Directions(
        tuple(f"component {i + 1}" for i in range(k)),
        (axes * variances[:k, None].sqrt()).float(),
        moments.mean.float(),
        (variances[:k] / total).float(),
        model,
        {"pictures": moments.count, "components": k},
    )


def _check_count(k: int, pictures: int) -> None:
    if k < 1:
        raise GraftError(f"Ask for one direction or more, not {k}.")
    if k >= pictures:
        raise GraftError(f"{k} directions need more readable pictures than {k}, not {pictures}.")


# -- photos -----------------------------------------------------------------------------------------------------------


def principal(
    model: Autoencoder,
    photos: str | Path,  # folder, zip, LMDB or pack
    size: int,  # side of the squares that are cut from the photos' centres, pixels
    k: int = 10,  # directions
    most: int = 5000,  # photos, chosen at random
    seed: int = 0,
    on_progress: Progress | None = None,  # called with pictures done and in all
) -> Directions:
    """The principal components of the textures of photos. Memory does not grow with their number."""
    source = open_source(photos)
    _check_count(k, min(len(source), most))
    chosen: Sequence[int] = range(len(source))
    if len(source) > most:
        chosen = sorted(np.random.default_rng(seed).choice(len(source), most, replace=False).tolist())
    fingerprints: set[str | None] = set()

    def textures() -> Iterator[Tensor]:
        for _, codes in encoded(model, source, chosen, size, on_progress):
            fingerprints.add(codes.model)
            yield codes.texture

    found = fit(textures(), k)
    unreadable = len(chosen) - found.about["pictures"]
    about = {**found.about, "unreadable": unreadable, "photos": source.path.name, "size": size, "seed": seed}
    return replace(found, model=fingerprints.pop(), about=about)


@torch.no_grad()
def encoded(
    model: Autoencoder, source: ImageSource, chosen: Sequence[int], size: int, on_progress: Progress | None = None
) -> Iterator[tuple[list[int], SwapCodes]]:
    """Codes of the central squares of photos, batch by batch, with the photos' numbers; unreadable ones are missing."""

    def square(index: int) -> np.ndarray | None:
        try:
            return cut(source.read(index), source.names[index], size, "short")
        except GraftError:
            return None

    squares = ordered_map(square, chosen)
    for start in range(0, len(chosen), BATCH):
        batch = [(index, next(squares)) for index in chosen[start : start + BATCH]]
        if readable := [(index, pixels) for index, pixels in batch if pixels is not None]:
            images = from_uint8(np.stack([pixels for _, pixels in readable]))
            yield [index for index, _ in readable], model.encode(images)
        if on_progress:
            on_progress(start + len(batch), len(chosen))


# -- using them -------------------------------------------------------------------------------------------------------


@torch.no_grad()
def sweep(
    model: Autoencoder,
    directions: Directions,
    image: Tensor,  # (1, 3, H, W)
    names: Sequence[str],
    gains: Sequence[float],  # in standard deviations; 0 is the picture through its codes
    **options: Any,
) -> Iterator[list[Tensor]]:
    """One row per named direction: the picture with each gain of it. `options` are `decode`'s: noise and seed."""
    codes = model.encode(image)
    for name in names:
        yield [model.decode(directions.apply(codes, {name: gain}), **options) for gain in gains]
