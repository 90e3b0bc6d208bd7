"""The configuration of the authors' Swapping Autoencoder, inferred from the shapes of its checkpoint.

Their file says nothing about the options it was trained with. Code sizes and depths can be read off. Of capacities only
the channel counts are known that they lead to, so the simplest decimal is taken that leads to the same: the networks of
such a configuration are the same networks.
"""

import re
from collections.abc import Iterable, Mapping
from math import ceil, inf
from typing import Any

from graftlab.config import SwappingConfig
from graftlab.errors import GraftError

Shapes = Mapping[str, tuple[int, ...]]
Span = tuple[float, float]

GROWTHS = (2.0, *(step / 20 for step in range(20, 81) if step != 40))  # the authors', then any between 1 and 4
ASSUMED_SIZE = 256  # px, where no discriminator tells


def infer(shapes: Shapes, discriminators: bool = True) -> SwappingConfig:
    """Configuration of a state dict with these shapes; without `discriminators`, that of their part is the default.

    KeyError with the name of a tensor that is missing, GraftError if no configuration leads to these channels."""
    down = numbered(shapes, r"E\.DownToSpatialCode\.ResBlockDownBy(\d+)\.conv1\.Conv\.weight")
    texture_down = numbered(shapes, r"E\.DownToGlobalCode\.ConvLayerDownBy(\d+)\.Conv\.weight")
    heads = numbered(shapes, r"G\.HeadResnetBlock(\d+)\.conv1\.conv\.weight")
    texture = shapes["E.ToGlobalCode.0.weight"][0]
    growth, capacity = encoder(shapes, down, texture_down, texture)
    first, *ups = [
        shapes[f"G.{block}.conv1.conv.weight"][1]
        for block in (f"HeadResnetBlock{len(heads) - 1}", *(f"UpsamplingResBlock{16 << i}" for i in range(len(down))))
    ]
    widths = [first, *ups]
    generator = simplest(
        meet(whole(width, min(512, 128 * 2 ** (len(down) - i))) for i, width in enumerate(widths)), "G"
    )
    values: dict[str, Any] = {
        "structure_channels": shapes["E.ToSpatialCode.1.Conv.weight"][0],
        "texture_channels": texture,
        "downsamplings": len(down),
        "texture_downsamplings": len(texture_down),
        "encoder_capacity": capacity,
        "encoder_growth": growth,
        "generator_capacity": generator,
        "head_blocks": len(heads),
        "antialias": shapes.get("E.DownToSpatialCode.ResBlockDownBy1.conv2.Blur.kernel", (1, 1)) != (1, 1),
    }
    size = ASSUMED_SIZE
    if discriminators:
        size, of_images = image_discriminator(shapes)
        values |= of_images | patch_discriminator(shapes)
    return SwappingConfig(size=size, **values)


def encoder(shapes: Shapes, down: list[int], texture_down: list[int], texture: int) -> tuple[float, float]:
    """Growth and capacity that give the encoder's channels."""
    widths = [shapes["E.FromRGB.Conv.weight"][0]]
    widths += [shapes[f"E.DownToSpatialCode.ResBlockDownBy{by}.conv2.Conv.weight"][0] for by in down]
    widths += [shapes[f"E.DownToGlobalCode.ConvLayerDownBy{by}.Conv.weight"][0] for by in texture_down]
    for growth in GROWTHS:
        spans = (
            ((width - 0.5) / growth ** (5 + i), inf if width == texture else (width + 0.5) / growth ** (5 + i))
            for i, width in enumerate(widths)
        )
        low, high = meet(spans)
        if low < high:
            return growth, simplest((low, high), "E")
    raise GraftError(f"no growth of its channels explains the encoder's {', '.join(map(str, widths))}")


def image_discriminator(shapes: Shapes) -> tuple[int, dict[str, float]]:
    """Size of the training pictures, and the discriminator's part of the configuration."""
    named = numbered(shapes, r"D\.stylegan2_D\.convs\.(\d+)x\1\.conv1\.Conv\.weight")
    plain = numbered(shapes, r"D\.stylegan2_D\.convs\.([1-9])\.conv1\.Conv\.weight")
    resolutions = sorted({*named, *(2 ** (9 - block) for block in plain)}, reverse=True)
    widest = shapes["D.stylegan2_D.final_conv.Conv.weight"][0]
    inputs = [shapes["D.stylegan2_D.convs.0.Conv.weight"][0]]
    blocks = [f"{size}x{size}" if size in named else str(9 - size.bit_length() + 1) for size in resolutions]
    inputs += [shapes[f"D.stylegan2_D.convs.{block}.conv2.Conv.weight"][0] for block in blocks[:-1]]
    spans = (
        whole(width, 1024 * min(1, 32 / size), widest)
        for size, width in zip(resolutions, inputs, strict=True)
        if size > 8
    )
    cells = shapes["D.stylegan2_D.final_linear.0.weight"][1] // widest
    size = round(cells**0.5) * resolutions[0] // 4
    return size, {"discriminator_capacity": simplest(meet(spans), "D"), "discriminator_max_channels": widest}


def patch_discriminator(shapes: Shapes) -> dict[str, float]:
    named = numbered(shapes, r"Dpatch\.convs\.(\d+)x\1\.conv1\.Conv\.weight")
    plain = numbered(shapes, r"Dpatch\.convs\.([1-4])\.conv1\.Conv\.weight")
    resolutions = sorted({*named, *(2 ** (7 - block) for block in plain)}, reverse=True)
    widest = shapes["Dpatch.convs.6.Conv.weight"][0]
    inputs = [
        shapes[f"Dpatch.convs.{f'{size}x{size}' if size in named else 8 - size.bit_length()}.conv1.Conv.weight"][1]
        for size in resolutions
    ]
    spans = (
        whole(width, 1024 / size, widest if size <= 16 else None)
        for size, width in zip(resolutions, inputs, strict=True)
    )
    return {
        "patch_size": resolutions[0],
        "patch_capacity": simplest(meet(spans), "Dpatch"),
        "patch_max_channels": widest,
        "patch_hidden": shapes["Dpatch.pairlinear.0.weight"][0],
    }


# -- arithmetic of spans ----------------------------------------------------------------------------------------------


def numbered(shapes: Iterable[str], pattern: str) -> list[int]:
    """The numbers that a pattern's group takes among the names, in order."""
    return sorted(int(match[1]) for name in shapes if (match := re.fullmatch(pattern, name)))


def whole(width: int, per_unit: float, limit: int | None = None) -> Span:
    """Capacities for which int(per_unit * capacity), cut at `limit`, is `width`."""
    return width / per_unit, inf if width == limit else (width + 1) / per_unit


def meet(spans: Iterable[Span]) -> Span:
    """What spans have in common; empty if low >= high."""
    lows, highs = zip((0.0, inf), *spans, strict=True)
    return max(lows), min(highs)


def simplest(span: Span, part: str) -> float:
    """The decimal of the fewest digits in a span."""
    low, high = span
    for digits in range(12):
        value = ceil(round(low * 10**digits, 6)) / 10**digits
        if low <= value < high:
            return value
    raise GraftError(f"no capacity explains the channels of {part}")
