"""`graft panorama`, `weave`, `regions`, `mix`, `edit` and `select`: pictures of several, and masks that say where."""

from pathlib import Path
from typing import Annotated

import typer

from graftlab.cli.desk import PictureOptions, ViewingOptions, seed_option
from graftlab.cli.options import spread
from graftlab.cli.output import Out, new_file, picture, spare, spare_each
from graftlab.cli.style import Psi
from graftlab.editing import masks
from graftlab.editing.directions import Directions, directions_beside
from graftlab.editing.distributions import Distribution, beside
from graftlab.editing.edits import Move, find_direction
from graftlab.errors import GraftError
from graftlab.rendering import stills
from graftlab.rendering.requests import parse_move, parse_place, parse_region, parse_textures, parse_weighted
from graftlab.work.texts import parse_length, parse_lengths

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
        if photos[0].is_dir():
            raise GraftError(f"{photos[0]} is a folder: name the pictures in it, in their order.")
        raise GraftError(f"{photos[0]} is one picture, and this takes two or more; name another (the same will do).")
    return photos


@spread
def panorama(
    photos: Annotated[
        list[Path], typer.Argument(help="Pictures, from left to right or from top to bottom.", callback=several)
    ],
    out: Out = Path("panorama.png"),
    how: Annotated[str, typer.Option(help="side (side by side) or stack (one above the other).")] = "side",
    overlap: Annotated[
        str | None,
        typer.Option(
            help="Overlap of neighbours, in cells, or in pixels as 16px; 8 cells by default. 16px,48px: one a seam."
        ),
    ] = None,
    fade: Annotated[
        str | None,
        typer.Option(help=FADE + " By default short, where structures are alike. 4px,16px: one for each seam."),
    ] = None,
    texture: Textures = None,
    options: PictureOptions = PictureOptions(),
) -> None:
    """Join structures into one wide or tall picture, in which they merge gradually.

    graft panorama @peaks @autumn-hills lake.jpg --overlap 48px -o panorama.png

    graft panorama @peaks @autumn-hills --texture evening.jpg -o panorama.png

    graft panorama @peaks @autumn-hills @peaks --overlap 32px,64px --fade 8px,64px -o panorama.png
    """

    others, weights = parse_textures(texture)
    spare(out, *photos, *others)
    desk = options.desk().together(photos)
    stride = desk.model.config.stride
    shared = None if overlap is None else parse_lengths(overlap, "--overlap", stride)
    length = None if fade is None else parse_lengths(fade, "--fade", stride)
    pictures, giving = desk.read_all(photos), desk.read_all(others)
    desk.write(stills.panorama(desk, pictures, shared, length, how, giving, weights), out)


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
) -> None:
    """Blend the structures of pictures of equal size, side by side, stacked, diagonally or along masks.

    graft weave @peaks @autumn-hills --along diagonal --fade 32px -o woven.png

    graft weave @peaks @autumn-hills --along mask.png --texture mix -o woven.png
    """

    ways = along or ["side"]
    files = [] if len(ways) == 1 and ways[0] in masks.HOW else ways
    if files and len(files) != len(photos) - 1:
        raise GraftError(
            f"--along is {', '.join(masks.HOW)}, or a mask for each picture but the first: {len(photos) - 1} of them, "
            f"not {len(files)}."
        )
    others, weights = parse_textures(texture)
    spare(out, *photos, *others, *files)
    along_masks = [masks.read(file) for file in files]
    desk = options.desk().together(photos)
    length, pictures, giving = (
        parse_length(fade, "--fade", desk.model.config.stride),
        desk.read_all(photos),
        desk.read_all(others),
    )
    desk.write(stills.weave(desk, pictures, along_masks or ways[0], length, giving, weights), out)


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
) -> None:
    """Give regions of a picture other pictures' textures, by masks; overlapping masks share in proportion.

    graft regions @peaks --texture sky.png=sunset.jpg --texture meadow.png=snow.jpg --soft 8 -o regions.png
    """

    pairs = [text.partition("=") for text in texture]
    if wrong := [text for text, pair in zip(texture, pairs, strict=True) if not all(pair)]:
        raise GraftError(f"--texture takes MASK=PICTURE, such as sky.png=sunset.jpg, not '{wrong[0]}'.")
    files, others = [mask for mask, _, _ in pairs], [Path(other) for _, _, other in pairs]
    spare(out, photo, *files, *others)
    where = [masks.read(file) for file in files]
    desk = options.desk()
    desk.write(stills.paint_regions(desk, desk.read(photo), where, desk.read_all(others), soft), out)


