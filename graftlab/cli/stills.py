"""`graft panorama`, `weave`, `regions`, `mix` and `select`: several pictures in one, and masks that say where."""

from collections.abc import Sequence
from math import isfinite, isnan, nan
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from graftlab.cli.desk import Desk, Out, PictureOptions, ViewingOptions, picture, spare
from graftlab.cli.enlarging import Enlarging
from graftlab.cli.options import spread
from graftlab.codes import Autoencoder, SwapCodes
from graftlab.editing import blends, masks
from graftlab.editing.tiles import tiled_if_large
from graftlab.errors import GraftError
from graftlab.images import open_rgb
from graftlab.networks.swapping import SwappingModel

Textures = Annotated[
    list[str] | None,
    typer.Option(
        "--texture",
        "-t",
        help="seam: each picture keeps its own (the default). mix: their mean. Or a picture, FILE or FILE:WEIGHT; "
        "several are mixed.",
    ),
]
FADE = "Length of the cross-fade, in cells, or in pixels as 16px."


def several(photos: list[Path]) -> list[Path]:
    """The paths, if they are two or more."""
    if len(photos) < 2:
        raise GraftError(f"{photos[0]} is one picture, and this takes two or more; name another (the same will do).")
    return photos


@spread
def panorama(
    photos: Annotated[
        list[Path], typer.Argument(help="Pictures, from left to right or from top to bottom.", callback=several)
    ],
    out: Out = Path("panorama.png"),
    how: Annotated[str, typer.Option(help="side (side by side) or stack (one above the other).")] = "side",
    overlap: Annotated[str, typer.Option(help="Overlap of neighbours, in cells, or in pixels as 16px.")] = "8",
    fade: Annotated[str | None, typer.Option(help=FADE + " Short by default, where structures are alike.")] = None,
    texture: Textures = None,
    options: PictureOptions = PictureOptions(),
    larger: Enlarging = Enlarging(),
) -> None:
    """Join structures into one wide or tall picture, in which they merge gradually.

    graft panorama fuji.jpg alps.jpg lake.jpg --overlap 12 -o panorama.png

    graft panorama fuji.jpg alps.jpg --texture evening.jpg -o panorama.png
    """

    others, weights = textures(texture)
    spare(out, *photos, *others)
    desk = larger.on(options.desk().together(photos))
    shared, length = round(cells(desk, "--overlap", overlap)), None if fade is None else cells(desk, "--fade", fade)
    network, codes = encoded(desk, [*photos, *others])
    joined = blends.panorama(codes[: len(photos)], shared, length, how)
    render(desk, network, painted(joined, codes, weights), out)


@spread
def weave(
    photos: Annotated[list[Path], typer.Argument(help="Pictures of equal size.", callback=several)],
    out: Out = Path("woven.png"),
    along: Annotated[
        list[str] | None,
        typer.Option(
            help="side, stack or diagonal: bands; or masks, one for each picture but the first, white where it shows."
        ),
    ] = None,
    fade: Annotated[str, typer.Option(help=FADE)] = "4",
    texture: Textures = None,
    options: PictureOptions = PictureOptions(),
    larger: Enlarging = Enlarging(),
) -> None:
    """Blend the structures of pictures of equal size, side by side, stacked, diagonally or along masks.

    graft weave fuji.jpg alps.jpg --along diagonal --fade 8 -o woven.png

    graft weave fuji.jpg alps.jpg --along mask.png --texture mix -o woven.png
    """

    ways = along or ["side"]
    files = [] if len(ways) == 1 and ways[0] in masks.HOW else ways
    if files and len(files) != len(photos) - 1:
        raise GraftError(
            f"--along is {', '.join(masks.HOW)}, or a mask for each picture but the first: {len(photos) - 1} of them, "
            f"not {len(files)}."
        )
    others, weights = textures(texture)
    spare(out, *photos, *others, *files)
    drawn = [masks.read(file) for file in files]
    desk = larger.on(options.desk().together(photos))
    length = cells(desk, "--fade", fade)
    network, codes = encoded(desk, [*photos, *others])
    if files:
        shares = [fitted(desk, mask, codes[0], length * desk.model.config.stride) for mask in drawn]
    else:
        height, width = codes[0].structure.shape[2:]
        shares = list(masks.bands(len(photos), (height, width), ways[0], length)[1:].split(1))
    render(desk, network, painted(blends.woven(codes[: len(photos)], shares), codes, weights), out)


