"""Views: pictures of one scene in different light, whose true swap is known.

If two pictures show one scene, then the hybrid of the first's structure and the second's texture is the second: the
only swaps whose true result is known in training. Names of such pictures are equal up to an "@" ("lake@dawn.jpg",
"lake@noon.jpg"), as from a webcam or a renderer. A picture with only one view gets a second one by a change of colours.
That is weaker, but augmentation separates what it changes from what it keeps (von Kuegelgen et al. 2021).

Where scenes share their lights, as renderings can, the texture may come from another scene: of lake and hill at dawn
and at noon, the structure of lake@dawn and the texture of hill@noon make lake@noon. This is the swap that users want. A
texture code trained only on pairs of one scene may also encode that scene's share of sky and water.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLOCK = 4  # places that are filled together: two pairs, or two scenes in two lights


@dataclass(frozen=True)
class Block:
    """The images at four consecutive places. The hybrid at a place has its texture and its neighbour's structure."""

    ranks: Sequence[int]  # which training image
    framed: Sequence[int] = (0, 1, 2, 3)  # by which of the places it is cropped and mirrored
    truths: Sequence[int] = (-1, -1, -1, -1)  # at which of the places the hybrid is found; -1: nowhere
    recoloured: Sequence[bool] = (False, False, False, False)  # whether the image stands for another view of itself


def scene(name: str) -> str:
    """The common part of the names of a scene's views: for "alps/lake@dawn.jpg", "alps/lake@"."""
    start = name.rfind("/") + 1
    return name[: name.find("@", start) + 1] or name


def light(name: str) -> str:
    """The part of the name that distinguishes a scene's views: for "alps/lake@dawn.jpg", "dawn"."""
    return name[len(scene(name)) :].rpartition(".")[0]


class Scenes:
    """Which of a list of names are views of one scene, and, where scenes share their lights, in the same light."""

    def __init__(self, names: Sequence[str], shared_lights: bool = False) -> None:
        self._names = names
        self._members: dict[str, list[int]] = {}  # of each scene
        self._views: dict[str, dict[str, int]] = {}  # of each scene by light, where lights are shared
        self._under: dict[str, list[str]] = {}  # the scenes in each light
        for index, name in enumerate(names):
            self._members.setdefault(scene(name), []).append(index)
            if shared_lights and (of := light(name)):
                self._views.setdefault(scene(name), {})[of] = index
                self._under.setdefault(of, []).append(scene(name))

    def block(self, ranks: Sequence[int], rng: np.random.Generator) -> Block:
        """Four places whose hybrids are known, where images `ranks` would have come: two scenes in two lights if there
        are such with the first image, else the first and the third with another view of each."""
        if square := self._square(ranks[0], rng):
            return Block(square, framed=(0, 1, 0, 1), truths=(3, 2, 1, 0))
        one, two = self.other(ranks[0], rng), self.other(ranks[2], rng)
        alone = (False, one == ranks[0], False, two == ranks[2])
        return Block((ranks[0], one, ranks[2], two), (0, 0, 2, 2), (0, 1, 2, 3), alone)

    def other(self, index: int, rng: np.random.Generator) -> int:
        """Another view of the same scene, or the same if there is none."""
        members = self._members[scene(self._names[index])]
        place = members.index(index)
        return members[(place + rng.integers(1, max(2, len(members)))) % len(members)]

    def _square(self, index: int, rng: np.random.Generator) -> tuple[int, int, int, int] | None:
        """An image, another scene in another light, and the two with their lights exchanged."""
        here, dawn = scene(self._names[index]), light(self._names[index])
        views = self._views.get(here, {})
        lights = [other for other in views if other != dawn]
        rng.shuffle(lights)
        for noon in lights:
            if places := [place for place in self._under[dawn] if place != here and noon in self._views[place]]:
                there = self._views[places[rng.integers(len(places))]]
                return index, there[noon], views[noon], there[dawn]
        return None


def recoloured(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An image (H, W, 3) uint8 under another light: gamma, saturation, and a factor on each channel."""
    gamma = 2 ** rng.uniform(-0.8, 0.8)
    saturation = rng.uniform(0, 1.6)
    factor = 2 ** (rng.uniform(-0.7, 0.5) + rng.uniform(-0.4, 0.4, 3))
    x = (image / np.float32(255)) ** np.float32(gamma)
    grey = x.mean(2, keepdims=True)
    x = (grey + (x - grey) * np.float32(saturation)) * factor.astype(np.float32)
    return (x.clip(0, 1) * 255 + 0.5).astype(np.uint8)
