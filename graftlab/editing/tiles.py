"""Big pictures, tile by tile, in bounded memory and without seams.

    model = Tiled(graftlab.load("landscapes-128"))
    graftlab.write(swaps.swap(model, photo, other), "swapped.png")  # of 24 megapixels each, say

Encoder and generator are convolutions: a cell depends on its neighbours up to some distance, the reach. Tiles see that
much more than they keep, so that what they keep equals the same part of the picture made whole. Noise is a function of
absolute position, and one texture serves all tiles.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, product
from math import ceil, sqrt
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.codes import Autoencoder, SwapCodes
from graftlab.errors import GraftError

TILE = 512  # pixels
WHOLE = 2**21  # pixels of a picture, up to which it is encoded whole
PROBE = 512  # side of the picture on which the encoder's reach is measured, pixels
STRIP = 97  # length of the structure on which the generator's is, cells


def tiled_if_large(model: Autoencoder, *images: Tensor, tile: int | None = None) -> Autoencoder:
    """The model as it is, or `Tiled` if pictures (N, 3, H, W) are large together or `tile` (pixels) is given."""
    if tile is None and sum(image.shape[2] * image.shape[3] for image in images) <= WHOLE:
        return model
    return Tiled(model, TILE if tile is None else tile)


class Span(NamedTuple):
    """What a tile keeps along one side of the structure, and what it sees, in cells; as pixels with their stride."""

    start: int
    stop: int
    first: int
    last: int

    def kept(self, stride: int = 1) -> slice:
        return slice(self.start * stride, self.stop * stride)

    def seen(self, stride: int = 1) -> slice:
        return slice(self.first * stride, self.last * stride)

    def inside(self, stride: int = 1) -> slice:
        """What it keeps, counted from what it sees."""
        return slice((self.start - self.first) * stride, (self.stop - self.first) * stride)


def spans(length: int, tile: int, reach: int) -> list[Span]:
    """`length` cells in nearly equal tiles of at most `tile`, each of which sees `reach` more where there are more."""
    count = ceil(length / tile)
    cuts = [length * i // count for i in range(count + 1)]
    return [Span(a, b, max(0, a - reach), min(length, b + reach)) for a, b in pairwise(cuts)]


@dataclass(frozen=True, eq=False)
class Tiled:
    """A Swapping Autoencoder that works tile by tile, with `encode` and `decode` as the model has them, no gradients.

    The texture comes from the whole picture, made smaller for that if it has more than `whole` pixels: from size to
    size a texture hardly changes. GraftError for a tile of less than a pixel."""

    model: Autoencoder
    tile: int = TILE  # side of what a tile keeps, pixels, brought to whole cells
    whole: int = WHOLE

    def __post_init__(self) -> None:
        if self.tile < 1:
            raise GraftError(f"A tile cannot have {self.tile} pixels a side; choose 128 or more (--tile).")

    @torch.no_grad()
    def encode(self, images: Tensor) -> SwapCodes:
        """Pictures (N, 3, H, W) to codes; GraftError for what the model refuses."""
        height, width = images.shape[-2:]
        if height * width <= self.whole:
            return self.model.encode(images)
        codes, stride = self.model.encode(_reduced(images, self.whole)), self.stride
        down, right = -height % stride, -width % stride
        if down or right:  # half at either side, where `decode` crops
            images = F.pad(images, (right // 2, right - right // 2, down // 2, down - down // 2), mode="reflect")
        grid = (images.shape[2] // stride, images.shape[3] // stride)
        structure = codes.structure.new_empty(*codes.structure.shape[:2], *grid)
        for y, x in self._tiles(grid, self.encoder_reach):
            tile = self.model.encode(images[..., y.seen(stride), x.seen(stride)]).structure
            structure[..., y.kept(), x.kept()] = tile[..., y.inside(), x.inside()]
        return replace(codes, structure=structure, size=(height, width) if down or right else None)

    @torch.no_grad()
    def decode(self, codes: SwapCodes, noise: str = "fixed", seed: int = 0, origin: tuple[int, int] = (0, 0)) -> Tensor:
        """Codes to pictures (N, 3, H, W) on the CPU, which equal the model's up to rounding.

        A texture map is read at the structure's cells. Random noise is the fixed noise of a random seed."""
        if noise == "random":
            noise, seed = "fixed", int(torch.randint(2**32, ()))
        stride, (rows, columns) = self.stride, codes.structure.shape[2:]
        height, width = codes.size or (rows * stride, columns * stride)
        down, right = rows * stride - height, columns * stride - width  # of padding
        if not (0 <= down < stride and 0 <= right < stride):
            raise GraftError(f"This structure is of no picture of {width} x {height} pixels; encode the picture again.")
        images = torch.empty(len(codes), 3, rows * stride, columns * stride)
        for y, x in self._tiles((rows, columns), self.decoder_reach):
            own = None if codes.noise is None else codes.noise[..., y.seen(stride), x.seen(stride)]
            structure = codes.structure[..., y.seen(), x.seen()]
            part = replace(codes, structure=structure, texture=_texture(codes, y, x), size=None, noise=own)
            tile = self.model.decode(part, noise=noise, seed=seed, origin=(origin[0] + y.first, origin[1] + x.first))
            images[..., y.kept(stride), x.kept(stride)] = tile[..., y.inside(stride), x.inside(stride)]
        return images[..., down // 2 : down // 2 + height, right // 2 : right // 2 + width]

    def _tiles(self, grid: tuple[int, int], reach: int) -> Iterator[tuple[Span, Span]]:
        rows, columns = (spans(length, max(1, self.tile // self.stride), reach) for length in grid)
        return product(rows, columns)

    # -- the reach, measured, since all kinds of networks have one ----------------------------------------------------

    @cached_property
    def _probe(self) -> tuple[Tensor, SwapCodes]:
        """A picture of noise and its codes."""
        picture = torch.rand(1, 3, PROBE, PROBE, generator=torch.Generator().manual_seed(0)) * 2 - 1
        return picture, self.model.encode(picture)

    @cached_property
    def stride(self) -> int:
        """Pixels per cell."""
        return PROBE // self._probe[1].structure.shape[3]

    @cached_property
    def encoder_reach(self) -> int:
        """How far a pixel changes the structure, cells."""
        picture, codes = self._probe
        middle = codes.structure.shape[3] // 2
        changed = picture.clone()
        changed[..., middle * self.stride : (middle + 1) * self.stride] *= -1
        return _reach(codes.structure, self.model.encode(changed).structure, middle, 1)

    @cached_property
    def decoder_reach(self) -> int:
        """How far a cell changes the picture, cells."""
        codes = self._probe[1]
        middle, draw = STRIP // 2, torch.Generator().manual_seed(0)
        strip = torch.randn(1, codes.structure.shape[1], 3, STRIP, generator=draw)
        changed = strip.clone()
        changed[..., middle] *= -1
        before, after = (self.model.decode(replace(codes, structure=each), noise="none") for each in (strip, changed))
        return _reach(before, after, middle, self.stride)


def _reach(before: Tensor, after: Tensor, middle: int, stride: int) -> int:
    """Cells from the one that was changed to the farthest column that changed with it."""
    columns = (after != before).flatten(0, 2).any(0)
    touched = columns.nonzero().flatten().tolist() or [middle * stride]
    return ceil(max(middle * stride - touched[0], touched[-1] - ((middle + 1) * stride - 1)) / stride)


def _reduced(images: Tensor, pixels: int) -> Tensor:
    """Pictures (N, 3, H, W) at so many pixels or slightly fewer."""
    factor = sqrt(pixels / (images.shape[2] * images.shape[3]))
    size = [max(1, int(side * factor)) for side in images.shape[2:]]
    return F.interpolate(images, size=size, mode="bilinear", antialias=True, align_corners=False)


def _texture(codes: SwapCodes, y: Span, x: Span) -> Tensor:
    """The texture of a tile; of a map, what bilinear interpolation gives at the centres of the cells it sees."""
    if codes.texture.ndim == 2:
        return codes.texture
    rows, columns = codes.structure.shape[2:]
    down, across = ((torch.arange(s.first, s.last) + 0.5) / n * 2 - 1 for s, n in ((y, rows), (x, columns)))
    places = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1).expand(len(codes), -1, -1, -1)
    texture = codes.texture.cpu().float()  # Apple's GPUs know no border here
    return F.grid_sample(texture, places, mode="bilinear", padding_mode="border", align_corners=False)
