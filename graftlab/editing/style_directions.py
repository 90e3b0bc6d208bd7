"""Directions in the w of a StyleGAN2: from its weights alone, from the w of many seeds, or from GANSpace's files.

    pca = ganspace(model.codes_of, count=10_000, k=20)
    poses = sefa(affines(model, range(4)), model.codes_of, k=5, layers=range(4))
    model.decode(poses.apply(model.codes_of([7]), {"factor 1": 2}))

All are scaled in standard deviations of w, so that gains mean the same whatever found the direction.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab.checkpoints.formats.latents import read_axes, read_components
from graftlab.codes import StyleCodes
from graftlab.editing.directions import Directions
from graftlab.editing.fitting import FLAT, Moments, eigen, fit
from graftlab.errors import GraftError
from graftlab.work.progress import Progress, silent

SEEDS = 10_000  # whose w tell how far w varies
BATCH = 1000  # seeds mapped at once

Sampler = Callable[[Sequence[int]], StyleCodes]
"""Seeds to their codes w (N, L, Cw), as `StyleGAN2.codes_of`."""


def ganspace(codes_of: Sampler, count: int = SEEDS, k: int = 10, progress: Progress = silent) -> Directions:
    """The k principal components of the w of seeds 0 to `count` - 1 (GANSpace: Härkönen et al. 2020, section 2.1)."""
    models: set[str | None] = set()

    def rows() -> Iterator[Tensor]:
        for codes in _map_seeds(codes_of, count, progress):
            models.add(codes.model)
            yield codes.w[:, 0]

    found = fit(rows(), k, part="w")
    return replace(found, model=models.pop(), about={"seeds": count, "components": k})


def sefa(
    matrices: Sequence[Tensor],  # (C, Cw) each: the affine layers by which w reaches some of the convolutions
    codes_of: Sampler,
    k: int = 10,
    layers: Iterable[int] | None = None,  # rows of w that those layers read, None: all
    count: int = SEEDS,
    progress: Progress = silent,
) -> Directions:
    """Closed-form factorisation (SeFa: Shen and Zhou 2021, eq. 5): the k unit directions n of w that change the styles
    most, which are the eigenvectors of A'A of largest eigenvalue, A being all matrices one above the other.

    The weights tell the directions and their order, `about["strength"]` their singular values; seeds tell only how far
    w varies along each. GraftError if there are no matrices, or fewer than k directions have an effect."""
    if not matrices:
        raise GraftError("No convolution reads these layers; choose others.")
    stacked = torch.cat([matrix.detach().cpu().double() for matrix in matrices])
    strengths, axes = eigen(stacked.T @ stacked)
    effective = int((strengths > FLAT * strengths[0]).sum())
    if not 1 <= k <= effective:
        raise GraftError(f"These layers follow w in {effective} ways; ask for as many directions or fewer, not {k}.")
    names, about = tuple(f"factor {i + 1}" for i in range(k)), {"strength": strengths[:k].sqrt().tolist()}
    rows = None if layers is None else tuple(layers)
    return _scaled(names, axes[:k], about, codes_of, count, progress, rows)


def read_directions(
    path: Path,
    codes_of: Sampler,
    layers: int,  # rows of the model's w
    channels: int,  # of it
    count: int = SEEDS,
    progress: Progress = silent,
) -> Directions:
    """Directions of w from another program's file (`checkpoints.formats.latents.read_axes`): InterFaceGAN's boundaries,
    rosinality's factors, e4e's and others' vectors. Seeds tell how far w varies along each.

    GraftError if the file holds none, or some of another w."""
    axes = read_axes(path, layers, channels)
    about = {"origin": path.name}
    return _scaled(tuple(axes), torch.stack([*axes.values()]).double(), about, codes_of, count, progress)


def _scaled(
    names: tuple[str, ...],
    axes: Tensor,  # (k, Cw) of unit length, float64
    about: dict[str, Any],
    codes_of: Sampler,
    count: int,
    progress: Progress,
    layers: tuple[int, ...] | None = None,
) -> Directions:
    """Directions as long as w's standard deviation along them, which seeds tell."""
    moments = Moments()
    for codes in _map_seeds(codes_of, count, progress):
        moments.add(codes.w[:, 0])
    variances = ((axes @ moments.covariance) * axes).sum(1)
    return Directions(
        names,
        (axes * variances[:, None].sqrt()).float(),
        moments.mean.float(),
        (variances / moments.covariance.trace()).float(),
        codes.model,
        {"seeds": count, **about},
        "w",
        layers,
    )


def read_ganspace(
    path: Path,
    model: str | None = None,  # fingerprint
    channels: int | None = None,  # of the model's w; None: any
) -> Directions:
    """GANSpace's .npz of components as directions of w; shares are those of the layer that it analysed.

    GraftError if the file holds none, some of a space with rows for layers, or some of another w."""
    found = read_components(path)
    count, layers, width = found.directions.shape
    if layers != 1:
        raise GraftError(f"{path} has components that differ from layer to layer; only those of one w can be read.")
    if channels not in (None, width):
        raise GraftError(f"{path} is of a w of {width} channels, and this model's has {channels}.")
    vectors = found.directions[:, 0] * found.deviations[:, None]
    names = tuple(f"component {i + 1}" for i in range(count))
    about = {"origin": "GANSpace", "components": count}
    try:
        return Directions(names, vectors, found.mean[0], found.explained, model, about, "w")
    except GraftError as error:
        raise GraftError(f"{path} holds components without sense ({str(error).rstrip('.')}); make it again.") from None


@torch.no_grad()
def _map_seeds(codes_of: Sampler, count: int, progress: Progress) -> Iterator[StyleCodes]:
    if count < 2:
        raise GraftError(f"Take two seeds or more, not {count}.")
    for start in range(0, count, BATCH):
        stop = min(start + BATCH, count)
        yield codes_of(range(start, stop))
        progress(stop, count)
