#!/usr/bin/env python3
"""Neon nights of landscapes: another look that a network of landscapes is fine-tuned to.

    python neon.py pictures/alpine neon --count 800 --seed 1

Draws the first pictures of a folder as posters of the eighties did: a sky from indigo to pink, a striped sun that
sinks behind the mountains, everything else dark, and glowing tubes where its parts meet, pink far off and cyan near by.
The scene stays as it was, so neon differs from a landscape in the fine alone, by colour and light; prints (prints.py)
differ in the coarse as well. Needs numpy and pillow.
"""

import numpy as np
from PIL import Image, ImageFilter
from prints import over, redraw  # the script beside this one

SIDE = 256  # pixels at which it is drawn, before it is made smaller
ZENITH, DUSK = np.array([16, 6, 50]), np.array([226, 60, 148])  # of the sky, above and at the horizon
DARK = np.array([22, 8, 48])  # of everything that does not glow
PINK, CYAN = np.array([255, 70, 190]), np.array([60, 235, 255])  # tubes, far and near
GOLD, ROSE = np.array([255, 222, 96]), np.array([255, 64, 150])  # of the sun, above and below
FAINT = 2.5  # change of brightness between neighbours, of 255, that never makes a tube; else the upper tenth does
REACH = 5  # rows on either side of the skyline whose colours are compared
CLIMB, EFFORT = 5, 0.03  # rows that the skyline climbs at the most from column to column, and what a row costs
CLUTTER = 0.035  # what changes of colour above the skyline cost, as a share of those across it
SUNS = 0.6  # share of pictures that have one


def neon(picture: Image.Image, rng: np.random.Generator, size: int) -> Image.Image:
    """The neon night of a picture, `size` pixels a side."""
    drawing = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    flat = np.asarray(drawing.filter(ImageFilter.MedianFilter(5)).filter(ImageFilter.GaussianBlur(1.5)), float)
    sky, down = above(flat), np.linspace(0, 1, SIDE)[:, None]
    horizon = np.clip(sky.mean(), 0.2, 0.8)
    night = ramp(ZENITH, DUSK, np.clip(down / horizon, 0, 1).repeat(SIDE, 1) ** 1.6)
    if rng.random() < SUNS:
        disc, height = sun(horizon, rng)
        night = over(night, ramp(GOLD, ROSE, height), disc)
    grey = flat @ [0.299, 0.587, 0.114]
    ground = DARK + 0.3 * grey[..., None] * np.array([0.5, 0.35, 1.0])
    sheet = over(ground, night, sky)
    tubes = lines(grey) * (1 - sky) + rim(sky)
    tint = ramp(PINK, CYAN, np.clip((down - horizon) / (1 - horizon), 0, 1).repeat(SIDE, 1))
    glow = blurred(tubes, 5) * 1.5
    sheet = sheet + tint * np.clip(glow, 0, 1)[..., None] * 0.55
    sheet = over(sheet, 0.8 * tint + 51, np.clip(blurred(tubes, 0.8) * 1.4, 0, 1))
    return Image.fromarray(np.clip(sheet, 0, 255).astype(np.uint8)).resize((size, size), Image.Resampling.BOX)


def above(flat: np.ndarray) -> np.ndarray:
    """The sky (side, side), 1 or 0: what lies above the skyline, the best path from the left edge to the right one.

    A path is good where colours change across it, and change little above; and it costs to climb (dynamic
    programming)."""
    strip = np.pad(flat, ((REACH, REACH), (0, 0), (0, 0)), mode="edge").cumsum(0)
    means = (strip[REACH:] - strip[:-REACH]) / REACH  # of so many rows from each row on
    change = np.abs(means[REACH:] - means[:-REACH]).max(2)[:SIDE]
    change = np.clip(change / np.percentile(change, 97), 0, 1)
    change[: SIDE // 20] = 0
    worth = change - CLUTTER * change.cumsum(0)
    steps = np.arange(-CLIMB, CLIMB + 1)
    best, came = worth[:, 0], np.zeros((SIDE, SIDE), int)
    for x in range(1, SIDE):
        padded = np.pad(best, CLIMB, constant_values=-np.inf)
        options = np.stack([padded[CLIMB + step : CLIMB + step + SIDE] - abs(step) * EFFORT for step in steps])
        came[:, x] = steps[options.argmax(0)]
        best = options.max(0) + worth[:, x]
    line = [int(best.argmax())]
    for x in range(SIDE - 1, 0, -1):
        line.append(line[-1] + came[line[-1], x])
    return (np.arange(SIDE)[:, None] < np.array(line[::-1])).astype(float)


def rim(sky: np.ndarray) -> np.ndarray:
    """The line where the sky ends (side, side)."""
    across, down = (np.abs(np.diff(sky, axis=axis, append=0)) for axis in (1, 0))
    line = np.maximum(across, down)
    line[-1] = line[:, -1] = 0
    return line


def lines(grey: np.ndarray) -> np.ndarray:
    """Where the brightness changes at once (side, side), from 0 to 1."""
    across, down = (np.abs(np.diff(grey, axis=axis, prepend=grey[:, :1] if axis else grey[:1])) for axis in (1, 0))
    change = np.maximum(across, down)
    usual = max(FAINT, np.percentile(change, 90))
    return np.clip(change / usual - 1, 0, 1)


def sun(horizon: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A disc that sinks at the horizon, in stripes below (side, side), and how far down in it every row is."""
    radius = rng.uniform(0.16, 0.24) * SIDE
    x, y = rng.uniform(0.25, 0.75) * SIDE, horizon * SIDE - rng.uniform(0.5, 0.9) * radius
    down, across = np.mgrid[:SIDE, :SIDE]
    height = np.clip((down - y + radius) / (2 * radius), 0, 1)
    stripes = ((height * 9) % 1 < 1.25 - height) | (height < 0.4)
    return np.clip(radius - np.hypot(across - x, down - y), 0, 1) * stripes, height


def blurred(lights: np.ndarray, radius: float) -> np.ndarray:
    """Lights (side, side) in 0 to 1 with a halo."""
    picture = Image.fromarray((np.clip(lights, 0, 1) * 255).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)), float) / 255


def ramp(first: np.ndarray, last: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """From one colour to another (side, side, 3)."""
    return first + (last - first) * amount[..., None]


def main() -> None:
    redraw(neon, __doc__, 128)


if __name__ == "__main__":
    main()
