"""Recursion: encode, move the structure, decode, and again with what came out.

The trick that keeps detail is to zoom out and to play the film backwards: one dives into a picture that was never
there, and at the end the photograph appears.

What is fed back must be held in check. What a decoder leaves out is lost for good, and after some steps a picture is
smooth: so each step takes back what the first picture lost, in the places that are now like those where it was, while
noise lets them become something else (`Detail`). Without that, a decoder gives every cell its full contrast again, and
where the motion is slow, as in the middle of a zoom, whatever alternates from cell to cell grows to stripes and checks:
softening the structure a little in each step prevents that.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from math import cos, isqrt, radians, sin, tan
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import Renderer
from graftlab.video.easing import easing
from graftlab.video.film import Film
from graftlab.video.films.detail import DETAILED, Detail, Keeper
from graftlab.video.films.drawing import check_finite
from graftlab.video.films.timeline import Edit
from graftlab.work.files import atomic_write
from graftlab.work.parts import seal, unsealed

SOFTENED = 0.05  # share that a cell gives to each neighbour where nothing else keeps stripes away


@dataclass(frozen=True)
class Motion:
    """An affine motion of the picture, per frame, about its centre."""

    zoom: float = 0.98  # factor; below 1 the picture shrinks, and its surroundings come in
    rotate: float = 0.0  # degrees, anticlockwise
    shift: tuple[float, float] = (0.0, 0.0)  # to the right and down, in widths and heights
    shear: float = 0.0  # degrees by which upright lines lean to the left

    def __post_init__(self) -> None:
        check_finite(zoom=self.zoom, rotate=self.rotate, shear=self.shear, shift=sum(self.shift))
        if not 0.1 <= self.zoom <= 10:
            raise GraftError(f"A zoom per frame lies between 0.1 and 10, which {self.zoom:g} does not.")
        if abs(self.shear) >= 80:
            raise GraftError(f"A shear lies between -80 and 80 degrees per frame, which {self.shear:g} does not.")

    def grid(self, size: tuple[int, int], amount: float = 1.0) -> Tensor | None:
        """Where each cell of a map (height, width) comes from, as `grid_sample` wants it: (1, h, w, 2).

        `amount` scales the motion; None if nothing moves."""
        still = (self.zoom, self.rotate, self.shear, *self.shift) == (1, 0, 0, 0, 0)
        if still or amount == 0:
            return None
        return F.affine_grid(self.back(size, amount)[None].float(), [1, 1, *size], align_corners=False)

    def back(self, size: tuple[int, int], amount: float = 1.0) -> Tensor:
        """The way back (2, 3) float64, from where something is to where it was, both sides running from -1 to 1."""
        angle, lean, zoom = radians(self.rotate * amount), tan(radians(self.shear * amount)), self.zoom**amount
        turn = torch.tensor([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]], dtype=torch.float64)  # y is down
        forth = zoom * turn @ torch.tensor([[1.0, lean], [0.0, 1.0]], dtype=torch.float64)
        sides = torch.tensor([size[1], size[0]], dtype=torch.float64)
        back = forth.inverse() * sides / sides[:, None]
        where = -back @ (2 * amount * torch.tensor(self.shift, dtype=torch.float64))
        return torch.cat([back, where[:, None]], 1)


def move_structure(structure: Tensor, grid: Tensor | None) -> Tensor:
    """A map (1, C, h, w) resampled; beyond its borders it is reflected."""
    if grid is None:
        return structure
    grid = grid.to(structure)
    return F.grid_sample(structure, grid, "bilinear", "reflection", align_corners=False)


def soften_structure(structure: Tensor, share: float) -> Tensor:
    """A map (1, C, h, w) whose cells give this share to each neighbour, along both sides.

    What alternates from cell to cell loses four times the share: at 0.25 it is gone."""
    if not share:
        return structure
    weights = structure.new_tensor([share, 1 - 2 * share, share])
    channels = F.pad(structure, (1, 1, 1, 1), mode="replicate").transpose(0, 1)
    return F.conv2d(channels, torch.outer(weights, weights)[None, None]).transpose(0, 1)


def match_colours(image: Tensor, like: Tensor, hold: float) -> Tensor:
    """A picture (1, 3, H, W) whose mean and deviation per channel are drawn towards another's: 0 not, 1 wholly."""
    if not hold:
        return image
    (mean, deviation), (wanted, spread) = ((x.mean((2, 3), True), x.std((2, 3), keepdim=True)) for x in (image, like))
    return torch.lerp(image, (image - mean) / deviation.clamp(min=1e-3) * spread + wanted, hold)


