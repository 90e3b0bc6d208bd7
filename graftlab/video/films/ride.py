"""Train rides: landscapes joined into one endless strip that passes the window.

A frame decodes the cells in the window and beside it, as far as the generator reaches, and moves the result by pixels
and shares of a pixel. Noise belongs to the place on the strip, so what one sees moves and does not flicker.
Interpolating the structure between cells instead would make every detail pulse, once per cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from math import floor
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.codes import SwapCodes
from graftlab.editing.blends import panorama, usual_overlap
from graftlab.editing.tiles import Tiled
from graftlab.errors import GraftError
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import Renderer
from graftlab.video.easing import easing
from graftlab.video.film import Film
from graftlab.video.films.drawing import check_finite
from graftlab.video.films.timeline import Edit
from graftlab.video.films.walk import spline

OVERLAP = 16  # cells
FASTEST = 1000  # widths of the film per second
JOIN = 2  # cells on both sides of the strip's end over which noise fades into that of the next round
SOFT = 0.25  # height of the transition between two bands of depth, as a share of a band


def endless(scenes: Sequence[SwapCodes], overlap: int) -> SwapCodes:
    """Structures and textures side by side, neighbours cross-faded over `overlap` cells, and the last with the first.

    GraftError for no scenes, and for what `panorama` refuses."""
    if not scenes:
        raise GraftError("A ride needs a landscape or more; name pictures.")
    joined = panorama([*scenes, scenes[0]], overlap)
    begin = scenes[0].structure.shape[3] // 2  # from the middle of the first to its middle again
    once = slice(begin, begin + joined.structure.shape[3] - scenes[0].structure.shape[3])
    return replace(joined.moved(joined.structure[..., once]), texture=joined.texture[..., once])


@dataclass(frozen=True)
class Band:
    """Rows of the picture that pass at one speed."""

    rows: slice  # of cells, decoded for it
    weight: Tensor  # (H, 1) over all rows of pixels: 1 inside, falling at both ends
    speed: float  # as a share of the nearest band's


def bands(height: int, stride: int, reach: int, count: int, parallax: float) -> list[Band]:
    """Rows (`height` cells) cut into bands of depth, the uppermost slower by the share `parallax`.

    Their weights add up to 1 everywhere."""
    pixels = torch.arange(height * stride) + 0.5
    thick = height * stride / count
    rises = [((pixels - i * thick) / (SOFT * thick) + 0.5).clamp(0, 1) for i in range(1, count)]
    edges = [torch.ones_like(pixels), *rises, torch.zeros_like(pixels)]
    found = []
    for i in range(count):
        weight = edges[i] - edges[i + 1]
        inside = weight.nonzero().flatten() // stride
        rows = slice(max(0, int(inside[0]) - reach), min(height, int(inside[-1]) + 1 + reach))
        found.append(Band(rows, weight[:, None], 1 - parallax * (1 - i / max(1, count - 1))))
    return found


def ride(
    renderer: Renderer[SwappingModel],
    scenes: Sequence[SwapCodes],  # one picture each, all of one height
    frames: int,
    fps: Fraction,
    width: int,  # of the film, pixels
    overlap: int | None = None,  # cells over which scenes melt into each other; None: 16, or a third of the narrowest
    speed: float = 0.25,  # of the nearest rows, in widths of the film per second; below 0 the other way
    ease: str = "linear",  # how the way is spread over the time
    parallax: float = 0.0,  # share by which the farthest rows, those above, are slower
    depths: int = 3,  # bands of different speed, if there is parallax
    closed: bool = False,  # whole rounds of the strip, the nearest to the speed: the film can be repeated
    texture: Edit | None = None,  # of each frame's codes, the whole strip; None: every scene keeps its own
    recipe: dict[str, Any] | None = None,
) -> Film:
    """The view out of the window, driving to the right. GraftError for options that make no sense."""
    check_finite(speed=speed, parallax=parallax)
    if abs(speed) > FASTEST:
        raise GraftError(f"A ride moves by at most {FASTEST} widths per second, not {speed:g} (--speed).")
    if not 0 <= parallax < 1:
        raise GraftError(f"Parallax lies between 0 (none) and 1, which {parallax:g} does not (--parallax).")
    if width < 1 or depths < 1:
        raise GraftError(f"A ride needs a width and a depth of 1 or more, not {width} and {depths}.")
    shared = usual_overlap(scenes, OVERLAP, "side") if overlap is None else overlap
    strip, curve, tiled = endless(scenes, shared), easing(ease), Tiled(renderer.model)
    stride, reach = tiled.stride, tiled.decoder_reach
    if depths > (rows := strip.structure.shape[2]):
        raise GraftError(f"These landscapes are {rows} cells high and have as many depths at the most, not {depths}.")
    layers = bands(strip.structure.shape[2], stride, reach, depths if parallax else 1, parallax)
    ways = [layer.speed * speed * width * frames / float(fps) for layer in layers]  # pixels
    if closed:
        once = strip.structure.shape[3] * stride
        ways = [(round(way / once) or (1 if speed >= 0 else -1)) * once for way in ways]

    @torch.no_grad()
    def frame(number: int) -> Tensor:
        codes, share = texture(strip, number) if texture else strip, curve(number / frames)
        images = []
        for layer, way in zip(layers, ways, strict=True):
            view = View(renderer, codes, layer.rows, stride, reach, closed, number)
            image = view.window(share * way, width)
            images.append(image * layer.weight.to(image))
        return reduce(torch.add, images)

    return Film(frames, fps, frame, recipe=recipe or {}, closed=closed)


@dataclass(frozen=True, eq=False)
class View:
    """Pixels of some rows of an endless strip."""

    renderer: Renderer[SwappingModel]
    codes: SwapCodes  # of the strip once
    rows: slice  # of cells
    stride: int  # pixels per cell
    reach: int  # of the generator, cells
    closed: bool  # every round has the same noise
    number: int  # of the frame

    def window(self, left: float, width: int) -> Tensor:
        """What is seen from `left` on, pixels from the strip's beginning, perhaps many rounds away.

        (1, 3, H, width), H of the whole strip, zero above and below the rows."""
        begin = floor(left)
        first, last = (begin - 1) // self.stride, -(-(begin + width + 2) // self.stride)  # the taps need 1 and 2 more
        image = self.join(first, last) if self.closed else self.draw(first, last)
        image = image[..., begin - 1 - first * self.stride :]
        # A cubic through four neighbours: a straight line between two would blur most halfway, and the blur would beat.
        image = reduce(torch.add, (tap * image[..., i : i + width] for i, tap in enumerate(spline(left - begin))))
        height = self.codes.structure.shape[2]
        return F.pad(image, (0, 0, self.rows.start * self.stride, (height - self.rows.stop) * self.stride))

    def draw(self, first: int, last: int) -> Tensor:
        """Cells `first` to `last`, with the noise of their place: another in every round."""
        begin, end = first - self.reach, last + self.reach
        structure, texture = self.codes.structure[:, :, self.rows], self.codes.texture
        cells = torch.arange(begin, end, device=structure.device) % structure.shape[3]
        part = replace(
            self.codes, structure=structure[..., cells], texture=texture[..., cells] if texture.ndim == 4 else texture
        )
        image = self.renderer.draw(part, self.number, origin=(self.rows.start, begin))
        return image[..., self.reach * self.stride :][..., : (last - first) * self.stride]

    def join(self, first: int, last: int) -> Tensor:
        """The same with every round alike: near its ends the noise of one fades into that of the next."""
        once, images = self.codes.structure.shape[3], []
        for lap in range((first - JOIN) // once, (last + JOIN - 1) // once + 1):
            begin, end = max(first, lap * once - JOIN), min(last, (lap + 1) * once + JOIN)
            image = self.draw(begin - lap * once, end - lap * once)
            at = torch.arange(begin * self.stride, end * self.stride).to(image) + 0.5 - lap * once * self.stride
            inside = torch.minimum(at, once * self.stride - at) / (2 * JOIN * self.stride) + 0.5
            beside = ((begin - first) * self.stride, (last - end) * self.stride)
            images.append(F.pad(image * inside.clamp(0, 1), beside))
        return reduce(torch.add, images)
