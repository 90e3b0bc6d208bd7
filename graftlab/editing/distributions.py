"""What codes of some photos are like: random textures as of them, and how far another picture's codes lie from them.

    weather = distribution(model, "photos", size=128)
    codes = weather.sample(model.encode(picture), seeds=[7], psi=0.8)   # its structure, a texture out of nowhere
    weather.novelty(model.encode(picture))["texture"][0].percentile      # 100: no photo was as far off

A Swapping Autoencoder learns no prior over textures, so one is fitted here: a Gaussian along the principal axes of the
photos' textures, or a mixture of several. One photo in five has no part in it and tells how far from its middle photos
lie, and how well they are reconstructed, which codes alone do not tell. Some models have theirs in a file `beside`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from graftlab.artifacts import Artifact, finite
from graftlab.checkpoints.load import TEXTURES, bundled_textures, locate
from graftlab.codes import Autoencoder, SwapCodes
from graftlab.data.image_source import ImageSource
from graftlab.data.sources import open_photos
from graftlab.data.squares import choose, read_squares
from graftlab.editing.directions import Directions
from graftlab.editing.fitting import FLAT, Moments, cells, eigen
from graftlab.editing.mixtures import Mixture, check_clusters, fit_mixture, numbers
from graftlab.errors import GraftError
from graftlab.images import from_uint8, psnr
from graftlab.work.progress import Progress, silent

CLUSTERS = "clusters."  # before the names of a mixture's tensors
ERRORS = "reconstruction.ranks"
HELD_OUT = 5  # one photo in so many
RECONSTRUCTION = "reconstruction"
FEWEST = 10  # photos
KnownT = TypeVar("KnownT", "Gaussian", Mixture)
UNIT = 1e-3  # how far from 1 the length of codes may be that were normalised


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Probabilistic principal components (Tipping and Bishop 1999): codes vary along some axes by their own deviations,
    and alike along all others."""

    mean: Tensor  # (C,)
    axes: Tensor  # (k, C) at right angles, each as long as the standard deviation along it, largest first
    rest: Tensor  # (), variance along any other axis
    ranks: Tensor  # (101,) distances of held-out pictures, by percentile: their smallest first, their largest last

    def __post_init__(self) -> None:
        k, channels = self.axes.shape if self.axes.ndim == 2 else (0, 0)
        shapes = [tuple(getattr(self, item.name).shape) for item in fields(self)]
        if not k or k > channels or shapes != [(channels,), (k, channels), (), (101,)]:
            raise GraftError(f"A distribution needs tensors (C,), (k, C), () and (101,), not {shapes}.")
        if not finite(*(getattr(self, item.name) for item in fields(self))):
            raise GraftError("A distribution must be finite numbers.")
        if not self.axes.norm(dim=1).all() or self.rest < 0 or (self.ranks.diff() < 0).any():
            raise GraftError("Its axes must have a length, and its distances must grow.")

    def sample(self, seeds: Sequence[int], psi: float = 1.0) -> Tensor:
        """Codes (N, C) by number, along the axes alone: the same for a seed whatever the others are.

        psi is the truncation: 1 as the photos vary, 0 their mean for all."""
        return self.codes(numbers(seeds, len(self.axes), psi)[0])

    def codes(self, places: Tensor) -> Tensor:
        """Codes (N, C) of places (N, k), deviations along the axes."""
        steps = places.double()[:, :, None] * self.axes.double()
        return (self.mean.double() + steps.sum(1)).float()  # no sum over a batch

    def places(self, codes: Tensor) -> Tensor:
        """Where codes (..., C) lie along the axes, in deviations: (..., k) float64."""
        axes = self.axes.double()
        return (codes.detach().cpu().double() - self.mean.double()) @ (axes / axes.square().sum(1, keepdim=True)).T

    def distances(self, codes: Tensor) -> Tensor:
        """Mahalanobis distance of pictures, each the mean over its rows (N, rows, C): (N,) float64, 1 being typical."""
        away = codes.detach().cpu().double() - self.mean.double()
        axes = self.axes.double()
        along = self.places(codes)
        squares = along.square().sum(-1)
        if len(axes) < len(self.mean):
            beyond = (away - along @ axes).square().sum(-1)
            squares = squares + beyond / self.rest.double().clamp(min=FLAT * axes.square().sum())
        return (squares.mean(1) / len(self.mean)).sqrt()


