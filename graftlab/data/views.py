"""Views: pictures of one scene in different light, whose swap is known.

If two pictures show one scene, then the hybrid of the first's structure and the second's texture is the second: nowhere
else does training know the right answer to a swap. Such pictures are called alike up to an "@" ("lake@dawn.jpg",
"lake@noon.jpg"), as a webcam or a renderer brings them. Of a picture that is alone, a second view is made by changing
its colours. That is poorer, but what augmentation changes is set apart from what it keeps (von Kuegelgen et al. 2021).
"""

from collections.abc import Sequence

import numpy as np


def scene(name: str) -> str:
    """What the names of a scene's views have in common: for "alps/lake@dawn.jpg", "alps/lake@"."""
    start = name.rfind("/") + 1
    return name[: name.find("@", start) + 1] or name


class Scenes:
    """Which of a list of names are views of one scene."""

    def __init__(self, names: Sequence[str]) -> None:
        self._members: dict[str, list[int]] = {}
        for index, name in enumerate(names):
            self._members.setdefault(scene(name), []).append(index)
        self._names = names

    def other(self, index: int, rng: np.random.Generator) -> int:
        """Another view of the same scene, or the same if there is none."""
        members = self._members[scene(self._names[index])]
        place = members.index(index)
        return members[(place + rng.integers(1, max(2, len(members)))) % len(members)]


def recoloured(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An image (H, W, 3) uint8 under another light: gamma, saturation, and a factor on each channel."""
    gamma = 2 ** rng.uniform(-0.8, 0.8)
    saturation = rng.uniform(0, 1.6)
    factor = 2 ** (rng.uniform(-0.7, 0.5) + rng.uniform(-0.4, 0.4, 3))
    x = (image / np.float32(255)) ** np.float32(gamma)
    grey = x.mean(2, keepdims=True)
    x = (grey + (x - grey) * np.float32(saturation)) * factor.astype(np.float32)
    return (x.clip(0, 1) * 255 + 0.5).astype(np.uint8)
