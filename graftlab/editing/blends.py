"""Several pictures in one: structures side by side or along masks, textures mixed, by region, along the seam.

    wide = blends.panorama([model.encode(fuji), model.encode(alps)], overlap=8)
    snow = blends.weave([model.encode(photo), model.encode(winter)], [masks.read("meadow.png")], "texture")

Each gives codes, for `decode`. A sum of codes whose weights sum to one is right for every Swapping Autoencoder: where
only directions count the generator normalises it, and where lengths count it keeps them.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from math import ceil, isfinite, sqrt
from operator import sub
from typing import Any

import torch
from torch import Tensor

from graftlab.codes import SwapCodes
from graftlab.editing.masks import ramps, resize
from graftlab.editing.seams import join
from graftlab.errors import GraftError

LARGEST_MAP = 2**16  # positions of a texture map: 256 x 256, finer than anyone paints textures


def slerp(a: Tensor, b: Tensor, amount: float) -> Tensor:
    """Spherical interpolation along dim 1 (Shoemake 1985, "Animating rotation with quaternion curves").

    The direction moves along the great circle at constant speed, the length in a straight line and never below 0.
    Where a and b are parallel, or opposite, it is the straight line."""
    from_length, to_length = (x.norm(dim=1, keepdim=True).clamp(min=1e-12) for x in (a, b))
    start, end = a / from_length, b / to_length
    # Kahan's formula: unlike the arc cosine it is exact for small angles too.
    angle = 2 * torch.atan2((start - end).norm(dim=1, keepdim=True), (start + end).norm(dim=1, keepdim=True))
    turned = (((1 - amount) * angle).sin() * start + (amount * angle).sin() * end) / angle.sin()
    length = torch.lerp(from_length, to_length, amount).clamp(min=0)
    return torch.where(angle.sin() > 1e-4, turned * length, torch.lerp(a, b, amount))


def straight(start: SwapCodes, end: SwapCodes, amount: float, *parts: str) -> SwapCodes:
    """`start` with the named parts moved towards `end`'s: 0 is start, 1 is end, beyond exaggerates; as `Codes.mix`."""
    return start.mix(end, **dict.fromkeys(parts, amount))


def spherical(start: SwapCodes, end: SwapCodes, amount: float, *parts: str) -> SwapCodes:
    """The same along great circles (`slerp`)."""
    mixed = straight(start, end, amount, *parts)
    if amount in (0, 1):
        return mixed
    turned: dict[str, Any] = {part: slerp(getattr(start, part), getattr(end, part), amount) for part in parts}
    return replace(mixed, **turned)


def mixture(codes: SwapCodes, textures: Sequence[SwapCodes], weights: Sequence[float]) -> SwapCodes:
    """The codes with a mixture of textures (N, Ct), whose weights are scaled to sum to 1.

    GraftError for weights that are not finite, or do not sum to more than 0, and for codes of different models."""
    listed = ", ".join(f"{weight:g}" for weight in weights)
    if len(weights) != len(textures):
        raise GraftError(f"{len(textures)} textures need as many weights, not {listed}.")
    if not all(map(isfinite, weights)) or sum(weights) <= 0:
        raise GraftError(f"Weights of textures are finite numbers that sum to more than 0, not {listed or 'none'}.")
    shares = [weight / sum(weights) for weight in weights]
    mixed = torch.stack([share * vector for share, vector in zip(shares, _vectors(textures), strict=True)]).sum(0)
    return replace(_together(codes, *textures), texture=mixed)


def weave(codes: Sequence[SwapCodes], masks: Sequence[Tensor], *parts: str) -> SwapCodes:
    """The first codes, and where a mask says so, the named parts (both if none is named) of those it belongs to.

    `masks` (1, 1, h, w) in [0, 1], of any size, one for each of the codes but the first: they are brought to the
    codes' grid. Where they sum to more than 1 they are divided by the sum, where to less the first codes have the
    rest. The texture becomes a map (N, Ct, h', w'). GraftError for masks that are empty or no numbers, and structures
    of different size."""
    _check_masks(masks, len(codes) - 1)
    tensors: dict[str, Any] = {}
    ground = _together(*codes)
    height, width = ground.structure.shape[2:]
    if "structure" in (parts or ground.parts):
        if len({each.structure.shape[2:] for each in codes}) > 1:
            raise GraftError("Structures of different size cannot be woven; read the pictures as squares (--square).")
        tensors["structure"] = _weighted([each.structure for each in codes], _shares(masks, (height, width)))
        tensors["noise"] = None  # of several pictures
    if "texture" in (parts or ground.parts):
        coarse = max(1.0, sqrt(height * width / LARGEST_MAP))
        shares = _shares(masks, (ceil(height / coarse), ceil(width / coarse)))
        tensors["texture"] = _weighted([vector[:, :, None, None] for vector in _vectors(codes)], shares)
    return replace(ground, **tensors)


