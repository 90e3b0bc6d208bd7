"""Labelled sheets: many pictures in a grid, the form in which people judge this work by eye."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.images import MAX_PIXELS, to_image, to_tensor

_PAPER, _MAT, _INK = (255, 255, 255), (243, 243, 244), (60, 60, 67)
_SMALLEST_TEXT, _LARGEST_TEXT = 12, 28  # pixels
_LABEL = 18  # text heights that a row's label may be long, or the width of a picture if that is more


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
    that do not fit end in an ellipsis; they are set in Pillow's own font, which knows Latin letters only.
    GraftError if there is no picture, if the labels are not as many as the rows or columns, or above MAX_PIXELS."""
    if scale < 1 or gap < 0:
        raise GraftError(f"a sheet needs scale ≥ 1 and gap ≥ 0, got scale {scale} and gap {gap}.")
    pictures = [[None if cell is None else _enlarged(to_image(cell), scale) for cell in row] for row in cells]
    sizes = [picture.size for row in pictures for picture in row if picture]
    if not sizes:
        raise GraftError("a sheet needs at least one picture: every cell is empty.")
    across, down = max(map(len, pictures)), len(pictures)
    for labels, count, what in ((rows, down, "rows"), (columns, across, "columns")):
        if labels and len(labels) != count:
            raise GraftError(f"a sheet of {count} {what} has {len(labels)} labels for them: give {count} or none.")
    width, height = max(w for w, _ in sizes), max(h for _, h in sizes)

    text = min(max(height // 12, _SMALLEST_TEXT), _LARGEST_TEXT)
    font, heading = _font(text), _font(round(text * 1.4))
    margin, space = max(text, 2 * gap), text // 2
    widest = max((round(font.getlength(_one_line(label)) + 1) for label in rows), default=0)
    label_width = min(widest, max(width, _LABEL * text))
    left = margin + (label_width + space if rows else 0)
    top = margin + (2 * text + space if title else 0) + (text + space if columns else 0)
    right, bottom = (
        start + count * (side + gap) - gap for start, count, side in ((left, across, width), (top, down, height))
    )

    if (right + margin) * (bottom + margin) > MAX_PIXELS:
        raise GraftError(too_large(down, across, width, height))
    paper = Image.new("RGB", (right + margin, bottom + margin), _PAPER)
    draw = ImageDraw.Draw(paper)
    if title:
        draw.text((margin, margin), _fitted(title, heading, right - margin), _INK, heading, anchor="lt")
    for j, label in enumerate(columns):
        at = (left + j * (width + gap) + width / 2, top - space - text / 4)
        draw.text(at, _fitted(label, font, width), _INK, font, anchor="ms")
    for i, label in enumerate(rows):
        at = (left - space, top + i * (height + gap) + height / 2)
        draw.text(at, _fitted(label, font, label_width), _INK, font, anchor="rm")
    for i, row in enumerate(pictures):
        for j, picture in enumerate(row):
            if picture:
                x, y = left + j * (width + gap), top + i * (height + gap)
                paper.paste(_MAT, (x, y, x + width, y + height))
                paper.paste(picture, (x + (width - picture.width) // 2, y + (height - picture.height) // 2))
    return to_tensor(paper)


def too_large(down: int, across: int, width: int, height: int) -> str:
    """The sentence for a sheet of more than MAX_PIXELS."""
    return (
        f"A sheet of {down} × {across} pictures of {width} × {height} pixels has more than the {MAX_PIXELS // 10**6} "
        "million pixels a picture may have: take fewer or smaller pictures."
    )


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _enlarged(image: Image.Image, scale: int) -> Image.Image:
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def _one_line(label: str) -> str:
    return " ".join(label.split())


def _fitted(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The label, or as much of it as fits the width in pixels and an ellipsis."""
    label = _one_line(label)
    if font.getlength(label) <= width:
        return label
    while label and font.getlength(label + "…") > width:
        label = label[:-1].rstrip()
    return label + "…"