@spread
def regions(
    photo: Annotated[
        Path, typer.Argument(help="The picture that supplies the structure, and the texture outside the masks.")
    ],
    texture: Annotated[
        list[str], typer.Option("--texture", "-t", help="MASK=PICTURE: PICTURE's texture where the mask is white.")
    ],
    out: Out = Path("regions.png"),
    soft: Annotated[float, typer.Option(help="Width of the masks' edges, in pixels of the picture.")] = 8.0,
    options: PictureOptions = PictureOptions(),
    larger: Enlarging = Enlarging(),
) -> None:
    """Give regions of a picture other pictures' textures, by masks; overlapping masks share in proportion.

    graft regions fuji.jpg --texture sky.png=sunset.jpg --texture meadow.png=snow.jpg --soft 8 -o regions.png
    """

    pairs = [text.partition("=") for text in texture]
    if wrong := [text for text, pair in zip(texture, pairs, strict=True) if not all(pair)]:
        raise GraftError(f"--texture takes MASK=PICTURE, such as sky.png=sunset.jpg, not '{wrong[0]}'.")
    files, others = [mask for mask, _, _ in pairs], [Path(other) for _, _, other in pairs]
    spare(out, photo, *files, *others)
    drawn = [masks.read(file) for file in files]
    desk = larger.on(options.desk())
    network, codes = encoded(desk, [photo, *others])
    shares = [fitted(desk, mask, codes[0], soft) for mask in drawn]
    render(desk, network, blends.woven(codes, shares, "texture"), out)


@spread
def mix(
    photo: Annotated[Path, typer.Argument(help="The picture that supplies the structure.")],
    texture: Annotated[
        list[str], typer.Option("--texture", "-t", help="A picture, FILE or FILE:WEIGHT; may be repeated.")
    ],
    out: Out = Path("mix.png"),
    own: Annotated[float, typer.Option(help="Weight of the picture's own texture.")] = 0.0,
    options: PictureOptions = PictureOptions(),
    larger: Enlarging = Enlarging(),
) -> None:
    """Give a picture a weighted mixture of textures; weights may have any sum.

    graft mix fuji.jpg --texture snow.jpg:0.5 --texture night.jpg:0.3 --own 0.2 -o mix.png
    """

    others, weights = weighted(texture)
    spare(out, photo, *others)
    desk = larger.on(options.desk())
    network, codes = encoded(desk, [photo, *others])
    render(desk, network, blends.mixture(codes[0], codes, [own, *weights]), out)


@spread
def select(
    photo: Annotated[Path, typer.Argument(help="A picture.")],
    at: Annotated[
        list[str], typer.Option(help="A position in the file, as 60,40 (pixels) or 25%,50%; may be repeated.")
    ],
    out: Out = Path("mask.png"),
    threshold: Annotated[float, typer.Option(help="Minimum cosine similarity of selected cells, -1 to 1.")] = 0.8,
    softness: Annotated[
        float, typer.Option(help="Range of cosines around the threshold over which the mask rises.")
    ] = 0.1,
    overlay: Annotated[
        Path | None, typer.Option(help="Also write a picture of the selection, with the rest in gray.")
    ] = None,
    options: ViewingOptions = ViewingOptions(),
) -> None:
    """Make a mask of all places whose structure is similar to that of a given place.

    graft select fuji.jpg --at 60,40 --threshold 0.8 -o mask.png --overlay seen.png
    """

    spare(out, photo)
    if overlay is not None:
        spare(picture(overlay), photo)
        if overlay.absolute() == out.absolute():
            raise GraftError(f"--overlay {overlay} is --out too; name another.")
    places = [place(photo, text, options.square) for text in at]
    desk = options.desk()
    image = desk.read(photo)
    structure = tiled_if_large(desk.model, image).encode(image).structure.cpu()
    found = [masks.alike(structure, where, threshold, softness) for where in places]
    mask = masks.resized(torch.stack(found).amax(0), (image.shape[2], image.shape[3]))
    desk.write((mask * 2 - 1).expand_as(image), out)
    if overlay is not None:
        desk.write(masks.overlay(image, mask), overlay)


