"""Swaps, grids, reconstructions and interpolations: each a line of arithmetic on codes, then `decode`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from graftlab.codes import Autoencoder, Decoder, StyleCodes, SwapCodes
from graftlab.editing.blends import spherical, straight
from graftlab.errors import GraftError
from graftlab.images import l1, psnr

WHAT = {"texture": ("texture",), "structure": ("structure",), "both": ("structure", "texture")}
WAYS = {"linear": straight, "spherical": spherical}
FARTHEST = 1000  # amount of an interpolation: beyond it the direction of the codes no longer changes


@torch.no_grad()
def swap(model: Autoencoder, structure: Tensor, texture: Tensor, **options: Any) -> Tensor:
    """The hybrid of one picture's structure and another's texture (Park et al. 2020, Fig. 1).

    Pictures (N, 3, H, W) and (N, 3, H', W'); returns (N, 3, H, W). `options` are `decode`'s: noise and seed."""
    return next(both(model, structure, texture, **options))


@torch.no_grad()
def both(model: Autoencoder, a: Tensor, b: Tensor, **options: Any) -> Iterator[Tensor]:
    """`swap` of a and b, then of b and a; each is encoded once, which takes long where codes are refined."""
    one, other = model.encode(a), model.encode(b)
    yield model.decode(one.mix(other, texture=1), **options)
    yield model.decode(other.mix(one, texture=1), **options)


@torch.no_grad()
def grid(
    model: Autoencoder,
    structures: Sequence[Tensor],
    textures: Sequence[Tensor | SwapCodes],  # or their codes, where these are known
    **options: Any,
) -> Iterator[list[Tensor]]:
    """Every structure with every texture, row by row: row i holds the hybrids of structure i, one per texture.

    Pictures (1, 3, H, W) of any size. Each is encoded once; one row is in memory at a time."""
    codes = [model.encode(texture) if isinstance(texture, Tensor) else texture for texture in textures]
    for picture in structures:
        structure = model.encode(picture)
        yield [model.decode(structure.mix(texture, texture=1), **options) for texture in codes]


@torch.no_grad()
def mix_grid(
    model: Decoder,
    rows: StyleCodes,
    columns: StyleCodes,
    layers: Sequence[int],  # of w that come from the columns; 0 is the coarsest
    **options: Any,
) -> Iterator[list[Tensor | None]]:
    """Style mixing (StyleGAN, section 3.1, Fig. 3), row by row of a sheet: the columns' own pictures behind an empty
    corner, then each row's own picture before those with some layers of each column.

    GraftError for layers that the codes do not have."""
    yield [None, *model.decode(columns, **options).split(1)]
    for i in range(len(rows)):
        mixed = (rows[i].style_mix(columns[j], layers) for j in range(len(columns)))
        yield [model.decode(codes, **options) for codes in (rows[i], *mixed)]


@dataclass(frozen=True)
class Reconstruction:
    """A picture that went through its codes, and how far it is from the original."""

    image: Tensor  # (N, 3, H, W)
    l1: list[float]  # mean absolute difference per picture, as a share of the full range
    psnr: list[float]  # dB per picture


@torch.no_grad()
def reconstruct(model: Autoencoder, images: Tensor, **options: Any) -> Reconstruction:
    """Encode and decode pictures (N, 3, H, W), and measure what was lost."""
    decoded = model.decode(model.encode(images), **options).to(images.device)
    return Reconstruction(decoded, l1(decoded, images).tolist(), psnr(decoded, images).tolist())


@torch.no_grad()
def interpolate(
    model: Autoencoder,
    a: Tensor,
    b: Tensor,
    amounts: Sequence[float],  # 0 is a, 1 is b, beyond exaggerates
    what: str = "texture",  # or "structure", or "both"
    how: str = "linear",  # or "spherical"
    **options: Any,
) -> Iterator[Tensor]:
    """Pictures on the way from `a` to `b` (1, 3, H, W), one per amount.

    The way is a straight line, or "spherical", a great circle at constant speed. To a decoder that looks at directions
    alone, the straight line is the same great circle at unequal speed. GraftError for an unknown `what` or `how`, an
    amount beyond FARTHEST, and structures of different size."""
    if what not in WHAT:
        raise GraftError(f"Only {', '.join(WHAT)} can be interpolated, not '{what}'.")
    if how not in WAYS:
        raise GraftError(f"Interpolation is {' or '.join(WAYS)}, not '{how}'.")
    for amount in amounts:
        if not isfinite(amount) or abs(amount) > FARTHEST:
            raise GraftError(f"An amount lies between -{FARTHEST} and {FARTHEST}, which {amount:g} does not.")
    start, end = model.encode(a), model.encode(b)
    for amount in amounts:
        yield model.decode(WAYS[how](start, end, amount, *WHAT[what]), **options)
