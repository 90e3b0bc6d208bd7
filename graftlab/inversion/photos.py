"""`invert`: photos to the codes of a StyleGAN2 in one call, what `graft invert` does by files."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from graftlab.codes import StyleCodes
from graftlab.inversion.crops import Box, cut
from graftlab.inversion.likeness import Likeness
from graftlab.inversion.search import Search, Settings, drawn
from graftlab.inversion.work import carry_out
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.perception.efficientnet import DEFAULT, efficientnet_lite
from graftlab.work.progress import Progress, silent


@dataclass(frozen=True, eq=False)
class Inversion:
    """What was found for photos."""

    codes: StyleCodes  # w (N, L, Cw)
    photos: Tensor  # (N, 3, H, W) in [-1, 1]: the part of each that was searched for, at the size of the model's
    images: Tensor  # (N, 3, H, W), what the model draws of the codes


def invert(
    model: StyleGAN2,
    photos: Tensor | Sequence[Tensor],  # (N, 3, H, W) in [-1, 1] of any size, or several of different sizes
    steps: int = 500,
    space: str = "w+",  # "w": the same row for every layer; "w+": a row for each, which finds more and means less
    features: float = 1.0,  # weight of the deep-feature distance (extra `metrics`)
    pixels: float = 1.0,  # weight of the squared difference of pixels
    enlarge: bool = False,  # take photos smaller than the model's pictures too
    seed: int = 0,
    batch: int = 8,  # photos drawn at once, which memory bounds and the result does not depend on
    progress: Progress = silent,
) -> Inversion:
    """Codes from which a StyleGAN2 draws photos, all at once, by descent (Karras et al. 2020, appendix D).

    Of a photo the middle is taken, in the shape of the model's pictures. GraftError for photos that are smaller than
    those, unless they may be enlarged, and for settings that make no sense."""
    settings = Settings(space=space, steps=steps, seed=seed)
    size, several = model.config.resolutions[-1], [photos] if isinstance(photos, Tensor) else photos
    images = torch.cat(
        [cut(image, Box.central(image, size), size, "the photo", enlarge) for image in several],
    )
    place = next(model.parameters()).device
    network = efficientnet_lite(DEFAULT, place) if features else None
    search = Search(model, Likeness(images.to(place), network, features, pixels, batch), settings, batch=batch)
    carry_out(search, progress)
    return Inversion(search.codes, images, drawn(model, search.codes, batch))