# -- what they share ----------------------------------------------------------------------------------------------


def encoded(desk: Desk[SwappingModel], paths: Sequence[Path]) -> tuple[Autoencoder, list[SwapCodes]]:
    """The codes of pictures, and the network to decode them with: tile by tile if they are large together."""
    images = [desk.read(path) for path in paths]
    network = desk.network(*images)
    return network, [network.encode(image) for image in images]


def render(desk: Desk[SwappingModel], network: Autoencoder, codes: SwapCodes, out: Path) -> None:
    desk.write(network.decode(codes, **desk.rendering), out)


def cells(desk: Desk[SwappingModel], option: str, text: str) -> float:
    """A length in cells, from text that tells it in cells, or in pixels as 16px."""
    length = number(text.removesuffix("px"))
    if isnan(length) or length < 0:
        raise GraftError(f"{option} takes cells, such as 4, or pixels, such as 16px, not '{text}'.")
    return length / desk.model.config.stride if text.endswith("px") else length


def number(text: str) -> float:
    """The number that a text tells; NaN if it tells none, or an infinite one."""
    try:
        return float(text) if isfinite(float(text)) else nan
    except ValueError:
        return nan


def weighted(texts: Sequence[str]) -> tuple[list[Path], list[float]]:
    """Pictures and weights from texts FILE or FILE:WEIGHT."""
    paths, weights = [], []
    for text in texts:
        path, colon, weight = text.rpartition(":")
        if not colon or Path(text).exists():  # a name may hold a colon
            path, weight = text, "1"
        if isnan(number(weight)):
            raise GraftError(f"--texture takes a picture, as FILE or FILE:WEIGHT with a finite number, not '{text}'.")
        paths.append(Path(path))
        weights.append(number(weight))
    return paths, weights


def textures(texts: Sequence[str] | None) -> tuple[list[Path], list[float] | None]:
    """Pictures that give the texture, and their weights: None for each its own, none at all for their mean."""
    if not texts or list(texts) == ["seam"]:
        return [], None
    return ([], []) if list(texts) == ["mix"] else weighted(texts)


def painted(joined: SwapCodes, codes: Sequence[SwapCodes], weights: list[float] | None) -> SwapCodes:
    """Joined codes with the texture that `textures` told: as they are, or a mixture of the last codes, or of all."""

    if weights is None:
        return joined
    return blends.mixture(joined, codes[-len(weights) :], weights or [1.0] * len(codes))


def fitted(desk: Desk[SwappingModel], mask: Tensor, codes: SwapCodes, soft: float) -> Tensor:
    """A mask over a picture's pixels, whatever its own size and aspect, with soft edges."""

    height, width = (cells * desk.model.config.stride for cells in codes.structure.shape[2:])
    return masks.soften(masks.resized(mask, (height, width)), soft)


def place(photo: Path, text: str, square: bool) -> tuple[float, float]:
    """Shares of width and height, in the picture as read, of a place told in pixels of the file or percent of it."""

    sides = open_rgb(photo).size
    told = [(number(part.strip().removesuffix("%")), part.strip().endswith("%")) for part in text.split(",")]
    if len(told) != 2 or any(isnan(value) for value, _ in told):
        raise GraftError(f"--at takes x,y in pixels, such as 60,40, or in percent, such as 25%,50%, not '{text}'.")
    kept = [min(sides)] * 2 if square else list(sides)
    spots = [value / 100 * side if percent else value for (value, percent), side in zip(told, sides, strict=True)]
    shares = [(spot - (side - length) // 2) / length for spot, side, length in zip(spots, sides, kept, strict=True)]
    if not all(0 <= share <= 1 for share in shares):
        what = f"the central square (--square) of {photo}" if square else photo
        raise GraftError(f"--at {text} lies outside {what}, which has {kept[0]} × {kept[1]} pixels.")
    return shares[0], shares[1]
