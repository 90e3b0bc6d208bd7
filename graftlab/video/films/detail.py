"""Keeping a recursion's pictures as rich in detail as the first: what is remembered, what is new, and how much."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.codes import Autoencoder, SwapCodes
from graftlab.editing.recall import Recall, smooth
from graftlab.errors import GraftError
from graftlab.video.films.drawing import check_finite
from graftlab.video.films.world import World

FINE = 3 / 16  # cycles per pixel, above which something is detail
SPACING = 2.0  # of new structure, cells
REGION = 3.0  # in which one choice among what is alike is made, cells
TASTES = 6  # numbers that make up a choice
MOST = 1.5  # factor by which the finest band of a step is made stronger or weaker

Draw = Callable[[SwapCodes], Tensor]


@dataclass(frozen=True)
class Detail:
    """How much each step takes from the first picture, and how much is new. GraftError for what is out of range."""

    recall: float = 0.7  # share of the structure that becomes what is most alike in the first picture's
    novelty: float = 0.1  # noise in the structure, standard deviations of the first picture's
    variety: float = 0.1  # of the choice among what is about as much alike, as a share of the variance

    def __post_init__(self) -> None:
        check_finite(recall=self.recall, novelty=self.novelty, variety=self.variety)
        if not 0 <= self.recall <= 1:
            raise GraftError(f"A recursion recalls from 0 (nothing) to 1 (all), not {self.recall:g} (--recall).")
        if not (0 <= self.novelty <= 10 and 0 <= self.variety <= 10):
            raise GraftError(f"Novelty and variety lie from 0 to 10, not {self.novelty:g} and {self.variety:g}.")


DETAILED = Detail()


class Keeper:
    """The detail of one film, whose first picture is (1, 3, H, W)."""

    def __init__(
        self,
        detail: Detail,
        model: Autoencoder,
        picture: Tensor,
        seed: int,
        back: Callable[[int], Tensor],  # frame number to its motion, (2, 3) float64 between coordinates from -1 to 1
    ) -> None:
        self._detail, self._seed, self._back, self._worlds = detail, seed, back, [World.first()]
        self._memory = Recall(model, picture)
        self._wanted = fineness(picture)
        self._deviation = self._memory.codes.structure.std((2, 3), keepdim=True)

    def draw(self, codes: SwapCodes, edit: Callable[[SwapCodes], SwapCodes], draw: Draw, number: int) -> Tensor:
        """The picture of codes whose structure was moved: with what is new, and what the first picture has alike."""
        world, structure = self._world(number), codes.structure
        grid = (structure.shape[2], structure.shape[3])
        if self._detail.novelty:
            new = world.noise(self._seed, structure.shape[1], grid, SPACING, layer=1).to(structure)
            structure = structure + self._detail.novelty * self._deviation * new
        taste = self._detail.variety * world.noise(self._seed, TASTES, grid, REGION, layer=2)
        alike = self._memory.find(structure, taste if self._detail.variety else None)
        structure = torch.lerp(structure, self._memory.structure(alike), self._detail.recall)
        codes = edit(replace(codes, structure=structure))
        image = draw(codes)
        return image + self._memory.lost(alike, self._same_texture(codes)).to(image)

    def balance(self, image: Tensor) -> Tensor:
        """A picture whose finest band is made stronger or weaker, up to `MOST`, for as much detail as the first has."""
        coarse = smooth(image)
        fine = image - coarse
        a, b = _spectrum(fine), _spectrum(coarse)
        square, cross = float(a.abs().square().mean()), float((a * b.conj()).real.mean())
        rest = float(b.abs().square().mean()) - self._wanted
        gain = (sqrt(max(0.0, cross**2 - square * rest)) - cross) / max(square, 1e-12)  # of the quadratic equation
        return coarse + min(max(gain, 1 / MOST), MOST) * fine

    def _world(self, number: int) -> World:
        while len(self._worlds) <= number:
            self._worlds.append(self._worlds[-1].after(self._back(len(self._worlds))))
        return self._worlds[number]

    def _same_texture(self, codes: SwapCodes) -> float:
        """1 for the first picture's own texture, less for others: their colours are not what it lacks."""
        texture = codes.texture.flatten(2).mean(2) if codes.texture.ndim == 4 else codes.texture
        return float(F.cosine_similarity(texture, self._memory.codes.texture).clamp(min=0))


def fineness(picture: Tensor) -> float:
    """Detail of a picture (1, 3, H, W): mean square, in grey, of what is finer than 3/16 cycles per pixel."""
    return float(_spectrum(picture).abs().square().mean())


def _spectrum(picture: Tensor) -> Tensor:
    """Of the picture in grey, zero for all that is coarse; its mean square is that of the fine part."""
    grey = picture.float().mean(1)
    down, across = (torch.fft.fftfreq(side) for side in grey.shape[1:])
    fine = torch.hypot(*torch.meshgrid(down, across, indexing="ij")) > FINE
    return torch.fft.fft2(grey, norm="ortho") * fine.to(grey.device)