@dataclass(frozen=True)
class Novelty:
    """How unlike the photos of a distribution one picture is."""

    distance: (
        float  # of codes from their middle, in deviations, about 1 for a typical one; of a reconstruction, its RMS
    )
    percentile: float  # share of held-out photos that lie nearer, in percent


@dataclass(frozen=True, eq=False)
class Distribution(Artifact):
    """What the textures and the structures' cells of some photos are like, as one model encodes them."""

    kind: ClassVar[str] = "distribution"
    noun: ClassVar[str] = "distribution of textures"
    remedy: ClassVar[str] = "make one with 'graft textures fit'"
    texture: Gaussian
    structure: Gaussian
    unit: bool  # whether textures have unit length, as the authors' model makes them
    model: str | None = None  # fingerprint of the model they belong to
    about: dict[str, Any] = field(default_factory=dict)  # how it was fitted
    clusters: Mixture | None = None  # of textures, along their axes; None: draw from the one Gaussian
    errors: Tensor | None = None  # (101,) RMS of held-out photos' reconstructions, by percentile; None in older files

    def __post_init__(self) -> None:
        if self.errors is not None and not (
            self.errors.shape == (101,)
            and finite(self.errors)
            and (self.errors.diff() >= 0).all()
            and self.errors[0] >= 0
        ):
            raise GraftError("Its errors must be 101 numbers that grow.")
        if self.clusters and self.clusters.means.shape[1] != len(self.texture.axes):
            raise GraftError("Its clusters must lie along its axes.")

    def textures(self, seeds: Sequence[int], psi: float = 1.0) -> Tensor:
        """Random textures (N, Ct), one for each seed; of unit length if the photos' are.

        At a psi of 0 all are the mean, or each that of its cluster."""
        if psi < 0:
            raise GraftError(f"The truncation psi of textures is 0 or more, not {psi:g} (--psi).")
        drawn = (
            self.texture.codes(self.clusters.sample(seeds, psi)) if self.clusters else self.texture.sample(seeds, psi)
        )
        return torch.nn.functional.normalize(drawn, dim=1) if self.unit else drawn

    def sample(self, codes: SwapCodes, seeds: Sequence[int], psi: float = 1.0) -> SwapCodes:
        """The structure of one picture with random textures, one for each seed.

        GraftError for another model's codes."""
        self._check(codes)
        textures = self.textures(seeds, psi).to(codes.texture)
        return replace(codes[torch.zeros(len(seeds), dtype=torch.long)], texture=textures)

    def novelty(self, codes: SwapCodes, errors: Tensor | None = None) -> dict[str, list[Novelty]]:
        """For texture and structure, how unlike the photos each picture of a batch is. GraftError as for `sample`.

        Of its reconstruction, too, if the photos' are known and its `errors` (N,) given (`reconstruction_errors`)."""
        self._check(codes)
        rows = _rows(codes)
        known = {part: getattr(self, part) for part in SwapCodes.parts}
        found = {part: _ranked(one.distances(rows[part]), one.ranks) for part, one in known.items()}
        if errors is not None and self.errors is not None:
            found[RECONSTRUCTION] = _ranked(errors, self.errors)
        return found

    def calibrated(self, codes: SwapCodes, errors: Tensor) -> Self:
        """The same, whose percentiles are those of pictures with these codes and errors."""
        self._check(codes)
        rows = _rows(codes)
        parts: dict[str, Gaussian] = {part: getattr(self, part) for part in SwapCodes.parts}
        ranked = {part: replace(one, ranks=_ranks(one.distances(rows[part]))) for part, one in parts.items()}
        return replace(self, texture=ranked["texture"], structure=ranked["structure"], errors=_ranks(errors))

    def components(self, part: str) -> Directions:
        """The axes of textures, or of the structures' cells, as directions: "component 1" and so on."""
        known: Gaussian = getattr(self, part)
        variances, rest = known.axes.square().sum(1), known.rest * (len(known.mean) - len(known.axes))
        names = tuple(f"component {i + 1}" for i in range(len(variances)))
        shares = variances / (variances.sum() + rest)
        return Directions(names, known.axes, known.mean, shares, self.model, part=part)

    def _check(self, codes: SwapCodes) -> None:
        self.check_owner(codes.model, "these codes")
        have = (codes.texture.shape[1], codes.structure.shape[1])
        if have != (want := (len(self.texture.mean), len(self.structure.mean))):
            raise GraftError(f"This distribution is of textures and structures of {want} channels, not {have}.")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote: a file, or the name of a bundled model. GraftError if the file holds none."""
        return super().load(bundled_textures().get(str(path), path))

    def _tensors(self) -> dict[str, Tensor]:
        known = {**{f"{part}.": getattr(self, part) for part in SwapCodes.parts}, CLUSTERS: self.clusters}
        errors = {} if self.errors is None else {ERRORS: self.errors}
        return errors | {
            prefix + item.name: getattr(one, item.name) for prefix, one in known.items() if one for item in fields(one)
        }

    def _header(self) -> dict[str, Any]:
        return {"unit": self.unit, "model": self.model, "about": self.about}

    @classmethod
    def _restored(cls, tensors: dict[str, Tensor], header: dict[str, Any]) -> Self:
        if not isinstance(header["unit"], bool):
            raise GraftError("whether it is of unit length makes no sense")
        parts = {part: _taken(Gaussian, f"{part}.", tensors) for part in SwapCodes.parts}
        more = any(name.startswith(CLUSTERS) for name in tensors)
        clusters = _taken(Mixture, CLUSTERS, tensors) if more else None
        errors = tensors.pop(ERRORS, None)
        if tensors:
            raise GraftError(f"it has unknown tensors {', '.join(tensors)}")
        return cls(texture=parts["texture"], structure=parts["structure"], **header, clusters=clusters, errors=errors)


def beside(model: str | Path) -> Path:
    """Where the distribution of a model's training lies, if it came with one: NAME.textures.safetensors.

    GraftError if there is no such model."""
    file = locate(model)
    return file.with_name(f"{file.stem}{TEXTURES}.safetensors")


def _taken(kind: type[KnownT], prefix: str, tensors: dict[str, Tensor]) -> KnownT:
    """A Gaussian or a mixture, taken out of a file's tensors. KeyError if something is missing."""
    return kind(**{item.name: tensors.pop(prefix + item.name) for item in fields(kind)})


