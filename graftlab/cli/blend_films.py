"""`graft film blend`: a network that changes into another, on the same latents or photos."""

from typing import Annotated

import typer

from graftlab.cli.blend_desk import CodesOf, Force, family, shown_to
from graftlab.cli.blending import Photos, photo_files
from graftlab.cli.desk import DEFAULT_MODEL
from graftlab.cli.filming import Ease, Shooting, range_of
from graftlab.cli.options import spread
from graftlab.cli.style import Class, Psi, shape
from graftlab.errors import GraftError
from graftlab.video.films import blends


@spread
def blend(
    models: Annotated[list[str], typer.Argument(help="Model files or names, two or more.")],
    shooting: Shooting,
    alpha: Annotated[str | None, typer.Option(help="Share of B over time, for two models: 0:1, or -0.5:1.5.")] = None,
    swap_at: Annotated[
        str | None, typer.Option("--swap-at", help="Up to this resolution from A, over time: 64:4, or one.")
    ] = None,
    width: Annotated[float | None, typer.Option(help="Width of the switch of --swap-at; 0.5 by default.")] = None,
    circle: Annotated[bool, typer.Option("--circle", help="Pass through all models and return to the first.")] = False,
    ease: Ease = "smooth",
    seeds: Annotated[
        str | None, typer.Option(help="Seeds of StyleGAN2s, all in every frame: 7 or 1,4,10-20; 0-3 by default.")
    ] = None,
    psi: Psi = 0.7,
    label: Class = None,
    photo: Photos = None,
    codes: CodesOf = None,
    force: Force = False,
) -> None:
    """Change the network while the latents, or photos, stay fixed: from model to model, or by the level of a swap.

    graft film blend faces.pkl cartoons.pkl --seeds 1-6 -o cartoons.mp4

    graft film blend faces.pkl cartoons.pkl --swap-at 64:4 -o finer.mp4

    graft film blend faces.pkl cartoons.pkl ponies.pkl --circle --seconds 12 -o around.mp4
    """

    if shooting.model != DEFAULT_MODEL or shooting.size is not None:
        raise GraftError(
            "This command takes its models as arguments and uses their size; leave out --model and --size."
        )
    if shooting.refine:
        raise GraftError("A film of blends has the same codes for all its models; leave out --refine.")
    if len(models) < 2:
        raise GraftError("A film of blends needs two models or more.")
    moving = alpha is not None or swap_at is not None
    if moving and (len(models) > 2 or circle):
        raise GraftError("--alpha and --swap-at are for two models and no circle; leave them out.")
    if swap_at is None and width is not None:
        raise GraftError("--width belongs to --swap-at; leave it out or give that.")
    if moving:
        levels = None if swap_at is None else range_of(swap_at, "--swap-at")
        shares = (1.0, 1.0) if alpha is None else range_of(alpha, "--alpha")
        blending = blends.fading(shares, levels, blends.WIDTH if width is None else width, ease)
    else:
        blending = blends.passing(len(models), circle, ease)
    desk = family(models, force, shooting.device, shooting.noise, shooting.seed, shooting.precision)
    codes_in, names = shown_to(desk.model, seeds, psi, label, photo, codes)
    frames, fps = shooting.length(4 if moving else 3 * (len(models) - (not circle)))
    networks, across = [desk.load(path) for path in models], shape(len(names))[1]
    film = blends.blends(networks, blending, codes_in, frames, fps, circle, across, desk.noise, desk.seed)
    shooting.finish(film, desk, *models, *photo_files(photo))
