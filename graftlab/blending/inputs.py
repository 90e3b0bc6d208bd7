"""The same latents, or the same photos, for any number of blends."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from graftlab.blending.blend import adopt
from graftlab.codes import Codes
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.swapping import SwappingModel

CodesIn = Callable[[Any], Codes]
"""A blend to the codes, always of the same inputs, that it is to decode."""


def seeds_in(
    base: StyleGAN2,
    seeds: Sequence[int],
    psi: float = 0.7,
    label: int | None = None,
    own: bool = False,  # every blend draws w by its own mapping; else all decode the base's
) -> CodesIn:
    """Numbered latent vectors. GraftError as `StyleGAN2.codes_of`, and later for blends that are not the base's."""
    codes = base.codes_of(seeds, psi, labels=label)
    if not own:
        return lambda blended: adopt(codes, base, blended)
    return lambda blended: blended.codes_of(seeds, psi, labels=label)


@torch.no_grad()
def photos_in(
    base: SwappingModel,
    images: Sequence[Tensor],  # (1, 3, H, W) of one size
    own: bool = True,  # every blend encodes them itself; else all decode the base's codes
) -> CodesIn:
    """Photos. GraftError for pictures that the base cannot encode, and later for blends that are not the base's."""
    codes = Codes.cat([base.encode(image) for image in images])
    if not own:
        return lambda blended: adopt(codes, base, blended)
    return torch.no_grad()(lambda blended: Codes.cat([blended.encode(image) for image in images]))
