"""What can be done to the codes of one picture at once: another's texture, regions with others, directions."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from graftlab.codes import SwapCodes
from graftlab.editing.blends import weave
from graftlab.editing.directions import Directions


class Region(NamedTuple):
    """Where a picture has another's texture: a mask (1, 1, h, w) in [0, 1], and how much of it, from 0 to 1."""

    mask: Tensor
    texture: SwapCodes
    amount: float = 1.0


class Move(NamedTuple):
    """So many standard deviations along directions, everywhere or inside a mask (1, 1, h, w) in [0, 1]."""

    directions: Directions
    gains: Mapping[str, float]
    mask: Tensor | None = None


def edit(
    codes: SwapCodes,  # of one picture
    other: SwapCodes | None = None,  # that gives its texture, its structure, or some of each
    texture: float = 1.0,  # of the other's: 0 none, 1 swapped whole, beyond exaggerated
    structure: float = 0.0,
    regions: Sequence[Region] = (),
    moves: Sequence[Move] = (),
) -> SwapCodes:
    """Mix a picture's codes with another's, then paint regions (`blends.weave`), then move along directions.

    Directions come last, so that they change what was painted too. GraftError as for each of these."""
    if other is not None:
        codes = codes.mix(other, texture=texture, structure=structure)
    if painted := [region for region in regions if region.amount]:
        shares = [region.mask * region.amount for region in painted]
        codes = weave([codes, *(region.texture for region in painted)], shares, "texture")
    for move in moves:
        codes = move.directions.apply(codes, move.gains, move.mask)
    return codes
