"""Finding directions in pictures: what varies most among them, and what sets two folders of them apart.

    components = principal(model, "photos", size=128, k=10)        # what varies most, without knowing what it is
    night = between(model, "day", "night", size=128, name="night")  # 20 pictures on either side are enough

PCA of codes follows GANSpace (Härkönen et al. 2020), the difference of means section 4.3 of Park et al. 2020. Where
numbers are known about the pictures, `factors` finds the direction of each, and tells how well any direction agrees
with them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from graftlab.codes import Autoencoder, SwapCodes
from graftlab.data.image_source import ImageSource
from graftlab.data.sources import open_photos
from graftlab.data.squares import choose, read_squares
from graftlab.editing.directions import Directions
from graftlab.errors import GraftError
from graftlab.images import from_uint8
from graftlab.work.progress import Progress, part, silent

FLAT = 1e-9  # share of the variance below which there is nothing but rounding


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


def eigen(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (C,) of a symmetric matrix (C, C) without negative ones, largest first, and the eigenvectors in rows,
    the largest entry of each positive."""
    values, vectors = torch.linalg.eigh(matrix)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1).T
    return values, vectors * vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()


def fit(codes: Tensor | Iterable[Tensor], k: int = 10, model: str | None = None, part: str = "texture") -> Directions:
    """The k principal components of codes (N, C), or of batches of them, largest first.

    The largest entry of each is positive. GraftError unless there are more pictures than directions and the codes vary
    in so many ways."""
    moments = Moments()
    for batch in [codes] if isinstance(codes, Tensor) else codes:
        moments.add(batch)
    _check_count(k, moments.count)
    variances, axes = eigen(moments.covariance)
    total = variances.sum()
    if k > len(variances) or not variances[k - 1] > FLAT * total:
        found = int((variances > FLAT * total).sum())
        raise GraftError(f"These {part} codes vary in {found} ways only; ask for fewer directions than {k}.")
    return Directions(
        tuple(f"component {i + 1}" for i in range(k)),
        (axes[:k] * variances[:k, None].sqrt()).float(),
        moments.mean.float(),
        (variances[:k] / total).float(),
        model,
        {"pictures": moments.count, "components": k},
        part,
    )


def _check_count(k: int, pictures: int) -> None:
    if k < 1:
        raise GraftError(f"Ask for one direction or more, not {k}.")
    if k >= pictures:
        raise GraftError(
            f"{k} directions need more readable pictures than {k}, not {pictures}: add some, or ask for fewer."
        )


def difference(before: Tensor, after: Tensor, name: str, model: str | None = None) -> Directions:
    """The direction from the mean of textures (N, Ct) to that of others (M, Ct) (Park et al. 2020, section 4.3).

    Both sides weigh the same, however many they are. `about` tells `difference`, the gain that leads from one mean to
    the other, and `separation`, how well the direction tells textures apart that had no part in it (leave-one-out):
    the share on the right side of the middle, and the distance between the sides in deviations within them.
    GraftError for fewer than two on a side, and if the means are the same."""
    if min(len(before), len(after)) < 2:
        raise GraftError(f"A mean needs two pictures or more, best 20 on either side, not {len(before)}, {len(after)}.")
    one, other = before.detach().cpu().double(), after.detach().cpu().double()
    way, middle = other.mean(0) - one.mean(0), (one.mean(0) + other.mean(0)) / 2
    total = ((one - middle).square().sum(1).mean() + (other - middle).square().sum(1).mean()) / 2
    if not way.square().sum() > FLAT * (total + middle.square().sum()):  # of the mean square length
        raise GraftError("The textures of both sides have the same mean; choose pictures that differ.")
    axis = way / way.norm()
    variance = (((one - middle) @ axis).square().mean() + ((other - middle) @ axis).square().mean()) / 2
    about = {
        "pictures": len(one) + len(other),
        "difference": {name: round(float(way.norm() / variance.sqrt()), 4)},
        "separation": {name: _separation(one, other)},
    }
    vector, share = (axis * variance.sqrt()).float(), (variance / total).float()
    return Directions((name,), vector[None], middle.float(), share[None], model, about)


def _separation(one: Tensor, other: Tensor) -> dict[str, float]:
    """How well their difference tells textures apart that it was not taken of."""
    left, right = _left_out(one, other.mean(0)), _left_out(other, one.mean(0))
    within = ((left.var() + right.var()) / 2).sqrt().clamp(min=1e-6)
    return {
        "right": round(float(((left > 0).double().mean() + (right > 0).double().mean()) / 2), 4),
        "distance": round(float((left.mean() + right.mean()) / within), 4),
    }