def recurse(
    renderer: Renderer[SwappingModel],
    picture: Tensor,  # (1, 3, H, W), the first frame
    frames: int,
    fps: Fraction,
    texture: Edit,  # of each frame's codes; the timeline of one key holds a texture
    motion: Motion = Motion(),
    hold_colours: float = 0.1,  # to the first frame's, in each step; 0 lets them drift, 1 holds the contrast too
    ramp: float = 0.0,  # seconds in which the motion sets in
    ease: str = "smooth",  # how it does
    soften: float | None = None,  # share that each cell gives to each neighbour; None: 0.05 without `detail`, or 0
    recipe: dict[str, Any] | None = None,
    detail: Detail | None = DETAILED,  # what keeps pictures from becoming smooth; None: nothing
) -> Film:
    """The film of a picture that goes through its codes again and again, its structure moved each time.

    GraftError for options that make no sense."""
    softness = (0.0 if detail else SOFTENED) if soften is None else soften
    check_finite(hold_colours=hold_colours, soften=softness, ramp=ramp)
    if not 0 <= hold_colours <= 1:
        raise GraftError(f"Colours are held from 0 (not) to 1 (wholly), not by {hold_colours:g} (--hold-colours).")
    if not 0 <= softness <= 0.25:
        raise GraftError(f"A structure is softened by 0 to 0.25, not by {softness:g} (--soften).")
    model, curve, steps = renderer.model, easing(ease), max(0.0, ramp * float(fps))

    def amount(number: int) -> float:
        return curve(number / steps) if number < steps else 1.0

    @cache  # with the first step, as it takes a while
    def keeper(detail: Detail) -> Keeper:
        size = (picture.shape[2], picture.shape[3])
        return Keeper(detail, model, picture, renderer.seed, lambda number: motion.back(size, amount(number)))

    @torch.no_grad()
    def step(image: Tensor, number: int) -> Tensor:
        codes = model.encode(image)
        grid = motion.grid((codes.structure.shape[2], codes.structure.shape[3]), amount(number))
        codes = replace(codes, structure=soften_structure(move_structure(codes.structure, grid), softness))
        if detail is None:
            drawn = renderer.draw(texture(codes, number), number).to(picture)
            return match_colours(drawn, picture, hold_colours).clamp(-1, 1)
        kept = keeper(detail)
        drawn = kept.draw(codes, lambda each: texture(each, number), lambda each: renderer.draw(each, number), number)
        return kept.balance(match_colours(drawn.to(picture), picture, hold_colours)).clamp(-1, 1)

    chain = Chain(picture, step, frames)
    return Film(frames, fps, chain, recipe=recipe or {}, remember=chain.remember)


class Chain:
    """Frames each of which follows from the one before, by number, forwards and backwards in twice the time of once.

    Kept are the first of each block and one whole block, about twice the root of all frames."""

    def __init__(self, first: Tensor, step: Callable[[Tensor, int], Tensor], frames: int) -> None:
        self._step, self._length = step, isqrt(max(frames, 1) - 1) + 1
        self._firsts = [first]
        self._folder: Path | None = None
        self._block: tuple[int, list[Tensor]] = (-1, [])

    def __call__(self, number: int) -> Tensor:
        wanted, position = divmod(number, self._length)
        if self._block[0] != wanted:
            for block in range(min(wanted, len(self._firsts) - 1), wanted + 1):
                self._block = block, self._made(block)
        return self._block[1][position]

    def remember(self, folder: Path) -> None:
        """Keep the first frame of each block in a folder too, and begin with those that are there."""
        self._folder = folder
        while path := unsealed(self._path(folder, len(self._firsts))):
            self._firsts.append(load_file(path)["picture"])

    def _path(self, folder: Path, block: int) -> Path:
        return folder / f"chain-{block * self._length:08d}.safetensors"

    def _made(self, block: int) -> list[Tensor]:
        images = [self._firsts[block]]
        for i in range(self._length):
            images.append(self._step(images[-1], block * self._length + i + 1))
        following = images.pop()
        if len(self._firsts) == block + 1:
            self._firsts.append(following)
            if self._folder:
                stored = save({"picture": following.contiguous()})
                seal(atomic_write(self._path(self._folder, block + 1), lambda file: file.write(stored)))
        return images
