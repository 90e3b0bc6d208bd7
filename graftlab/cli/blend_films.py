"""`graft film blend`: a network that changes into another, on the same latents or photos."""

from typing import Annotated

import typer

from graftlab.blending.family import Family
from graftlab.blending.local import Where
from graftlab.cli.blend_desk import WHERE, CodesOf, FamilyDesk, Force, InputOptions
from graftlab.cli.desk import DEFAULT_MODEL
from graftlab.cli.filming import Ease, Shooting
from graftlab.cli.options import spread
from graftlab.cli.photo_search import PhotoSearch
from graftlab.cli.progress import bar, say
from graftlab.errors import GraftError
from graftlab.figures.sheets import grid_shape
from graftlab.inversion.sources import Finding
from graftlab.video.films import blends


@spread
def blend(
    models: Annotated[list[str], typer.Argument(help="Model files or names, two or more.")],
    shooting: Shooting,
    alpha: Annotated[str | None, typer.Option(help="Share of B over time, of two models: 0:1, or -0.5:1.5.")] = None,
    swap_at: Annotated[
        str | None, typer.Option(help="Resolution up to which layers are A's: 32, or over time, 64:4.")
    ] = None,
    width: Annotated[float | None, typer.Option(help="Width of the switch of --swap-at; 0.5 by default.")] = None,
    circle: Annotated[bool, typer.Option("--circle", help="Through all models and back to the first.")] = False,
    ease: Ease = "smooth",
    where: Annotated[Where, WHERE] = Where(),
    inputs: InputOptions = InputOptions(),
    codes: CodesOf = None,
    finding: PhotoSearch = Finding(),
    force: Force = False,
) -> None:
    """Change the network while the latents, or photos, stay fixed: from model to model, or by the level of a swap.

    graft film blend faces.pkl cartoons.pkl --seeds 1-6 -o cartoons.mp4

    graft film blend faces.pkl cartoons.pkl --photo me.jpg -o me.mp4

    graft film blend faces.pkl cartoons.pkl --swap-at 64:4 -o finer.mp4

    graft film blend faces.pkl cartoons.pkl --alpha 0:1 --clusters parts.json:3 --local -o mouth.mp4

    graft film blend faces.pkl cartoons.pkl ponies.pkl --circle --seconds 12 -o around.mp4
    """

    if shooting.model != DEFAULT_MODEL or shooting.size is not None:
        raise GraftError("The models are arguments of this command, and have their size; leave out --model and --size.")
    if shooting.refine:
        raise GraftError("A film of blends has the same codes for all its models; leave out --refine.")
    where.require_place()
    change = blends.schedule(len(models), alpha, swap_at, width, circle, ease)
    family = Family(models, force, shooting.device, shooting.precision, bar, say)
    names, codes_in, _ = inputs.shown(family.base, where.whose(codes), family.kin, finding, bar, say)
    frames, fps = shooting.length(3 * (len(models) - (not circle)) if alpha is swap_at is None else 4)
    networks, desk = [family.load(name) for name in models], FamilyDesk.of(family, shooting.noise, shooting.seed, where)
    across = grid_shape(len(names))[1]
    film = blends.blends(desk, networks, change, codes_in, frames, fps, circle, across, confine=where.confine)
    shooting.finish(film, desk, *models, *inputs.files, *where.files)
