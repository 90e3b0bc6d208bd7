"""One picture out of several: pictures are encoded together, their codes mixed, and the mixture drawn.

    renderer = Renderer(graftlab.load("landscapes-128"))
    graftlab.write(panorama(renderer, [fuji, alps, lake], overlap=8), "panorama.png")

Pictures are (1, 3, H, W) in [-1, 1], masks (1, 1, h, w) in [0, 1] of any size. Lengths are in cells of the structure,
unless they are said to be in pixels. `textures` take the place of the pictures' own in what has become of these.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from graftlab.codes import Autoencoder, SwapCodes
from graftlab.editing import blends, edits, masks
from graftlab.editing.distributions import Distribution
from graftlab.editing.edits import Move, Region
from graftlab.editing.tiles import tiled_if_large
from graftlab.errors import GraftError
from graftlab.images import dimensions
from graftlab.networks.swapping import SwappingModel
from graftlab.networks.translator import Translator
from graftlab.rendering.renderer import Renderer

Drawing = Renderer[SwappingModel]
OVERLAP = 8  # cells, of a panorama


def panorama(
    renderer: Drawing,
    pictures: Sequence[Tensor],
    overlap: float | Sequence[float] | None = None,  # of neighbours, or one of each two; None: 8, or a third if fewer
    fade: float | Sequence[float] | None = None,  # over which one becomes the other; None: few, where they are alike
    how: str = "side",  # or "stack"
    textures: Sequence[Tensor] = (),
    weights: Sequence[float] | None = None,  # of the textures; none of them: the mean of all; None: each keeps its own
) -> Tensor:
    """Structures in a row that melt into each other (`blends.panorama`)."""
    network, codes = encode(renderer, [*pictures, *textures])
    row = codes[: len(pictures)]
    shared: int | list[int]
    if overlap is None:
        shared = blends.usual_overlap(row, OVERLAP, how)
    else:
        shared = round(overlap) if isinstance(overlap, int | float) else [round(each) for each in overlap]
    joined = blends.panorama(row, shared, fade, how)
    return _draw(renderer, network, _paint(joined, codes, weights))


def weave(
    renderer: Drawing,
    pictures: Sequence[Tensor],  # of one size
    along: str | Sequence[Tensor] = "side",  # one of `masks.HOW`; or a mask for each picture but the first
    fade: float = 4,  # from one to the next
    textures: Sequence[Tensor] = (),
    weights: Sequence[float] | None = None,  # as of `panorama`
) -> Tensor:
    """Structures of one size, each in its place (`blends.weave`)."""
    network, codes = encode(renderer, [*pictures, *textures])
    if isinstance(along, str):
        height, width = codes[0].structure.shape[2:]
        shares = list(masks.bands(len(pictures), (height, width), along, fade)[1:].split(1))
    else:
        shares = [_fit(renderer, mask, codes[0], fade * renderer.model.config.stride) for mask in along]
    return _draw(renderer, network, _paint(blends.weave(codes[: len(pictures)], shares), codes, weights))


def paint_regions(
    renderer: Drawing,
    picture: Tensor,
    where: Sequence[Tensor],  # masks, which share where they overlap
    textures: Sequence[Tensor],  # one for each
    soft: float = 8,  # width of the masks' edges, pixels
) -> Tensor:
    """A picture that has other pictures' textures where masks are white."""
    network, codes = encode(renderer, [picture, *textures])
    shares = [_fit(renderer, mask, codes[0], soft) for mask in where]
    return _draw(renderer, network, blends.weave(codes, shares, "texture"))


def mix(
    renderer: Drawing,
    picture: Tensor,
    textures: Sequence[Tensor],
    weights: Sequence[float],  # one for each, scaled to sum to 1 with `own`
    own: float = 0.0,  # weight of the picture's own texture
) -> Tensor:
    """A picture that has a mixture of textures."""
    network, codes = encode(renderer, [picture, *textures])
    return _draw(renderer, network, blends.mixture(codes[0], codes, [own, *weights]))