def usual_overlap(codes: Sequence[SwapCodes], most: int, how: str) -> int:
    """Cells that neighbours share unless somebody says how many: `most`, or a third of the shortest if that is less."""
    along = 2 if how == "stack" else 3
    return min(most, min((each.structure.shape[along] for each in codes), default=0) // 3)


def panorama(
    codes: Sequence[SwapCodes],
    overlap: int | Sequence[int] = 0,  # cells that neighbours have in common; or one number for each two neighbours
    fade: float | Sequence[float] | None = None,  # cells over which one becomes the other; None: few, textures over all
    how: str = "side",  # side by side, or a "stack" from the top down
) -> SwapCodes:
    """Structures in a row, as long as all of them less the overlaps; each keeps its texture, cross-faded beside it.

    Within an overlap two structures meet where they are alike (`seams.join`); a fade as long as the overlap leaves no
    choice, and is a cross-fade. The texture is a map (N, Ct, 1, W), or (N, Ct, H, 1) of a stack. The picture is one of
    whole cells. GraftError for structures that differ across the row, an overlap that is not smaller than each, a fade
    beyond the overlap."""
    if how not in ("side", "stack"):
        raise GraftError(f"The direction of a panorama is side or stack, not '{how}'.")
    vectors, (along, across) = _vectors(codes), (3, 2) if how == "side" else (2, 3)
    lengths, seams = [each.structure.shape[along] for each in codes], len(codes) - 1
    overlaps = [overlap] * seams if isinstance(overlap, int) else list(overlap)
    fades = [fade] * seams if fade is None or isinstance(fade, int | float) else list(fade)
    if len(overlaps) != seams or len(fades) != seams:
        raise GraftError(
            f"{len(codes)} pictures have {seams} seam{'s' * (seams > 1)}: give one overlap and one fade, or one for "
            f"each, not {len(overlaps)} and {len(fades)} (--overlap, --fade)."
        )
    if len({each.structure.shape[across] for each in codes}) > 1:
        raise GraftError(
            "Structures of different heights (in a stack: widths) cannot be joined; read squares (--square)."
        )
    for shared, neighbours in zip(overlaps, pairwise(lengths), strict=True):
        if not 0 <= shared < min(neighbours):
            raise GraftError(
                f"The overlap must be from 0 to less than the smaller picture's {min(neighbours)} cells, not {shared} "
                "(--overlap)."
            )
    gradual = [shared if each is None else each for shared, each in zip(overlaps, fades, strict=True)]
    for shared, each in zip(overlaps, gradual, strict=True):
        if not 0 <= each <= shared:
            raise GraftError(f"A fade of {each:g} cells does not fit into an overlap of {shared}; make that larger.")

    starts = accumulate(map(sub, lengths, overlaps))  # of all but the first
    middles = [start + shared / 2 for start, shared in zip(starts, overlaps, strict=False)]
    places = torch.arange(sum(lengths) - sum(overlaps)) + 0.5
    shares = ramps(places, middles, gradual).reshape(len(codes), 1, 1, *((1, -1) if along == 3 else (-1, 1)))
    first = _together(*codes)
    structure, *rows = [each.structure if along == 3 else each.structure.mT for each in codes]
    for row, shared, length in zip(rows, overlaps, fades, strict=True):
        structure = join(structure, row, shared, length)
    structure = structure if along == 3 else structure.mT
    texture = _weighted([vector[:, :, None, None] for vector in vectors], shares)
    return replace(first.moved(structure), texture=texture)


def _together(*codes: SwapCodes) -> SwapCodes:
    """The first codes, once all are known to be of one model."""
    first, *others = codes
    for other in others:
        first = first.mix(other)
    return first


def _vectors(codes: Sequence[SwapCodes]) -> list[Tensor]:
    """Their textures (N, Ct); GraftError for maps, and if there are none."""
    if not codes:
        raise GraftError("There are no codes to join.")
    if any(each.texture.ndim == 4 for each in codes):
        raise GraftError("A texture map does not go into another; decode the picture and encode it again.")
    return [each.texture for each in codes]


def _weighted(tensors: Sequence[Tensor], shares: Tensor) -> Tensor:
    """Sum of tensors, each times its share (K, 1, 1, h, w)."""
    first, *others = (tensor * share for tensor, share in zip(tensors, shares.to(tensors[0]), strict=True))
    for other in others:
        first = first + other
    return first


def _shares(masks: Sequence[Tensor], grid: tuple[int, int]) -> Tensor:
    """Shares (K + 1, 1, 1, h, w) of the ground and of what the masks put over it; they sum to 1."""
    over = torch.stack([resize(mask, grid).clamp(0, 1) for mask in masks])
    over = over / over.sum(0).clamp(min=1)
    return torch.cat([1 - over.sum(0, keepdim=True), over])


def _check_masks(masks: Sequence[Tensor], count: int) -> None:
    if count < 1 or len(masks) != count:
        raise GraftError(f"{count + 1} codes need a mask for each but the first, not {len(masks)} masks.")
    for mask in masks:
        if mask.ndim != 4 or mask.shape[:2] != (1, 1):
            raise GraftError(f"A mask is a tensor (1, 1, h, w), not {tuple(mask.shape)}.")
        if not mask.isfinite().all() or mask.max() <= 0:
            raise GraftError("A mask needs finite numbers, and some above 0.")
