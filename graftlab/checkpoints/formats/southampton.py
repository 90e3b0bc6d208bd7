"""Checkpoints of the reproduction at the University of Southampton (COMP6248 reproducibility challenge, 2021).

Their `optimiser.pt` is the state dict of the whole model: `encoder.*`, `generator.*`, `discriminator.*` and
`patch_discriminator.*`. The networks are the authors' under other names, with four head blocks, but for one layer:
trained on pictures of up to 64 px, the texture branch ends in a 1x1 convolution. No weights were published.
"""

from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.model_file import ModelFile
from graftlab.errors import GraftError

THEIRS = ("encoder.fromRGB.Conv.weight", "generator.TexturalModulation.scale.weight")  # no other network's names


def read(contents: Contents) -> ModelFile | None:
    """GraftError with the reason if it is such a checkpoint; never a model."""
    if not isinstance(contents.tree, dict) or not all(name in contents.tree for name in THEIRS):
        return None
    raise GraftError(
        f"{contents.path} is of the University of Southampton's reproduction of the Swapping Autoencoder, whose "
        "texture branch ends in a 1x1 convolution, unlike any network of graftlab; use a model of the authors."
    )
