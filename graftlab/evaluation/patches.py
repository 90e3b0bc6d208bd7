"""Co-occurrence of patches (Park et al. 2020, section 3.3) in figures: does a hybrid look as if cut from its texture?

The paper trains a discriminator to tell a picture's patches from those of a hybrid, given a few of the picture as
reference. Here a feature network judges, so that models trained with and without that discriminator can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.config import Recipe
from graftlab.objectives.swapping import Crops

REFERENCES = Recipe().crops  # patches of a photo whose features are averaged, as in training
PATCHES = 4  # patches of a photo or a hybrid that are held against them


@dataclass(frozen=True)
class Boxes:
    """Where photos and hybrids are cut: random boxes of 1/8 to 1/4 of the picture's sides."""

    photos: Crops  # the references first
    hybrids: Crops

    @classmethod
    def draw(cls, photos: int, hybrids: int, seed: int) -> "Boxes":
        """A function of the seed and the two numbers; PyTorch's own generator is left as it was."""
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(seed)
            return cls(
                Crops.draw(torch.empty(photos), Recipe(crops=REFERENCES + PATCHES)),
                Crops.draw(torch.empty(hybrids), Recipe(crops=PATCHES)),
            )


def cut(images: Tensor, boxes: Crops, indices: Sequence[int]) -> Tensor:
    """Patches (N, T, 3, s, s) of pictures (N, 3, S, S) at the boxes of these indices, s a quarter of S."""
    picked = list(indices)
    chosen = Crops(boxes.flip[picked], boxes.scale[picked], boxes.offset[picked])
    return chosen.cut(images.clamp(-1, 1), max(1, max(images.shape[2:]) // 4))


def co_occurrence(photos: Tensor, hybrids: Tensor, swaps: Sequence[tuple[int, int]]) -> dict[str, float]:
    """Share of patches whose features are nearer to the texture's photo than to the structure's, by cosine.

    photos (N, REFERENCES + PATCHES, D), hybrids (M, PATCHES, D), swaps M pairs (structure, texture); near is near to
    the mean over the references. Returns the share of the hybrids' patches, between what is known: that of patches of
    the structure's photo ("photos", about 0) and of further patches of the texture's ("own", about 1). A tie, as
    between two copies of a photo, is one half."""
    structures, textures = torch.tensor(swaps).unbind(1)
    references, others = photos[:, :REFERENCES].mean(1), photos[:, REFERENCES:]

    def share(patches: Tensor) -> float:
        near, far = (
            F.cosine_similarity(patches, references[chosen][:, None], dim=2) for chosen in (textures, structures)
        )
        return ((near - far).sign().double().mean().item() + 1) / 2

    return {"hybrids": share(hybrids), "photos": share(others[structures]), "own": share(others[textures])}