@spread
def mix(
    photo: Annotated[Path, typer.Argument(help="The picture that supplies the structure.")],
    texture: Annotated[
        list[str], typer.Option("--texture", "-t", help="A picture, FILE or FILE:WEIGHT; may be repeated.")
    ],
    out: Out = Path("mix.png"),
    own: Annotated[float, typer.Option(help="Weight of the picture's own texture.")] = 0.0,
    options: PictureOptions = PictureOptions(),
) -> None:
    """Give a picture a weighted mixture of textures; weights may have any sum.

    graft mix @peaks --texture snow.jpg:0.5 --texture night.jpg:0.3 --own 0.2 -o mix.png
    """

    others, weights = parse_weighted(texture)
    spare(out, photo, *others)
    desk = options.desk()
    desk.write(stills.mix(desk, desk.read(photo), desk.read_all(others), weights, own), out)


@spread
def edit(
    photo: Annotated[Path, typer.Argument(help="The picture that supplies the structure, and at first the texture.")],
    texture: Annotated[
        Path | None, typer.Option("--texture", "-t", help="A picture that supplies the texture, or part of it.")
    ] = None,
    random: Annotated[int | None, seed_option("Seed of a random texture, instead of a picture's.")] = None,
    psi: Psi = 0.8,
    amount: Annotated[float, typer.Option(help="How much of that texture: 0 none, 1 all, beyond exaggerated.")] = 1.0,
    structure_amount: Annotated[float, typer.Option(help="How much of the structure of --texture's picture.")] = 0.0,
    region: Annotated[
        list[str] | None,
        typer.Option(help="MASK=PICTURE, PICTURE's texture where the mask is white; or MASK~EDGE=PICTURE:AMOUNT."),
    ] = None,
    move: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=GAIN, so many standard deviations along a direction, or NAME=GAIN@MASK~EDGE. 'texture 3' and "
            "'structure 1' name principal components."
        ),
    ] = None,
    directions: Annotated[
        list[Path] | None,
        typer.Option("--directions", "-d", help="A file of directions; may be repeated. By default the model's own."),
    ] = None,
    out: Out = Path("edit.png"),
    options: PictureOptions = PictureOptions(),
) -> None:
    """Edit a picture: another texture or part of it, textures in regions, directions; as in `graft studio`.

    EDGE is the width of a mask's soft edge, in pixels; 8 by default.

    graft edit @peaks --texture @autumn-hills --amount 0.5 --move hour=1.5 -o edited.png

    graft edit @peaks --random 7 --region sky.png=sunset.jpg:0.8 --move "texture 3=-1@meadow.png~16" -o edited.png
    """

    painted, moved = [parse_region(text) for text in region or []], [parse_move(text) for text in move or []]
    files = [texture, *(each[0] for each in painted), *(each[2] for each in painted), *(each[2] for each in moved)]
    spare(out, photo, *files)
    desk = options.desk()
    if texture and structure_amount:
        desk = desk.together([photo, texture])
    known = Distribution.load(file) if (file := beside(options.model)).exists() else None
    if random is not None and known is None:
        raise GraftError(f"{options.model} did not come with the textures of its training, of which --random draws.")
    own = directions_beside(options.model)
    loaded = [Directions.load(file) for file in directions or ([own] if own.exists() else [])]
    moves = []
    for name, gain, mask, soft in moved:
        having = next((each for each in loaded if name in each.names), loaded[0] if loaded else None)
        found, full = find_direction(name, having, known)
        moves.append(Move(found, {full: gain}, masks.read(mask) if mask else None, soft))
    regions = [(masks.read(mask), desk.read(other), share, soft) for mask, soft, other, share in painted]
    drawn = (known, random, psi) if known is not None and random is not None else None
    other = desk.read(texture) if texture else None
    made = stills.edit(desk, desk.read(photo), other, amount, structure_amount, drawn, regions, moves)
    desk.write(made, out)


@spread
def select(
    photo: Annotated[Path, typer.Argument(help="A picture.")],
    at: Annotated[
        list[str], typer.Option(help="A position in the file, as 60,40 (pixels) or 25%,50%; may be repeated.")
    ],
    out: Out = Path("mask.png"),
    threshold: Annotated[float, typer.Option(help="Least similarity of selected cells, a cosine from -1 to 1.")] = 0.5,
    softness: Annotated[
        float, typer.Option(help="Range of cosines around the threshold over which the mask rises.")
    ] = 0.3,
    overlay: Annotated[
        Path | None, new_file("Also write a picture of the selection, with the rest in gray.", picture)
    ] = None,
    options: ViewingOptions = ViewingOptions(),
) -> None:
    """Make a mask of all places whose structure is similar to that of a given place.

    graft select @peaks --at 60,40 --threshold 0.6 -o mask.png --overlay seen.png
    """

    spare_each((out, overlay), photo)
    places = [parse_place(photo, text, options.square) for text in at]
    desk = options.desk()
    image = desk.read(photo)
    mask = stills.select(desk, image, places, threshold, softness)
    desk.write((mask * 2 - 1).expand_as(image), out)
    if overlay is not None:
        desk.write(masks.overlay(image, mask), overlay)
