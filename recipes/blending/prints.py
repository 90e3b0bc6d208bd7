#!/usr/bin/env python3
"""Woodblock prints of landscapes: what a network of landscapes is fine-tuned to.

    python prints.py pictures/alpine prints --count 800 --seed 1

Prints the first pictures of a folder, each as woodcutters did: a few flat inks on warm paper, dark key lines
where plates meet, a blue gradation along the upper edge, and here and there a red sun. Mountains grow: of every picture
a narrower part is stretched to a square. So prints differ from landscapes in the coarse, by their steeper slopes, and
in the fine, by lines and flat colours, which makes them good to blend. Needs numpy and pillow.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

PLATE = 256  # pixels a side at which a print is cut, before it is made smaller
WIDTH = 0.62  # of a picture is stretched to the whole
PAPER = np.array([236, 222, 190])
KEY = np.array([38, 40, 66])  # the ink of lines
BLUE = np.array([34, 62, 120])  # of the gradation
RED = np.array([196, 58, 44])  # of the sun
STEP = 16  # between the brightness of two inks, of 255, from which on a line is cut
SUNS = 0.4  # share of prints that have one


def woodblock(picture: Image.Image, rng: np.random.Generator, size: int) -> Image.Image:
    """The print of a picture, `size` pixels a side."""
    width = WIDTH * picture.width
    left = rng.uniform(0, picture.width - width)
    drawing = picture.convert("RGB").resize(
        (PLATE, PLATE), Image.Resampling.LANCZOS, (left, 0, left + width, picture.height)
    )
    plates, inks = carve(drawing, int(rng.integers(6, 9)))
    brightness = (inks @ [0.299, 0.587, 0.114])[plates]
    sheet = mixed(inks, brightness)[plates]
    lines = outlines(brightness)
    if rng.random() < SUNS:
        sheet = over(sheet, RED, sun(plates, rng))
    sheet = over(sheet, BLUE, np.clip(1 - np.linspace(0, 3.5, PLATE), 0, 1)[:, None].repeat(PLATE, 1) ** 1.3 * 0.65)
    sheet = over(sheet, KEY, 0.85 * lines) + rng.normal(0, 6, (PLATE, PLATE, 1))  # the grain of the wood
    return Image.fromarray(np.clip(sheet, 0, 255).astype(np.uint8)).resize((size, size), Image.Resampling.BOX)


def carve(drawing: Image.Image, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of `count` plates prints each pixel (side, side), and the colours of the drawing there (count, 3)."""
    for _ in range(3):
        drawing = drawing.filter(ImageFilter.MedianFilter(7))
    flat = drawing.quantize(count, method=Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE)
    colours = np.array(flat.getpalette()[: 3 * count], float).reshape(-1, 3)
    smooth = Image.fromarray(np.asarray(flat)).filter(ImageFilter.ModeFilter(7))
    return np.asarray(smooth), colours


def mixed(colours: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Inks for colours: purer, using the whole range of brightness of the picture (side, side), seen on the paper."""
    grey = colours @ [0.299, 0.587, 0.114]
    low, high = np.percentile(brightness, [2, 98])
    wanted = 50 + 180 * np.clip((grey - low) / (high - low + 1e-6), 0, 1)
    pure = grey[:, None] + 1.5 * (colours - grey[:, None]) + 0.6 * (wanted - grey)[:, None]
    return np.clip(pure, 0, 255) * PAPER / 243


def outlines(brightness: np.ndarray) -> np.ndarray:
    """Where plates of different brightness meet (side, side), from 0 to 1, as lines with soft edges."""
    across = np.abs(np.diff(brightness, axis=1, prepend=brightness[:, :1]))
    down = np.abs(np.diff(brightness, axis=0, prepend=brightness[:1]))
    lines = Image.fromarray((np.maximum(across, down) > STEP).astype(np.uint8) * 255)
    soft = lines.filter(ImageFilter.MaxFilter(3)).filter(ImageFilter.GaussianBlur(0.9))
    return np.asarray(soft, float) / 255


def sun(plates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A disc (side, side) in the upper third, behind what other plates print than those of the sky."""
    x, y, radius = rng.uniform(0.15, 0.85) * PLATE, rng.uniform(0.14, 0.34) * PLATE, rng.uniform(0.07, 0.12) * PLATE
    down, across = np.mgrid[:PLATE, :PLATE]
    disc = np.clip(radius - np.hypot(across - x, down - y), 0, 1)
    return disc * np.isin(plates, np.unique(plates[: PLATE // 6]))


def over(sheet: np.ndarray, ink: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """An ink over a sheet (side, side, 3), as much of it as `amount` says, from 0 to 1."""
    return sheet + (ink - sheet) * amount[..., None]


def redraw(look: Callable[..., Image.Image], story: str | None, size: int) -> None:
    """The command line of a script that gives the pictures of a folder another look: look(picture, rng, size)."""
    parser = argparse.ArgumentParser(description=story, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="folder of square pictures")
    parser.add_argument("out", type=Path, help="folder for what is made of them")
    parser.add_argument("--count", type=int, default=800)
    parser.add_argument("--size", type=int, default=size, help="pixels a side (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    pictures = sorted(path for path in options.pictures.iterdir() if path.suffix in (".jpg", ".png"))
    if len(pictures) < options.count:
        parser.error(f"{options.pictures} holds {len(pictures)} pictures, which is less than {options.count}.")
    options.out.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures[: options.count]):
        rng = np.random.default_rng([options.seed, number])
        with Image.open(picture) as opened:
            look(opened, rng, options.size).save(options.out / f"{number:04d}.png")


def main() -> None:
    redraw(woodblock, __doc__, 64)


if __name__ == "__main__":
    main()