def _left_out(side: Tensor, opposite: Tensor) -> Tensor:
    """Leave-one-out: where each texture lies on the way from the opposite mean to its own side's, taken without it.

    1/2 at its own side's mean, -1/2 at the opposite one, 0 in the middle."""
    own = side.mean(0) + (side.mean(0) - side) / (len(side) - 1)
    way = own - opposite
    return ((side - (own + opposite) / 2) * way).sum(1) / way.square().sum(1).clamp(min=1e-30)


# -- photos -----------------------------------------------------------------------------------------------------------


def principal(
    model: Autoencoder,
    photos: str | Path,  # folder, zip, LMDB or pack
    size: int,  # side of the squares that are cut from the photos' centres, pixels
    k: int = 10,  # directions
    most: int = 5000,  # photos, chosen at random
    seed: int = 0,
    progress: Progress = silent,  # of pictures
    part: str = "texture",  # or "structure", whose directions are those of its cells
) -> Directions:
    """The principal components of the textures or structures of photos. Memory does not grow with their number."""
    if part not in SwapCodes.parts:
        raise GraftError(f"Components are those of {' or '.join(SwapCodes.parts)}, not of '{part}'.")
    source = open_photos(photos)
    if part == "texture":  # one of each picture
        _check_count(k, min(len(source), most))
    chosen = choose(source, most, seed)
    fingerprints: set[str | None] = set()
    pictures = 0

    def batches() -> Iterator[Tensor]:
        nonlocal pictures
        for _, codes in encode_photos(model, source, chosen, size, progress):
            fingerprints.add(codes.model)
            pictures += len(codes)
            yield codes.texture if part == "texture" else cells(codes.structure).flatten(0, 1)

    found = fit(batches(), k, part=part)
    about = {
        "pictures": pictures,
        "unreadable": len(chosen) - pictures,
        "photos": source.path.name,
        "size": size,
        "seed": seed,
    }
    return replace(found, model=fingerprints.pop(), about={**found.about, **about})


def between(
    model: Autoencoder,
    before: str | Path,  # folder, zip, LMDB or pack
    after: str | Path,
    size: int,  # side of the squares that are cut from the photos' centres, pixels
    name: str,
    most: int = 5000,  # photos on either side, chosen at random
    seed: int = 0,
    progress: Progress = silent,  # of pictures
) -> Directions:
    """The direction from the textures of some photos to those of others, as of `difference`."""
    sources = [open_photos(photos) for photos in (before, after)]
    choices = [choose(source, most, seed) for source in sources]
    first, total = len(choices[0]), len(choices[0]) + len(choices[1])
    one, owner = _textures(model, sources[0], choices[0], size, part(progress, 0, total))
    other, _ = _textures(model, sources[1], choices[1], size, part(progress, first, total))
    found = difference(one, other, name, owner)
    about = {
        "unreadable": total - found.about["pictures"],
        "photos": [source.path.name for source in sources],
        "size": size,
        "seed": seed,
    }
    return replace(found, about={**found.about, **about})


def _textures(
    model: Autoencoder, source: ImageSource, chosen: Sequence[int], size: int, progress: Progress
) -> tuple[Tensor, str | None]:
    """Textures (N, Ct) of photos, and the model's fingerprint. GraftError for fewer than two."""
    batches = [codes for _, codes in encode_photos(model, source, chosen, size, progress)]
    if (count := sum(map(len, batches))) < 2:
        raise GraftError(
            f"{source.path} has {count} readable picture{'' if count == 1 else 's'}; a mean needs two or more, best 20."
        )
    return torch.cat([codes.texture.cpu() for codes in batches]), batches[0].model


def cells(structure: Tensor) -> Tensor:
    """Structures (N, Cs, h, w) as the rows of their cells: (N, h * w, Cs)."""
    return structure.flatten(2).transpose(1, 2)


@torch.no_grad()
def encode_photos(
    model: Autoencoder, source: ImageSource, chosen: Sequence[int], size: int, progress: Progress = silent
) -> Iterator[tuple[list[int], SwapCodes]]:
    """Codes of the central squares of photos, batch by batch, with the photos' numbers; unreadable ones are missing."""
    for numbers, squares in read_squares(source, chosen, size, progress):
        yield numbers, model.encode(from_uint8(squares))
