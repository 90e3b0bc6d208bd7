"""A picture of how far each layer moved: one line per layer, with bars for its weights and for what it makes."""

from collections.abc import Sequence
from math import isfinite

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from graftlab.blending.diff import Moved
from graftlab.errors import GraftError
from graftlab.images import to_tensor

PAPER, INK, GRID = (255, 255, 255), (60, 60, 67), (225, 225, 228)
WEIGHTS, ACTIVATIONS = (0, 114, 178), (213, 94, 0)  # Okabe and Ito: safe for the colour-blind
TEXT, LINE, BARS, MARGIN = 13, 20, 420, 18  # height of letters and of a line, length of the longest bar, pixels


def chart(moved: Sequence[Moved], title: str) -> Tensor:
    """Relative distances as a picture (1, 3, H, W) in [-1, 1]. GraftError if there are no layers."""
    if not moved:
        raise GraftError("There are no layers to draw.")
    font = ImageFont.load_default(size=TEXT)
    names = [f"{each.name}  {each.resolution} px" for each in moved]
    weights = [_finite(each.weights.relative) for each in moved]
    made = [_finite(each.activations.relative) if each.activations else 0.0 for each in moved]
    longest = max(*weights, *made, 1e-9)
    heading = ImageFont.load_default(size=TEXT + 4)
    left = MARGIN + round(max(font.getlength(name) for name in names)) + MARGIN
    top = MARGIN + 3 * LINE
    width = max(left + BARS + 5 * MARGIN, round(heading.getlength(title)) + 2 * MARGIN)
    size = (width, top + len(moved) * LINE + MARGIN)
    paper = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(paper)
    draw.text((MARGIN, MARGIN), title, INK, heading, anchor="lt")
    for x, colour, text in ((left, WEIGHTS, "weights"), (left + 90, ACTIVATIONS, "activations")):
        draw.rectangle((x, top - LINE, x + 10, top - LINE + 10), colour)
        draw.text((x + 16, top - LINE + 5), text, INK, font, anchor="lm")
    for i, name in enumerate(names):
        y = top + i * LINE
        draw.line((MARGIN, y, size[0] - MARGIN, y), GRID)
        draw.text((left - MARGIN, y + LINE // 2), name, INK, font, anchor="rm")
        for offset, colour, value in ((3, WEIGHTS, weights[i]), (10, ACTIVATIONS, made[i])):
            if value > 0:
                draw.rectangle((left, y + offset, left + value / longest * BARS, y + offset + 6), colour)
        end = left + max(weights[i], made[i]) / longest * BARS
        figures = _short(weights[i]) + (f"  {_short(made[i])}" if moved[i].activations else "")
        draw.text((end + 8, y + LINE // 2), figures, INK, font, anchor="lm")
    return to_tensor(paper)


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 1000 else f"{value:.0e}"


def _finite(value: float) -> float:
    return value if isfinite(value) else 0.0