def edit(
    renderer: Drawing,
    picture: Tensor,
    other: Tensor | None = None,  # that gives its texture, or its structure
    texture: float = 1.0,  # of the other's: 0 none, 1 all of it, beyond exaggerated
    structure: float = 0.0,
    random: tuple[Distribution, int, float] | None = None,  # whose texture of a seed, with a psi, is the other's
    regions: Sequence[tuple[Tensor, Tensor, float, float]] = (),  # mask, picture, amount, width of its edge in pixels
    moves: Sequence[Move] = (),
) -> Tensor:
    """A picture with another texture, other textures in regions, and moved along directions (`edits.edit`)."""
    given = [] if other is None else [other]
    network, codes = encode(renderer, [picture, *given, *(region[1] for region in regions)])
    own, mixed, painted = codes[0], codes[1] if given else None, codes[1 + len(given) :]
    if random is not None:
        known, seed, psi = random
        mixed = known.sample(mixed or own, [seed], psi)
    places = [
        Region(mask, codes, amount, soft) for (mask, _, amount, soft), codes in zip(regions, painted, strict=True)
    ]
    stride = renderer.model.config.stride
    heirs = [move._replace(directions=move.directions.inherited(renderer.model, own)) for move in moves]
    return _draw(renderer, network, edits.edit(own, mixed, texture, structure, places, heirs, stride))


@torch.no_grad()
def select(
    renderer: Drawing,
    picture: Tensor,
    places: Sequence[tuple[float, float]],  # shares of width and height
    threshold: float = 0.5,  # cosine from which on cells are alike
    softness: float = 0.3,  # range of cosines around it over which the mask rises
) -> Tensor:
    """The mask (1, 1, H, W) of all places whose structure is like that of some."""
    structure = tiled_if_large(renderer.model, picture).encode(picture).structure.cpu()
    found = [masks.alike(structure, place, threshold, softness) for place in places]
    return masks.resize(torch.stack(found).amax(0), (picture.shape[2], picture.shape[3]))


@torch.no_grad()
def encode(renderer: Drawing, pictures: Sequence[Tensor]) -> tuple[Autoencoder, list[SwapCodes]]:
    """The codes of pictures, and the network to decode them with: tile by tile if they are large together."""
    network = renderer.network(*pictures)
    return network, [network.encode(picture) for picture in pictures]


@torch.no_grad()
def _draw(renderer: Drawing, network: Autoencoder, codes: SwapCodes) -> Tensor:
    return network.decode(codes, **renderer.rendering)


def _paint(joined: SwapCodes, codes: Sequence[SwapCodes], weights: Sequence[float] | None) -> SwapCodes:
    """Joined codes with a mixture of the textures of the last codes, or of all if there are no weights."""
    if weights is None:
        return joined
    return blends.mixture(joined, codes[-len(weights) :], weights or [1.0] * len(codes))


def _fit(renderer: Drawing, mask: Tensor, codes: SwapCodes, soft: float) -> Tensor:
    """A mask over a picture's pixels, with soft edges."""
    height, width = (cells * renderer.model.config.stride for cells in codes.structure.shape[2:])
    return masks.fit(mask, (height, width), soft)


@torch.no_grad()
def translate(renderer: Renderer[Translator], photo: Path, enlarge: bool = False) -> Tensor:
    """A photo redrawn by a student: (1, 3, H, W). GraftError if it is smaller than that, unless it may be enlarged."""
    size = renderer.side()
    if not enlarge and (smaller := min(dimensions(photo))) < size:
        raise GraftError(
            f"{photo} has {smaller} pixels on its short side, fewer than the {size} that the student draws: give a "
            "larger photo, a smaller --size, or enlarge it (--enlarge)."
        )
    return renderer.model.translate(renderer.read(photo))
