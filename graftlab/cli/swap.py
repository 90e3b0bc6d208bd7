"""`graft swap`: the command that most people start with, and so alone with the few imports that it needs."""

from pathlib import Path
from typing import Annotated

import typer

from graftlab.cli.desk import PictureOptions, Tile
from graftlab.cli.options import spread
from graftlab.cli.output import Out, spare
from graftlab.editing import swaps


@spread
def swap(
    structure: Annotated[Path, typer.Argument(help="The picture that supplies the structure.")],
    texture: Annotated[Path, typer.Argument(help="The picture that supplies the texture.")],
    out: Out = Path("swap.png"),
    both: Annotated[bool, typer.Option("--both", help="Also write the reverse swap, as NAME-reverse.")] = False,
    tile: Tile = None,
    options: PictureOptions = PictureOptions(),
) -> None:
    """Combine one picture's structure with another's texture.

    graft swap @peaks @autumn-hills -o peaks-in-autumn.png --both
    """

    targets = (out, out.with_stem(out.stem + "-reverse")) if both else (out,)
    for target in targets:
        spare(target, structure, texture)
    desk = options.desk()
    a, b = desk.read(structure), desk.read(texture)
    network = desk.network(a, b, tile=tile)
    for target, hybrid in zip(targets, swaps.both(network, a, b, **desk.rendering), strict=False):
        desk.write(hybrid, target)
