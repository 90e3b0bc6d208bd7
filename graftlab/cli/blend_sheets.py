"""`graft sheet`: blends in rows and columns, on the same latents or photos."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from graftlab.blending.axes import AXES
from graftlab.blending.local import Where
from graftlab.blending.rules import Switch
from graftlab.blending.sheets import PAGE
from graftlab.blending.sheets import sheet as draw
from graftlab.cli.blend_desk import HOW, WHERE, CodesOf, Force, InputOptions
from graftlab.cli.desk import Device, made_by
from graftlab.cli.options import spread
from graftlab.cli.output import out_file, spare, writable
from graftlab.cli.photo_search import PhotoSearch
from graftlab.cli.progress import bar, resumable, say
from graftlab.errors import GraftError
from graftlab.images import FORMATS
from graftlab.inversion.sources import Finding


def sheet_file(path: Path) -> Path:
    """The path, if a picture or a page can be written there."""
    if path.suffix.lower() not in (PAGE, *FORMATS):
        raise GraftError(
            f"{path} ends neither as a picture does nor in {PAGE}; choose among {', '.join(FORMATS)}, {PAGE}."
        )
    return writable(path)


@spread
def sheet(
    models: Annotated[list[str], typer.Argument(help="A, then B: a model, or a folder for all models in it, or more.")],
    out: Annotated[Path, out_file("Picture (.png), or a page of any size (.html).", sheet_file)] = Path("sheet.png"),
    rows: Annotated[
        str | None,
        typer.Option(help=f"{AXES}, with values or without: levels:4,8,16. snapshots or alpha by default."),
    ] = None,
    columns: Annotated[
        str, typer.Option(help="The same; seeds and photos are those of --seeds and --photo.")
    ] = "levels",
    switch: Annotated[Switch, HOW] = Switch(),
    where: Annotated[Where, WHERE] = Where(),
    inputs: InputOptions = InputOptions(),
    codes: CodesOf = None,
    finding: PhotoSearch = Finding(),
    force: Force = False,
    resume: Annotated[bool, typer.Option(help="Continue where the same command was interrupted.")] = True,
    device: Device = None,
) -> None:
    """Draw a grid of blends of the same latents or photos: snapshots by swap level, share by level, model by model.

    graft sheet faces.pkl runs/cartoons --columns levels:4,8,16,32 --seeds 1-4

    graft sheet faces.pkl runs/cartoons --photo me.jpg -o me.png

    graft sheet faces.pkl cartoons.pkl --rows alpha:0,0.25,0.5,0.75,1 -o sheet.html

    graft sheet faces.pkl cartoons.pkl --columns levels:4,8,16 --clusters parts.json:3 --local

    graft sheet faces.pkl cartoons.pkl ponies.pkl --rows models --columns models --swap-at 16
    """

    spare(out, *models, *inputs.files, *where.files)
    with resumable("at its row") if resume else nullcontext():
        made, shown = made_by(), (inputs, where, codes, finding)
        say(draw(models, out, rows, columns, switch, *shown, force, device, resume, made, bar, say))
