"""Pictures made larger by a network, in bounded memory and without seams.

    upscaler = graftlab.load("upscale-4")
    graftlab.write(upscale(upscaler, graftlab.read("hybrid.png")), "large.png")

The network's trunk works on tiles that see as much more than they keep as it reaches, and what follows it, at the
resolution of the result, on smaller ones: what they keep equals the same part of the picture made whole.
"""

from dataclasses import dataclass
from itertools import product
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.editing.tiles import Span, spans
from graftlab.errors import GraftError
from graftlab.images import MAX_PIXELS
from graftlab.work.progress import Progress, part, silent

TILE = 256  # side of what a tile keeps, pixels
TIMES_REACH = 3  # and at least so many times what the trunk sees around it, or most work would be done twice
FINE_TILE = 1024  # side of what is drawn at once, pixels of the result


class Enlarger(Protocol):
    """A network of two parts that makes pictures larger (`networks.upscalers`)."""

    fingerprint: str | None
    cell: int
    trunk_reach: int
    draw_reach: int

    @property
    def factor(self) -> int: ...
    def trunk(self, images: Tensor, /) -> Tensor: ...
    def draw(self, features: Tensor, images: Tensor, /) -> Tensor: ...


def upscale(
    model: Enlarger,
    images: Tensor,
    factor: int | None = None,  # sides of the result over sides of the pictures; None: the network's own
    tile: int | None = None,  # side of what a tile keeps, pixels; None: 256, and more for networks that see far
    progress: Progress = silent,  # as a share of 1
) -> Tensor:
    """Pictures (N, 3, H, W), clamped to [-1, 1], made `factor` times as high and wide.

    A network of a smaller factor is used again and again, and what is then too large is made smaller. Returns float32
    (N, 3, factor * H, factor * W) on the CPU, clamped to [-1, 1]. GraftError for anything else than such pictures, a
    factor below 1, a network that does not enlarge where that is asked for, and results above `images.MAX_PIXELS`."""
    wanted = model.factor if factor is None else factor
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
        raise GraftError(f"Pictures are (N, 3, H, W), not {tuple(images.shape)}.")
    if tile is not None and tile < 1:
        raise GraftError(f"A tile cannot have {tile} pixels a side; choose 64 or more (--tile).")
    height, width = images.shape[2:]
    factors = check(model.factor, wanted, height, width)
    images = images.clamp(-1, 1)  # as they would be written
    whole, done = sum(each**2 for each in factors), 0
    for each in factors:
        within = part(progress, done / whole, 1, each**2 / whole)
        images, done = _once(model, images, tile, within).clamp_(-1, 1), done + each**2
    if factors[-1] > wanted:
        size = (height * wanted, width * wanted)
        images = F.interpolate(images, size=size, mode="bicubic", antialias=True, align_corners=False)
    return images.clamp(-1, 1)


@dataclass(frozen=True, eq=False)
class Upscaling:
    """`upscale` with its options, for who makes pictures and has others say how large."""

    model: Enlarger
    factor: int | None = None
    tile: int | None = None

    def __call__(self, images: Tensor, progress: Progress = silent) -> Tensor:
        return upscale(self.model, images, self.factor, self.tile, progress)

    def check(self, width: int, height: int) -> None:
        """GraftError if pictures of this size, in pixels, cannot be made so much larger."""
        check(self.model.factor, self.model.factor if self.factor is None else self.factor, height, width)


def check(own: int, wanted: int, height: int, width: int) -> list[int]:
    """How large the pictures are after each use of a network whose factor is `own`, over what they are.

    GraftError, before any work is done, if it cannot make pictures of this size so much larger."""
    if wanted < 1:
        raise GraftError(f"Pictures are made larger by a whole number of 1 or more, not by {wanted}.")
    if own == 1 and wanted > 1:
        raise GraftError(f"This network keeps the size of pictures, and cannot make them {wanted} times as large.")
    factors = [own]
    while factors[-1] < wanted:
        factors.append(factors[-1] * own)
    if (pixels := height * width * factors[-1] ** 2) > MAX_PIXELS:
        raise GraftError(
            f"A picture of {width} × {height} pixels would have {pixels / 1e6:.0f} million after upscaling by "
            f"{factors[-1]}, more than the {MAX_PIXELS / 1e6:.0f} million that a picture may have: choose a smaller "
            "factor or a smaller picture."
        )
    return factors


@torch.no_grad()
def _once(model: Enlarger, images: Tensor, tile: int | None, progress: Progress) -> Tensor:
    """By the network's own factor, on the CPU, tile by tile."""
    cell, factor = model.cell, model.factor
    height, width = images.shape[2:]
    images = F.pad(images, (0, -width % cell, 0, -height % cell), mode="replicate")
    pixels = cell * factor  # of the result, a side of a cell
    side = max(TILE // cell, TIMES_REACH * model.trunk_reach) if tile is None else max(1, tile // cell)
    fine = max(1, FINE_TILE // pixels)
    result = torch.empty(len(images), 3, images.shape[2] * factor, images.shape[3] * factor)
    reach = model.trunk_reach + model.draw_reach  # so that features are right as far as `draw` looks
    tiles = list(product(*(spans(length // cell, side, reach) for length in images.shape[2:])))
    for number, (y, x) in enumerate(tiles, 1):
        seen = images[..., y.seen(cell), x.seen(cell)]
        features = model.trunk(seen)
        for v, u in product(*(_pieces(span, fine, model.draw_reach) for span in (y, x))):
            part = model.draw(features[..., v.seen(), u.seen()], seen[..., v.seen(cell), u.seen(cell)])
            down, across = (
                slice((each.first + piece.start) * pixels, (each.first + piece.stop) * pixels)
                for each, piece in ((y, v), (x, u))
            )
            result[..., down, across] = part[..., v.inside(pixels), u.inside(pixels)].cpu()
        progress(number / len(tiles))
    return result[..., : height * factor, : width * factor]


def _pieces(tile: Span, length: int, reach: int) -> list[Span]:
    """What a tile keeps in nearly equal pieces of at most `length`, in cells counted from what the tile sees."""
    seen, before = tile.last - tile.first, tile.start - tile.first
    return [
        Span(before + a, before + b, max(0, before + a - reach), min(seen, before + b + reach))
        for a, b, *_ in spans(tile.stop - tile.start, length, 0)
    ]
