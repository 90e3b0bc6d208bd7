"""`graft pairs`, `graft distill` and `graft translate`: a blend's look in one pass."""

from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab.checkpoints.load import load
from graftlab.cli.desk import Desk, Device, Precision, Sharing, Square, stylegan
from graftlab.cli.enlarging import Enlarging
from graftlab.cli.options import Fields, count_option, spread
from graftlab.cli.output import Json, Out, numbered, print_figures, spare
from graftlab.cli.progress import bar, resumable
from graftlab.cli.training import COMMON, UNSET, Machine, RunFolder
from graftlab.config import DistillConfig, DistillRecipe, PairsConfig, TranslatorConfig
from graftlab.data.pairs import Pairs
from graftlab.errors import GraftError
from graftlab.networks.translator import Translator
from graftlab.rendering import stills
from graftlab.training.pairs import Drawing, draw_examples, make_pairs
from graftlab.training.start import configure_distillation
from graftlab.work.bulk import Bulk

EXAMPLES = 12  # pairs on the sheet


@spread
def pairs(
    base: Annotated[str, typer.Option(help="The StyleGAN2 that draws the photos.")],
    blend: Annotated[str, typer.Option(help="A StyleGAN2 made from it, which draws the targets.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of pairs; the same command continues it.")] = Path(
        "pairs"
    ),
    count: Annotated[int, count_option("Pairs to have, such as 50k.")] = 50_000,
    psi: Annotated[str, typer.Option(help="Truncation: a number, or a range of which each pair has its own.")] = (
        "0.5-1"
    ),
    as_json: Json = False,
    device: Device = None,
    *,
    settings: Annotated[dict[str, Any], Fields(PairsConfig, "keep seed")],
    bulk: Sharing = Bulk(),
) -> None:
    """Draw pairs of pictures of the same w with a base and its blend, for 'graft distill'; the same command resumes.

    graft pairs --base alps.safetensors --blend desert.safetensors --count 50k -o pairs/
    """

    desk, other = (stylegan(model, device=device) for model in (base, blend))
    drawing = Drawing(desk.model, other.model, PairsConfig(psi=truncation(psi), **settings))
    names = {"base": Path(base).name, "blend": Path(blend).name}
    with resumable("from the last whole thousand"), bar("drawing", count, unit="pairs") as progress:
        report = make_pairs(drawing, out, count, names=names, progress=progress, bulk=bulk)
    made = Pairs(out)
    scale = desk.scale(2, min(EXAMPLES, len(made)))
    desk.write(draw_examples(made, EXAMPLES, scale), out / "examples.jpg")
    print_figures(report.to_dict(), report.summary(), as_json)


def truncation(text: str) -> tuple[float, float]:
    """ "0.7" or "0.5-1". GraftError for anything else."""
    low, dash, high = text.partition("-")
    try:
        return float(low), float(high if dash else low)
    except ValueError:
        raise GraftError(f"--psi takes a number or a range, such as 0.7 or 0.5-1, not '{text}'.") from None


@spread
def distill(
    pairs: Annotated[Path, typer.Argument(help="Folder of pairs, from 'graft pairs'.")],
    run: RunFolder,
    *,
    sizes: Annotated[dict[str, Any], Fields(TranslatorConfig, "width blocks")],
    weights: Annotated[dict[str, float], Fields(DistillRecipe, "l1 gan matching features")],
    settings: Annotated[dict[str, Any], Fields(DistillConfig, COMMON, UNSET)],
    machine: Machine = Machine(),
) -> None:
    """Train a student that redraws photos in one pass, as inversion and a blend do in two; the same command resumes.

    graft distill pairs/ --run runs/student --images 200k

    graft translate me.jpg -m runs/student/best.safetensors -o redrawn.png
    """

    machine.train(configure_distillation(pairs, sizes, weights, machine.device, **settings), run)


@spread
def translate(
    photos: Annotated[list[Path], typer.Argument(help="Photos of any shape.")],
    model: Annotated[str, typer.Option("--model", "-m", help="A student, from 'graft distill'.")],
    out: Out = Path("translated.png"),
    size: Annotated[
        int | None, typer.Option(min=8, help="Short side of the pictures, in pixels; the student's by default.")
    ] = None,
    square: Square = False,
    enlarge: Annotated[
        bool, typer.Option("--enlarge", help="Enlarge smaller photos instead of refusing them.")
    ] = False,
    device: Device = None,
    precision: Precision = "float32",
    larger: Enlarging = Enlarging(),
) -> None:
    """Redraw photos with a student, in one pass; several become NAME-000, NAME-001 ...

    graft translate me.jpg -m runs/student/best.safetensors -o redrawn.png
    """

    network = load(model, Translator, device=device, precision=precision)
    desk = larger.on(Desk(network, size=size, square=square))
    names = numbered(out, len(photos))
    for name in names:
        spare(name, model, *photos)
    for photo, name in zip(photos, names, strict=True):
        desk.write(stills.translate(desk, photo, enlarge), name)
