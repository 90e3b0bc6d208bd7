"""Labelled sheets: many pictures in a grid, the form in which people judge this work by eye.

A sheet of ordinary size is one picture, `sheet`. One that is too large for that is made strip by strip, by a `Layout`,
which knows where everything is before there is any picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from graftlab import images
from graftlab.errors import GraftError
from graftlab.figures.fonts import Font, lettering
from graftlab.images import to_image, to_tensor

_PAPER, _MAT, _INK = (255, 255, 255), (243, 243, 244), (60, 60, 67)
_SMALLEST_TEXT, _LARGEST_TEXT = 12, 28  # pixels
EASY = 128  # pixels to which small pictures are enlarged
_SPACE = 16  # pixels on a sheet, for each picture's share of gaps and labels
_LABEL = 18  # text heights that a row's label may be long, or the width of a picture if that is more


@dataclass(frozen=True)
class Layout:
    """Where everything is on a sheet of equal cells, in pixels: a head, a strip for every row of cells, a foot.

    GraftError if the labels are not as many as the rows or columns."""

    down: int
    across: int
    height: int  # of a cell
    width: int
    rows: Sequence[str] = ()  # a label left of each row
    columns: Sequence[str] = ()  # a label above each column
    title: str | None = None
    gap: int = 4  # between cells

    def __post_init__(self) -> None:
        for labels, count, what in ((self.rows, self.down, "rows"), (self.columns, self.across, "columns")):
            if labels and len(labels) != count:
                raise GraftError(f"a sheet of {count} {what} has {len(labels)} labels for them: give {count} or none.")

    @property
    def text(self) -> int:
        """Height of the labels."""
        return min(max(self.height // 12, _SMALLEST_TEXT), _LARGEST_TEXT)

    @property
    def margin(self) -> int:
        return max(self.text, 2 * self.gap)

    @cached_property
    def label_width(self) -> int:
        """Of the rows' labels."""
        widest = max((round(_length(_one_line(label), self.text) + 1) for label in self.rows), default=0)
        return min(widest, max(self.width, _LABEL * self.text))

    @property
    def left(self) -> int:
        """Of the first column."""
        return self.margin + (self.label_width + self.text // 2 if self.rows else 0)

    @property
    def top(self) -> int:
        """Of the first row: the height of the head."""
        title = 2 * self.text + self.text // 2 if self.title else 0
        return self.margin + title + (self.text + self.text // 2 if self.columns else 0)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole sheet."""
        right = self.left + self.across * (self.width + self.gap) - self.gap
        bottom = self.top + self.down * (self.height + self.gap) - self.gap
        return right + self.margin, bottom + self.margin

    def grid(self) -> dict[str, Any]:
        """Where the cells are and what they are called, as JSON."""
        place = {"left": self.left, "top": self.top, "width": self.width, "height": self.height, "gap": self.gap}
        labels = {"rows": self.rows or [""] * self.down, "columns": self.columns or [""] * self.across}
        return {**place, **{what: list(names) for what, names in labels.items()}}

    def head(self) -> Image.Image:
        """The title and the columns' labels."""
        paper = self._paper(self.top)
        draw = ImageDraw.Draw(paper)
        if self.title:
            text, font = _fitted(self.title, round(self.text * 1.4), paper.width - 2 * self.margin)
            draw.text((self.margin, self.margin), text, _INK, font, anchor="lt")
        for j, label in enumerate(self.columns):
            at = (self._x(j) + self.width / 2, self.top - self.text // 2 - self.text / 4)
            text, font = _fitted(label, self.text, self.width)
            draw.text(at, text, _INK, font, anchor="ms")
        return paper

    def row(self, number: int, pictures: Sequence[Image.Image | None]) -> Image.Image:
        """A row of cells with its label, and the gap below it unless it is the last."""
        paper = self._paper(self.height + (self.gap if number < self.down - 1 else 0))
        if self.rows:
            label, font = _fitted(self.rows[number], self.text, self.label_width)
            at = (self.left - self.text // 2, self.height / 2)
            ImageDraw.Draw(paper).text(at, label, _INK, font, anchor="rm")
        for j, picture in enumerate(pictures):
            if picture:
                x = self._x(j)
                paper.paste(_MAT, (x, 0, x + self.width, self.height))
                paper.paste(picture, (x + (self.width - picture.width) // 2, (self.height - picture.height) // 2))
        return paper

    def foot(self) -> Image.Image:
        return self._paper(self.margin)

    def _x(self, column: int) -> int:
        return self.left + column * (self.width + self.gap)

    def _paper(self, height: int) -> Image.Image:
        return Image.new("RGB", (self.size[0], height), _PAPER)


def sheet(
    cells: Sequence[Sequence[Tensor | None]],  # row by row; None: an empty cell
    rows: Sequence[str] = (),  # a label left of each row
    columns: Sequence[str] = (),  # a label above each column
    title: str | None = None,
    gap: int = 4,  # between cells, pixels
    scale: int = 1,  # enlarge every picture by whole pixels, for 32 or 64 px models
) -> Tensor:
    """Lay pictures (1, 3, h, w) or (3, h, w) in [-1, 1] out in a labelled grid: one picture (1, 3, H, W) in [-1, 1].

    Every cell has the size of the largest picture; smaller ones are centred on a light mat, pixels unchanged. Labels
    that do not fit end in an ellipsis; letters that no font of this system has become Latin ones (`figures.fonts`).
    GraftError if there is no picture, if the labels are not as many as the rows or columns, or above MAX_PIXELS."""
    if scale < 1 or gap < 0:
        raise GraftError(f"a sheet needs scale ≥ 1 and gap ≥ 0, got scale {scale} and gap {gap}.")
    pictures = [[None if cell is None else enlarged(to_image(cell), scale) for cell in row] for row in cells]
    sizes = [picture.size for row in pictures for picture in row if picture]
    if not sizes:
        raise GraftError("a sheet needs at least one picture: every cell is empty.")
    across, down = max(map(len, pictures)), len(pictures)
    width, height = max(w for w, _ in sizes), max(h for _, h in sizes)
    layout = Layout(down, across, height, width, rows, columns, title, gap)
    if layout.size[0] * layout.size[1] > images.MAX_PIXELS:
        raise GraftError(too_large(down, across, width, height))
    return to_tensor(stacked([layout.head(), *map(layout.row, range(down), pictures), layout.foot()]))


def stacked(strips: Sequence[Image.Image]) -> Image.Image:
    """Strips of one width as one picture."""
    paper = Image.new("RGB", (strips[0].width, sum(strip.height for strip in strips)))
    top = 0
    for strip in strips:
        paper.paste(strip, (0, top))
        top += strip.height
    return paper


def block(pictures: Tensor, across: int, scale: int = 1) -> Tensor:
    """Pictures (N, 3, h, w) side by side, so many in a row and without gaps: one picture (1, 3, H, W)."""
    pictures = pictures.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    pictures = F.pad(pictures, (0, 0, 0, 0, 0, 0, 0, -len(pictures) % across), value=1)  # white
    rows = [torch.cat(list(row), dim=2) for row in pictures.split(across)]
    return torch.cat(rows, dim=1)[None]


def fit_scale(down: int, across: int, side: int, size: tuple[int, int] | None = None) -> int:
    """Whole pixels by which a sheet of so many pictures enlarges them, so that one can judge a small model by eye.

    Pictures of a model whose side is given are enlarged to about 128 pixels; `size` is their largest height and width,
    if they are not squares of that side. GraftError for a sheet that would be too large even so: best asked before the
    pictures are made."""
    height, width = size or (side, side)
    for scale in range(max(1, EASY // side), 0, -1):
        if down * across * (height * scale + _SPACE) * (width * scale + _SPACE) <= images.MAX_PIXELS:
            return scale
    raise GraftError(too_large(down, across, width, height))


def grid_shape(count: int) -> tuple[int, int]:
    """Rows and columns of a sheet of so many pictures, a little wider than high."""
    across = min(count, max(1, round((count * 1.5) ** 0.5)))
    return -(-count // across), across


def too_large(down: int, across: int, width: int, height: int) -> str:
    """The sentence for a sheet of more than MAX_PIXELS."""
    return (
        f"A sheet of {down} × {across} pictures of {width} × {height} pixels has more than the "
        f"{images.MAX_PIXELS // 10**6} million pixels a picture may have: take fewer or smaller pictures."
    )


def enlarged(image: Image.Image, scale: int) -> Image.Image:
    """By whole pixels."""
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def _one_line(label: str) -> str:
    return " ".join(label.split())


def _length(label: str, size: int) -> float:
    """Of a label whose letters are `size` pixels high."""
    text, font = lettering(label, size)
    return font.getlength(text)


def _fitted(label: str, size: int, width: int) -> tuple[str, Font]:
    """The label, or as much of it as fits the width in pixels and an ellipsis; and its font."""
    text, font = lettering(_one_line(label), size)
    if font.getlength(text) <= width:
        return text, font
    while text and font.getlength(text + "…") > width:
        text = text[:-1].rstrip()
    return text + "…", font
