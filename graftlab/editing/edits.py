"""What can be done to the codes of one picture at once: another's texture, regions with others, directions."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from graftlab.codes import SwapCodes
from graftlab.editing import masks
from graftlab.editing.blends import weave
from graftlab.editing.directions import Directions
from graftlab.editing.distributions import Distribution
from graftlab.errors import GraftError

SOFT = 8.0  # width of a mask's edge, pixels
PARTS = ("texture", "structure")  # whose components have names such as "texture 3"


class Region(NamedTuple):
    """Where a picture has another's texture, and how much of it."""

    mask: Tensor  # (1, 1, h, w) in [0, 1] over the picture, of any size
    texture: SwapCodes
    amount: float = 1.0  # from 0 to 1
    soft: float = SOFT  # width of the mask's edge, pixels of the picture


class Move(NamedTuple):
    """Along named directions."""

    directions: Directions
    gains: Mapping[str, float]  # standard deviations
    mask: Tensor | None = None  # as of a region; None: everywhere
    soft: float = SOFT


def edit(
    codes: SwapCodes,  # of one picture
    other: SwapCodes | None = None,  # that gives its texture, its structure, or some of each
    texture: float = 1.0,  # of the other's: 0 none, 1 swapped whole, beyond exaggerated
    structure: float = 0.0,
    regions: Sequence[Region] = (),
    moves: Sequence[Move] = (),
    stride: int = 1,  # pixels per cell, in which edges are counted
) -> SwapCodes:
    """Mix a picture's codes with another's, then paint regions (`blends.weave`), then move along directions.

    Directions come last, so that they change what was painted too. GraftError as for each of these."""
    if other is not None:
        if structure not in (0, 1) and codes.structure.shape != other.structure.shape:
            raise GraftError(
                "Structures of pictures of different shape cannot be mixed; crop them to squares (--square)."
            )
        codes = codes.mix(other, texture=texture, structure=structure)
    height, width = (cells * stride for cells in codes.structure.shape[2:])
    if painted := [region for region in regions if region.amount]:
        shares = [masks.fit(region.mask, (height, width), region.soft) * region.amount for region in painted]
        codes = weave([codes, *(region.texture for region in painted)], shares, "texture")
    for move in moves:
        mask = None if move.mask is None else masks.fit(move.mask, (height, width), move.soft)
        codes = move.directions.apply(codes, move.gains, mask)
    return codes


def find_direction(name: str, directions: Directions | None, known: Distribution | None) -> tuple[Directions, str]:
    """The direction of a name, among those of a file, or "texture 3" and "structure 1": the principal components of
    what a model was trained on. GraftError if there is none."""
    part, _, number = name.rpartition(" ")
    if part in PARTS and number.isdecimal():
        if known is None:
            raise GraftError(f"The model did not come with the textures of its training, of which '{name}' is a part.")
        found = known.components(part)
        return found, found.names[found.index(f"component {number}")]
    if directions is None:
        raise GraftError(f"The model has no directions of its own, and so no '{name}'; name a file of them.")
    return directions, directions.names[directions.index(name)]
