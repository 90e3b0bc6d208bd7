"""Masks (1, 1, h, w) in [0, 1]: where something applies, from pictures, from bands, or from what looks alike."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab import images
from graftlab.errors import GraftError

HOW = ("side", "stack", "diagonal")
BLACK = 1 / 64  # beyond the noise of JPEG
DIMMED = 0.25  # brightness of what a selection leaves out


def read(path: str | Path, name: str | None = None) -> Tensor:
    """A picture file as a mask (1, 1, h, w): white is 1, black 0, colours count as their mean.

    GraftError, which calls it by its name or path, if the file is no picture, or black all over."""
    mask = (images.read(path, name=name).mean(1, keepdim=True) + 1) / 2
    if not mask.any():
        raise black(name or path)
    return mask


def black(name: str | Path) -> GraftError:
    """Of a mask that leaves no place where something could happen."""
    return GraftError(f"{name} is black all over; paint white where something is to happen.")


def check(
    mask: Tensor,
    size: Sequence[int],
    name: str = "The mask",
    own: Sequence[int] | None = None,  # height and width of its file, if it was read at other ones
    what: str = "the picture",
) -> None:
    """GraftError for a mask that is black all over, or of another shape than pictures of this height and width, to a
    pixel of the smaller one."""
    (height, width), (rows, columns) = mask.shape[2:], size
    if abs(height * columns - width * rows) > max(height, width, rows, columns):
        tall, wide = own or (height, width)
        raise GraftError(
            f"{name} of {wide} x {tall} pixels has another shape than {what} of {columns} x {rows}; make it as wide "
            "and as high, or give it the same proportions."
        )
    if mask.max() < BLACK:
        raise black(name)


def resize(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """The mask at another height and width, whatever its aspect; smaller masks are means over areas."""
    return F.interpolate(mask.float(), size=size, mode="bilinear", antialias=True, align_corners=False)


def soften(mask: Tensor, width: float) -> Tensor:
    """The mask with edges that rise over `width` of its pixels in a straight line; 0 leaves it as it is.

    A mean over squares; beyond the border the mask goes on as it ends. GraftError for a width below 0."""
    if not 0 <= width < float("inf"):
        raise GraftError(f"A soft edge cannot be {width:g} pixels wide; give 0 or more.")
    half = min(round(width / 2), max(mask.shape[2:]))
    for down, across in ((half, 0), (0, half)):
        mask = F.pad(mask, (across, across, down, down), mode="replicate")
        mask = F.avg_pool2d(mask, (2 * down + 1, 2 * across + 1), stride=1)
    return mask


def fit(mask: Tensor, size: tuple[int, int], soft: float) -> Tensor:
    """The mask over a picture of this height and width, whatever its own size and aspect, its edges softened."""
    return soften(resize(mask, size), soft)


def ramps(places: Tensor, seams: Sequence[float], fade: float | Sequence[float]) -> Tensor:
    """Shares (K, ...) that K = len(seams) + 1 neighbours along a line have at `places` (...); they sum to 1.

    At each seam, in rising order, the next one takes over along a straight line of length `fade`, or at once; it may
    be another at each seam. GraftError for a fade below 0 or without end."""
    fades = [fade] * len(seams) if isinstance(fade, int | float) else fade
    for each in fades:
        if not 0 <= each < float("inf"):
            raise GraftError(f"A cross-fade cannot be {each:g} long; give 0 or more.")
    rising = [_ramp(places - seam, each) for seam, each in zip(seams, fades, strict=True)]
    rises = [torch.ones_like(places), *rising, torch.zeros_like(places)]
    return torch.stack([rise - following for rise, following in pairwise(rises)])


def bands(count: int, grid: tuple[int, int], how: str = "side", fade: float = 0.0) -> Tensor:
    """Masks (count, 1, h, w) of equal bands: "side" by side, a "stack" from the top down, or "diagonal" from top left.

    `grid` is (h, w), of cells or pixels, and `fade` counts in the same. GraftError for another word."""
    if how not in HOW:
        raise GraftError(f"Bands run {', '.join(HOW)}, not '{how}'.")
    (height, width), slant = grid, {"side": (0, 1), "stack": (1, 0), "diagonal": (1, 1)}[how]
    normal = torch.tensor([slant[0] / height, slant[1] / width])
    normal = normal / normal.norm()  # of the seams, so that distances are in cells
    down, across = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    length = float(normal[0] * height + normal[1] * width)
    return ramps(down * normal[0] + across * normal[1], [length * k / count for k in range(1, count)], fade)[:, None]


def _ramp(distance: Tensor, fade: float) -> Tensor:
    """0 before, 1 beyond, a straight line of length `fade` around 0."""
    return (distance / fade + 0.5).clamp(0, 1) if fade else (distance >= 0).float()


def _around(structure: Tensor) -> Tensor:
    """Every cell with its neighbours: binomial weights over 3 x 3 cells, those at the border repeated beyond it."""
    for side in (2, 3):
        ends = structure.narrow(side, 0, 1), structure.narrow(side, structure.shape[side] - 1, 1)
        wide = torch.cat([ends[0], structure, ends[1]], side).unfold(side, 3, 1)
        structure = (wide * wide.new_tensor([0.25, 0.5, 0.25])).sum(-1)
    return structure


def alike(structure: Tensor, at: tuple[float, float], threshold: float = 0.5, softness: float = 0.3) -> Tensor:
    """Cells whose structure code differs from the picture's mean as the one at a place does: a soft mask (1, 1, h, w).

    `structure` (1, Cs, h, w), of which each cell is seen with its neighbours; `at` (x, y) as shares of width and
    height. A cell's share rises from 0 to 1 while the cosine of its difference from the mean with the chosen cell's
    goes from `threshold - softness / 2` to `threshold + softness / 2`. GraftError for a place outside, a threshold
    beyond [-1, 1], a softness beyond [0, 2]."""
    x, y = at
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise GraftError(f"The place {x:.0%}, {y:.0%} lies outside the picture; give shares from 0 to 1.")
    if not (-1 <= threshold <= 1 and 0 <= softness <= 2):
        raise GraftError(
            f"A threshold lies between -1 and 1 and a softness between 0 and 2, not {threshold:g} and {softness:g}."
        )
    height, width = structure.shape[2:]
    row, column = min(int(y * height), height - 1), min(int(x * width), width - 1)
    own = _around(structure)  # for codes may alternate from cell to cell
    own = own - own.mean((2, 3), keepdim=True)  # what all cells share would make all alike
    chosen = own[:, :, row : row + 1, column : column + 1]
    cosine = F.cosine_similarity(own, chosen, dim=1)[:, None]
    same = (own == chosen).all(1, keepdim=True)  # even where nothing differs, and there is no direction to compare
    return _ramp(torch.where(same, 1.0, cosine) - threshold, softness)


def overlay(picture: Tensor, mask: Tensor) -> Tensor:
    """The picture (1, 3, H, W), in gray and dimmed where the mask is 0."""
    gray = picture.mean(1, keepdim=True)
    dimmed = ((gray + 1) * DIMMED - 1).expand_as(picture)
    return torch.lerp(dimmed, picture, resize(mask, (picture.shape[2], picture.shape[3])))