def distribution(
    model: Autoencoder,
    photos: str | Path | ImageSource,  # folder, zip, LMDB or pack
    size: int,  # side of the squares that are cut from the photos' centres, pixels
    axes: int = 32,  # along which codes vary by their own deviation; at most half as many as photos, or per cluster
    most: int = 5000,  # photos, chosen at random
    seed: int = 0,
    progress: Progress = silent,  # of pictures
    clusters: int = 1,  # Gaussians that textures are drawn from
) -> Distribution:
    """Fit a distribution to the codes of photos, one in five of which are held out: the percentiles are theirs.

    GraftError for fewer than FEWEST readable photos for each cluster, and for photos that are all the same."""
    if clusters > 1:
        check_clusters()
    source = open_photos(photos) if isinstance(photos, str | Path) else photos
    chosen = choose(source, most, seed)
    moments = {part: Moments() for part in SwapCodes.parts}
    held_out: list[tuple[SwapCodes, Tensor]] = []
    textures: list[Tensor] = []  # of which clusters are made
    pictures, unit, fingerprint = 0, True, None
    for _, squares in read_squares(source, chosen, size, progress):
        images = from_uint8(squares)
        codes = model.encode(images)
        apart = torch.arange(pictures, pictures + len(codes)) % HELD_OUT == HELD_OUT - 1
        for part, rows in _rows(codes).items():
            if not apart.all():
                moments[part].add(rows[~apart].flatten(0, 1))
            if part == "texture" and clusters > 1:
                textures.append(rows[~apart].flatten(0, 1))
        if apart.any():
            held_out.append((codes[apart], reconstruction_errors(model, images[apart], codes[apart])))
        pictures, fingerprint = pictures + len(codes), codes.model
        unit = unit and bool(((codes.texture.norm(dim=1) - 1).abs() < UNIT).all())
    if pictures < FEWEST * clusters:
        what = "a distribution" if clusters == 1 else f"a mixture of {clusters}"
        raise GraftError(
            f"{source.path} has {pictures} readable pictures; {what} needs {FEWEST * clusters}, best hundreds."
        )
    most_axes = (pictures - pictures // HELD_OUT) // 2
    texture, structure = (
        _fitted(part, moments[part], min(axes, limit))
        for part, limit in (("texture", most_axes // clusters), ("structure", most_axes))
    )
    mixture = fit_mixture(texture.places(torch.cat(textures)), clusters, seed) if clusters > 1 else None
    about = {
        "pictures": pictures,
        "held_out": pictures // HELD_OUT,
        "unreadable": len(chosen) - pictures,
        "photos": source.path.name,
        "size": size,
        "seed": seed,
    }
    known = Distribution(texture, structure, unit, fingerprint, about, mixture)
    return known.calibrated(*_together(held_out))


@torch.no_grad()
def calibrate(
    model: Autoencoder, known: Distribution, photos: str | Path, size: int, progress: Progress = silent
) -> Distribution:
    """The same distribution with the percentiles of other photos, best of those that the model did not learn from.

    GraftError for fewer than FEWEST readable ones."""
    source = open_photos(photos)
    found: list[tuple[SwapCodes, Tensor]] = []
    for _, squares in read_squares(source, range(len(source)), size, progress):
        images = from_uint8(squares)
        codes = model.encode(images)
        found.append((codes, reconstruction_errors(model, images, codes)))
    if (count := sum(len(codes) for codes, _ in found)) < FEWEST:
        raise GraftError(f"{source.path} has {count} readable pictures; percentiles need {FEWEST}, best hundreds.")
    about = {**known.about, "percentiles": {"photos": source.path.name, "pictures": count}}
    return replace(known.calibrated(*_together(found)), about=about)


@torch.no_grad()
def reconstruction_errors(model: Autoencoder, images: Tensor, codes: SwapCodes) -> Tensor:
    """What pictures (N, 3, H, W) lose in their reconstructions: (N,) root mean squares, 1 the full range."""
    return 10 ** (-psnr(model.decode(codes).to(images), images) / 20)


def _together(batches: Sequence[tuple[SwapCodes, Tensor]]) -> tuple[SwapCodes, Tensor]:
    return SwapCodes.cat([codes for codes, _ in batches]), torch.cat([errors for _, errors in batches])


def _rows(codes: SwapCodes) -> dict[str, Tensor]:
    """Each part of the codes as (N, rows, C) on the CPU: a texture is one row, or one for each place of a map."""
    texture = codes.texture[:, None] if codes.texture.ndim == 2 else cells(codes.texture)
    return {"texture": texture.cpu(), "structure": cells(codes.structure).cpu()}


def _fitted(part: str, moments: Moments, axes: int) -> Gaussian:
    """Maximum likelihood (Tipping and Bishop 1999, eq. 7 and 8), without percentiles."""
    variances, vectors = eigen(moments.covariance)
    varying = int((variances > FLAT * variances.sum()).sum())
    if not varying:
        raise GraftError(f"The {part} codes of these photos are all the same; choose photos that differ.")
    k = min(axes, varying)
    rest = variances[k:].mean() if k < len(variances) else variances.new_zeros(())
    scaled = vectors[:k] * variances[:k, None].sqrt()
    return Gaussian(moments.mean.float(), scaled.float(), rest.float(), torch.zeros(101))


def _ranks(distances: Tensor) -> Tensor:
    """Distances (N,) by percentile (101,)."""
    return torch.quantile(distances.double().cpu(), torch.linspace(0, 1, 101, dtype=torch.float64)).float()


def _ranked(distances: Tensor, ranks: Tensor) -> list[Novelty]:
    far = distances.double().cpu().numpy()
    percentiles = np.interp(far, ranks.numpy(), np.arange(101))
    return [Novelty(*pair) for pair in zip(far.tolist(), percentiles.tolist(), strict=True)]


@torch.no_grad()
def draw_samples(
    model: Autoencoder,
    weather: Distribution,
    codes: SwapCodes,  # of one picture
    seeds: Sequence[int],
    psi: float = 1.0,
    **options: Any,
) -> Iterator[Tensor]:
    """The picture with a random texture for each seed, one by one. `options` are `decode`'s: noise and seed."""
    for seed in seeds:
        yield model.decode(weather.sample(codes, [seed], psi), **options)
