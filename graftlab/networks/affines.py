"""The weights by which w enters a StyleGAN2, which is all that closed-form factorisation needs."""

from collections.abc import Collection

from torch import Tensor

from graftlab.errors import GraftError
from graftlab.networks.stylegan2 import StyleGAN2, SynthesisBlock


def affines(network: StyleGAN2, layers: Collection[int]) -> list[Tensor]:
    """The affine layers (C, Cw) of the convolutions that read these rows of w, coarsest first ("A" in Fig. 2).

    The layers to red, green, blue are left out: they colour what is there.
    GraftError for rows that the model does not have."""
    if beyond := [layer for layer in layers if not 0 <= layer < network.config.layers]:
        raise GraftError(f"--layers: this model has layers 0 to {network.config.layers - 1}, not {beyond[0]}.")
    found = []
    for block in network.synthesis.blocks:
        assert isinstance(block, SynthesisBlock)
        for styled, row in ((block.up, block.layer - 1), (block.conv, block.layer)):
            if styled is not None and row in layers:
                found.append(styled.conv.modulation.affine.scaled(1.0))
    return found
