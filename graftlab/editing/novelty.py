"""How unlike known photos a picture is, and how well it comes out: `graft novelty`."""

import torch
from torch import Tensor

from graftlab.codes import Autoencoder, SwapCodes
from graftlab.editing.distributions import RECONSTRUCTION, Distribution, Novelty, reconstruction_errors

BEYOND = 95  # percentile of photos' reconstructions from which on a picture may not come out well


@torch.no_grad()
def measure(
    model: Autoencoder,
    known: Distribution,
    images: Tensor,
    codes: SwapCodes | None = None,  # what the model's encoder says of them, if that is known
) -> dict[str, list[Novelty]]:
    """How unlike the photos of a distribution pictures (N, 3, H, W) are: texture, structure and, unless the file is an
    older one, reconstruction. Use the size of the fit, since structures depend on scale."""
    codes = model.encode(images) if codes is None else codes
    return known.novelty(codes, reconstruction_errors(model, images, codes))


def comes_out_badly(model: Autoencoder, known: Distribution, image: Tensor, codes: SwapCodes | None = None) -> bool:
    """Whether one picture (1, 3, H, W) is reconstructed worse than BEYOND of 100 photos, if that is known."""
    found = measure(model, known, image, codes).get(RECONSTRUCTION)
    return found is not None and found[0].percentile > BEYOND
