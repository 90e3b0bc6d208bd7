"""`graft sheet`: blends in rows and columns, on the same latents or photos."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import typer
from PIL import Image

from graftlab import images
from graftlab.blending import sheet as axes
from graftlab.blending.blend import check_resolutions
from graftlab.blending.layers import layers_of
from graftlab.blending.sheet import Artist, Axis, Cell, Sheet, Snapshot, gaps, snapshots_in
from graftlab.cli.blend_desk import CodesOf, Family, Force, family, shown_to
from graftlab.cli.blend_rules import fitting
from graftlab.cli.blending import Photos, photo_files
from graftlab.cli.desk import Device, picture, spare, writable
from graftlab.cli.progress import bar, console
from graftlab.cli.style import Class, Psi, shape
from graftlab.errors import GraftError
from graftlab.figures.deepzoom import check
from graftlab.figures.deepzoom import write as write_page
from graftlab.figures.sheets import Layout, block
from graftlab.images import to_image, to_tensor
from graftlab.networks.model import Network
from graftlab.work.files import atomic_write
from graftlab.work.parts import open_parts

AXES = "snapshots, models, levels, alpha, seeds or photos"
PAGE = ".html"
EASY = 128  # pixels to which small cells are enlarged, where there is room
ValueT = TypeVar("ValueT")


def sheet_file(path: Path) -> Path:
    """The path, if a picture or a page can be written there."""

    if path.suffix.lower() != PAGE:
        return picture(path)
    check(path)
    return writable(path)


def sheet(
    models: Annotated[list[str], typer.Argument(help="A, then B: a model, or a folder for all models in it, or more.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Picture (.png), or a page of any size (.html).", callback=sheet_file),
    ] = Path("sheet.png"),
    rows: Annotated[
        str | None,
        typer.Option(help=f"{AXES}, with values or without: levels:4,8,16. snapshots or alpha by default."),
    ] = None,
    columns: Annotated[
        str, typer.Option(help="The same; seeds and photos are those of --seeds and --photo.")
    ] = "levels",
    swap_at: Annotated[
        int | None, typer.Option("--swap-at", help="Level for all cells, if no axis has levels.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Share of B in all cells, if no axis sets it; 1 by default.")
    ] = None,
    level: Annotated[int, typer.Option(help="1 moves the switch at a level one convolution later.")] = 0,
    width: Annotated[
        float | None, typer.Option(help="Width of a gradual switch, such as 0.5; a hard switch by default.")
    ] = None,
    reverse: Annotated[
        bool, typer.Option("--reverse", help="Take layers up to the level from B, finer ones from A.")
    ] = False,
    part: Annotated[
        str | None, typer.Option(help="Part of autoencoders: encoder, generator or both (the default).")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Seeds of StyleGAN2s, all in every cell: 7 or 1,4,10-20; 0-3 by default.")
    ] = None,
    psi: Psi = 0.7,
    label: Class = None,
    photo: Photos = None,
    codes: CodesOf = None,
    force: Force = False,
    resume: Annotated[bool, typer.Option(help="Continue where the same command was interrupted.")] = True,
    device: Device = None,
) -> None:
    """Draw a grid of blends of the same latents or photos: snapshots by swap level, share by level, model by model.

    graft sheet faces.pkl runs/cartoons --columns levels:4,8,16,32 --seeds 1-4

    graft sheet faces.pkl cartoons.pkl --rows alpha:0,0.25,0.5,0.75,1 -o sheet.html

    graft sheet faces.pkl cartoons.pkl ponies.pkl --rows models --columns models --swap-at 16
    """

    spare(out, *models, *photo_files(photo))
    snapshots = expanded(models)
    rows = rows or ("alpha" if len(snapshots) == 2 else "snapshots")
    fitting_ends(rows, columns, len(snapshots), swap_at, alpha)
    desk = family([each.path for each in snapshots], force, device)
    fitting(desk.model, None, part, channels=False)
    codes_in, names = shown_to(desk.model, seeds, psi, label, photo, codes)
    common = Cell(
        *(snapshots[0].path, snapshots[-1].path, swap_at),
        alpha=1.0 if alpha is None else alpha,
        step=level,
        width=width,
        reverse=reverse,
        part=None if part == "both" else part,
    )
    chosen = Sheet(
        axis(rows, "--rows", snapshots, desk.model, names),
        axis(columns, "--columns", snapshots, desk.model, names),
        common,
    )
    layers = [layer for layer in layers_of(desk.model) if part in (None, "both", layer.part)]
    for cell in chosen.cells():
        check_resolutions(cell.rule(), layers)
    if chosen.cell(0, 0).level is None and (reverse or width is not None or level):
        raise GraftError("--reverse, --width and --level belong to a swap; add --swap-at, or an axis of levels.")
    draw(out, chosen, Artist(desk.load, codes_in, **desk.rendering), desk, resume)


# -- axes -------------------------------------------------------------------------------------------------------------


def expanded(models: Sequence[str]) -> list[Snapshot]:
    """The models, and in the place of a folder all that it holds; told if one of those seems to be missing."""

    found: list[Snapshot] = []
    for model in models:
        if not Path(model).is_dir():
            found.append(Snapshot(model, None))
            continue
        inside = snapshots_in(Path(model))
        found += inside
        for before, after in gaps(inside):
            note = f"{model}: between {before:,} and {after:,} images a snapshot seems to be missing"
            console.print(f"{note}; the sheet goes on without it.", soft_wrap=True)
    if len(found) < 2:
        raise GraftError("A sheet of blends needs two models or more; name A, and then B or a folder of snapshots.")
    return found


def fitting_ends(rows: str, columns: str, count: int, swap_at: int | None, alpha: float | None) -> None:
    """GraftError unless it is clear which two models a cell blends, and how."""
    kinds = [text.partition(":")[0] for text in (rows, columns)]
    if kinds.count("models") == 1:
        raise GraftError("The axis 'models' is for both: A down the rows, B across; or name 'snapshots' for B alone.")
    if "models" in kinds and swap_at is None and alpha is None:
        raise GraftError("Say how rows and columns blend: --swap-at, or --alpha.")
    if count > 2 and not {"models", "snapshots"} & {*kinds}:
        raise GraftError(f"{count} models are named, and a cell blends two; make 'snapshots' or 'models' an axis.")
    for option, given, kind in (("--swap-at", swap_at, "levels"), ("--alpha", alpha, "alpha")):
        if given is not None and kind in kinds:
            raise GraftError(f"{option} is for all cells, and the axis '{kind}' for each; leave one of them out.")


def axis(text: str, option: str, snapshots: Sequence[Snapshot], base: Network, names: Sequence[str]) -> Axis:
    """ "levels:4,8" as an axis. GraftError for another word, or values that it does not take."""

    kind, colon, listed = text.partition(":")
    values = listed.split(",") if colon else None
    if kind == "levels":
        return axes.levels(numbers(int, values, text, option) or generated(base))
    if kind == "alpha":
        return axes.alphas(numbers(float, values, text, option) or [0, 0.25, 0.5, 0.75, 1])
    if kind == "snapshots":
        later = snapshots[1:]
        wanted = numbers(int, values, text, option)
        chosen = axes.picked(later, wanted) if wanted else later
        labels = axes.short_names([each.path for each in chosen])
        told = [label if each.seen is None else each.label for label, each in zip(labels, chosen, strict=True)]
        return axes.models([each.path for each in chosen], "b", "snapshot", told)
    if values is None and kind == "models":
        letter = "a" if option == "--rows" else "b"
        return axes.models([each.path for each in snapshots], letter, f"model {letter.upper()}")
    if values is None and kind == base.takes:
        return axes.inputs(names, base.takes.removesuffix("s"))
    raise GraftError(f"{option} is one of {AXES}, such as levels:4,8,16 or {base.takes}, not '{text}'.")


def numbers(kind: Callable[[str], ValueT], values: Sequence[str] | None, text: str, option: str) -> list[ValueT]:
    """The values of an axis; none if none are given."""
    try:
        return [kind(value) for value in values or []]
    except ValueError:
        raise GraftError(f"{option} takes numbers behind the colon, such as levels:4,8,16, not '{text}'.") from None


def generated(base: Network) -> list[int]:
    """The resolutions of what makes the pictures, from the coarsest up."""

    return sorted({layer.resolution for layer in layers_of(base) if layer.part in ("synthesis", "generator")})


# -- drawing ----------------------------------------------------------------------------------------------------------


def draw(out: Path, chosen: Sheet, artist: Artist, desk: Family, resume: bool) -> None:
    """Make the rows that are not there yet, each a file in a hidden folder beside the sheet, and put all together."""

    first = artist.draw(chosen.cell(0, 0))
    in_a_row = shape(len(first))[1]
    layout, scale = laid_out(out, chosen, *block(first, in_a_row).shape[2:])
    across = layout.across
    with open_parts(out, ".png", 1, {"recipe": desk.recipe, "size": layout.size}, resume) as parts:
        done = min(parts.done(), layout.down)
        note = parts.note or (f"continued at row {done + 1}" if done else "")
        with bar("drawing cells", layout.down * across, done * across) as progress:
            for row in range(done, layout.down):
                cells = []
                for column in range(across):
                    cells.append(to_image(block(artist.draw(chosen.cell(row, column)), in_a_row, scale)))
                    progress(row * across + column + 1, note=note)
                strip = layout.row(row, cells)
                atomic_write(parts.path(row), partial(strip.save, format="PNG", compress_level=1))
        finish(out, chosen, layout, parts.files()[: layout.down], desk)
        parts.finished = True


def laid_out(out: Path, chosen: Sheet, height: int, width: int) -> tuple[Layout, int]:
    """The layout of cells of this size, and by how much small ones are enlarged.

    GraftError if it is too large for a picture, and none but a page would do."""

    rows, columns = chosen.rows.labels, chosen.columns.labels
    for scale in range(max(1, EASY // min(height, width)), 0, -1):
        layout = Layout(len(rows), len(columns), height * scale, width * scale, rows, columns, chosen.title)
        right, bottom = layout.size
        if right * bottom <= images.MAX_PIXELS:
            return layout, scale
    if out.suffix.lower() != PAGE:
        raise GraftError(
            f"A sheet of {right:,} × {bottom:,} pixels is too large for a picture; write a page, -o x.html."
        )
    return layout, 1


def finish(out: Path, chosen: Sheet, layout: Layout, files: list[Path], desk: Family) -> None:
    """All rows as one picture, or as a page with tiles."""

    if out.suffix.lower() != PAGE:
        whole = np.concatenate([*laid_in_order(layout, files)])
        desk.write(to_tensor(Image.fromarray(whole)), out)
        return
    rows, columns = ([f"{axis.name} {label}" for label in axis.labels] for axis in (chosen.rows, chosen.columns))
    grid = {**layout.grid(), "rows": rows, "columns": columns}
    with bar("cutting rows into tiles", len(files)) as progress:
        strips = laid_in_order(layout, files, progress)
        written = write_page(strips, layout.size, out, chosen.title, grid, desk.recipe)
    console.print(str(written), soft_wrap=True)


def laid_in_order(
    layout: Layout, files: Sequence[Path], progress: Callable[[int], None] = lambda done: None
) -> Iterator[np.ndarray]:
    """The sheet from the top down, one file open at a time: there may be more than a process may have open."""

    yield np.asarray(layout.head())
    for done, path in enumerate(files, start=1):
        with Image.open(path) as strip:
            yield np.asarray(strip)
        progress(done)
    yield np.asarray(layout.foot())
