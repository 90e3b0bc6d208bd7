"""Sheets of blends: in every cell another blend, or another input, and all else the same.

sheet(["faces.pkl", "cartoons.pkl"], "sheet.png", columns="levels:4,8,16", inputs=Inputs(seeds="1-4"))

grid = Grid(alphas([0, 0.5, 1]), levels([4, 8, 16]), Cell(a="faces.pkl", b="cartoons.pkl"))
artist = Artist(load, seeds_in(base, [1, 2, 3, 4]))
pictures = artist.draw(grid.cell(0, 2))
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from graftlab import images
from graftlab.blending.axes import Axis, Cell, check_axes, read_axis
from graftlab.blending.blend import blend, check_resolutions
from graftlab.blending.choices import doubt
from graftlab.blending.family import Family, Tell, ignore
from graftlab.blending.inputs import CodesIn, Inputs
from graftlab.blending.local import Where
from graftlab.blending.rules import Switch
from graftlab.blending.snapshots import expand
from graftlab.checkpoints.build import called
from graftlab.errors import GraftError
from graftlab.figures.deepzoom import check as check_page
from graftlab.figures.deepzoom import write as write_page
from graftlab.figures.sheets import EASY, Layout, block, grid_shape
from graftlab.images import to_image, to_tensor
from graftlab.inversion.sources import USUAL, Finding
from graftlab.networks.model import Network
from graftlab.work.files import atomic_write
from graftlab.work.parts import Parts, digests, open_parts, seal
from graftlab.work.progress import Progress, Watch, silent, unwatched

AT_ONCE = 8  # pictures decoded together
PAGE = ".html"
WHOLE, FEW, EVERYWHERE = Switch(), Inputs(), Where()


@dataclass(frozen=True)
class Grid:
    """Cells in rows and columns. GraftError if both axes change the same."""

    rows: Axis
    columns: Axis
    common: Cell
    of: str = ""  # the models, by name

    def __post_init__(self) -> None:
        if set(self.rows.steps[0][1]) & set(self.columns.steps[0][1]):
            raise GraftError(
                f"Rows ({self.rows.name}) and columns ({self.columns.name}) change the same; choose another axis for "
                "one of them (--rows, --columns)."
            )

    @property
    def title(self) -> str:
        return f"{f'{self.of}: ' if self.of else ''}{self.rows.name} down, {self.columns.name} across"

    def cell(self, row: int, column: int) -> Cell:
        return replace(self.common, **self.rows.steps[row][1], **self.columns.steps[column][1])

    def cells(self) -> Iterator[Cell]:
        return (self.cell(i, j) for i in range(len(self.rows.steps)) for j in range(len(self.columns.steps)))


class Artist:
    """Draws cells, one blend at a time: the next is written over the last."""

    def __init__(
        self, load: Callable[[str], Network], codes_in: CodesIn, where: Where = EVERYWHERE, **rendering: Any
    ) -> None:
        self.load, self.codes_in, self.where = load, codes_in, where
        self.rendering = rendering  # options of `decode`
        self._blend: tuple[Cell, Network, Any] | None = None  # and what is drawn

    @torch.no_grad()
    def draw(self, cell: Cell) -> Tensor:
        """Pictures (N, 3, H, W) of all inputs, or (1, 3, H, W) of the one that the cell shows."""
        blended, network = self._networks(replace(cell, shown=None))
        codes = self.codes_in(blended)
        if cell.shown is not None:
            codes = codes[cell.shown : cell.shown + 1]
        batches = (codes[start : start + AT_ONCE] for start in range(0, len(codes), AT_ONCE))
        return torch.cat([network.decode(batch, **self.rendering) for batch in batches])

    def _networks(self, cell: Cell) -> tuple[Network, Any]:
        done, blended, network = self._blend or (None, None, None)
        if blended is None or done != cell:
            a = self.load(cell.a)
            blended = blend(a, self.load(cell.b), cell.rule(), into=blended)
            network = self.where.confine(a, blended)
            self._blend = cell, blended, network
        return blended, network


def sheet(
    models: Sequence[str | Path],  # A, then B: paths or names, or a folder for all models in it, or more of each
    out: str | Path,  # a picture, or for any size a page (.html)
    rows: str | None = None,  # of `axes.AXES`, with values or without: "levels:4,8"; None: snapshots or alpha
    columns: str = "levels",
    switch: Switch = WHOLE,  # of all cells, as far as no axis has it
    inputs: Inputs = FEW,  # which all cells show; some seeds, or bundled photos
    where: Where = EVERYWHERE,  # the part of the picture in which blends are drawn
    codes: str | None = None,  # whose codes all blends decode: "base" or "own", as of `Inputs.codes_in`
    finding: Finding = USUAL,  # how codes of a StyleGAN2's photos are searched for
    force: bool = False,  # go on with networks that seem unrelated
    device: str | None = None,
    resume: bool = True,  # go on where the same call was interrupted
    recipe: Mapping[str, Any] | None = None,  # what else the picture is to remember of how it was made
    watch: Watch = unwatched,
    tell: Tell = ignore,
) -> Path:
    """Draw blends in rows and columns, all of the same latents or photos. Returns the path.

    Rows are kept in a hidden folder beside the sheet while it is made. GraftError for axes, models, inputs and a switch
    that do not go together, and for a picture that would be too large."""
    out = Path(out)
    if out.suffix.lower() == PAGE:
        check_page(out)
    elif out.suffix.lower() not in images.FORMATS:
        raise GraftError(f"{out} ends neither as a picture does nor in {PAGE}; name another file.")
    snapshots = expand(models, tell)
    down = rows or ("alpha" if len(snapshots) == 2 else "snapshots")
    check_axes(down, columns, len(snapshots), switch)
    family = Family([each.path for each in snapshots], force, device, watch=watch, tell=tell)
    base = family.base
    switch.check(base)
    where.require_place()
    for choice in where.choices:
        if sentence := doubt(choice.path, choice.clusters, [base]):
            tell(sentence)
    common = {field.name: getattr(switch, field.name) for field in fields(Switch)}

    def axes_of(names: Sequence[str]) -> Grid:
        return Grid(
            read_axis(down, "--rows", snapshots, base, names, inputs.axes(base)),
            read_axis(columns, "--columns", snapshots, base, names, inputs.axes(base)),
            Cell(a=snapshots[0].path, b=snapshots[-1].path, **common),
            f"{base.name}{' ... ' if len(snapshots) > 2 else ' and '}{called(Path(snapshots[-1].path))}",
        )

    layers = switch.layers(base)
    for cell in axes_of([""]).cells():  # before codes of photos are searched for
        check_resolutions(cell.rule(), layers)
    names, codes_in, _ = inputs.shown(base, where.whose(codes), family.kin, finding, watch, tell)
    grid = axes_of(names)
    rendering = {"noise": base.usual_noise, "seed": 0}
    made = {"model": base.fingerprint, **rendering, "models": family.fingerprints, **where.recipe}
    if base.takes == "seeds" and codes != "own":
        made["w"] = base.fingerprint  # whose codes all cells draw
    drawing = _Drawing(out, grid, Artist(family.load, codes_in, where, **rendering), {**(recipe or {}), **made})
    cells = [asdict(cell) for cell in grid.cells()]
    plan = {
        "recipe": drawing.recipe,
        "size": drawing.layout.size,
        "codes": codes,
        "inputs": {**asdict(inputs), **vars(finding)},
        **(digests(inputs.files) if base.takes == "photos" or inputs.photo else {}),
    }
    with open_parts(out, ".png", 1, {**plan, "cells": cells}, resume) as parts:
        with watch("drawing cells", len(cells), unit="cells") as progress:
            drawing.draw_rows(parts, progress)
        drawing.put_together(parts, watch)
        parts.finished = True
    return out


class _Drawing:
    """A sheet under way: a strip for every row, kept until all are there."""

    def __init__(self, out: Path, grid: Grid, artist: Artist, recipe: Mapping[str, Any]) -> None:
        self.out, self.grid, self.artist, self.recipe = out, grid, artist, recipe
        first = artist.draw(grid.cell(0, 0))
        self.in_a_row = grid_shape(len(first))[1]
        self.layout, self.scale = lay_out(out, grid, *block(first, self.in_a_row).shape[2:])

    def draw_rows(self, parts: Parts, progress: Progress) -> None:
        """Make the rows that are not there yet, and those that were damaged since."""
        across, done = self.layout.across, min(parts.done(), self.layout.down)
        note = parts.note or (f"continued at row {done + 1}" if done else "")
        progress(done * across, note=note)
        for row in range(done, self.layout.down):
            cells = []
            for column in range(across):
                cells.append(to_image(block(self.artist.draw(self.grid.cell(row, column)), self.in_a_row, self.scale)))
                progress(row * across + column + 1, note=note)
            strip = self.layout.row(row, cells)
            seal(atomic_write(parts.path(row), partial(strip.save, format="PNG", compress_level=1)))

    def put_together(self, parts: Parts, watch: Watch) -> None:
        """All rows as one picture, or as a page with tiles."""
        if self.out.suffix.lower() != PAGE:
            whole = np.concatenate([*self._strips(parts, silent)])
            images.write(to_tensor(Image.fromarray(whole)), self.out, self.recipe)
            return
        axes = (self.grid.rows, self.grid.columns)
        rows, columns = ([f"{axis.name} {label}" for label in axis.labels] for axis in axes)
        cells = {**self.layout.grid(), "rows": rows, "columns": columns}
        with watch("cutting rows into tiles", self.layout.down, unit="rows") as progress:
            strips = self._strips(parts, progress)
            write_page(strips, self.layout.size, self.out, self.grid.title, cells, self.recipe)

    def _strips(self, parts: Parts, progress: Progress) -> Iterator[np.ndarray]:
        """The sheet from the top down, one file open at a time: there may be more than a process may have open."""
        yield np.asarray(self.layout.head())
        for done, path in enumerate(parts.files()[: self.layout.down], start=1):
            with Image.open(path) as strip:
                yield np.asarray(strip)
            progress(done)
        yield np.asarray(self.layout.foot())


def lay_out(out: Path, grid: Grid, height: int, width: int) -> tuple[Layout, int]:
    """The layout of cells of this size, and by how much small ones are enlarged.

    GraftError if it is too large for a picture, and none but a page would do."""
    rows, columns = grid.rows.labels, grid.columns.labels
    for scale in range(max(1, EASY // min(height, width)), 0, -1):
        layout = Layout(len(rows), len(columns), height * scale, width * scale, rows, columns, grid.title)
        right, bottom = layout.size
        if right * bottom <= images.MAX_PIXELS:
            return layout, scale
    if out.suffix.lower() != PAGE:
        raise GraftError(
            f"A sheet of {right:,} × {bottom:,} pixels is too large for a picture; write a page, -o x.html."
        )
    return layout, 1
