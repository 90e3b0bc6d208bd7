"""The weights by which w enters a StyleGAN, which is all that closed-form factorisation needs."""

from collections.abc import Collection

from torch import Tensor

from graftlab.errors import GraftError
from graftlab.networks.style import StyleGAN


def affines(network: StyleGAN, layers: Collection[int]) -> list[Tensor]:
    """The affine layers (C, Cw) of the convolutions that read these rows of w, coarsest first ("A" in Fig. 2).

    The layers to red, green, blue are left out: they colour what is there; so is a StyleGAN3's input, which moves it.
    GraftError for rows that the model does not have."""
    if beyond := [layer for layer in layers if not 0 <= layer < network.config.layers]:
        raise GraftError(f"--layers: this model has layers 0 to {network.config.layers - 1}, not {beyond[0]}.")
    return [affine.scaled(1.0) for row, affine in network.synthesis.affines() if row in layers]
