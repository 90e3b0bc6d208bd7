"""StyleGAN2's objective with a discriminator that sees the features of a frozen network (Sauer et al. 2021, eq. 4).

The teacher sees real and made pictures once, for both losses."""

import torch.nn.functional as F
from torch import Tensor

from graftlab.networks.layers import full
from graftlab.networks.projected import Maps, ProjectedDiscriminator
from graftlab.objectives.terms import Player, Terms, hinge_fake, hinge_real

SMALLEST = 128  # pixels a side; of smaller pictures the teacher's coarsest maps would be a cell or two


def adversarial(
    player: Player, discriminator: ProjectedDiscriminator, real: Maps, made: Maps, labels: Tensor | None = None
) -> Terms:
    """Pictures look real to the discriminator at every scale and position, which tells them from real ones; hinge
    loss."""
    if player == "generator":
        return {"G_GAN": -discriminator(made, labels).mean(1)}
    return {"D_real": hinge_real(discriminator(real, labels)), "D_fake": hinge_fake(discriminator(made, labels))}


def enlarge(images: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) as the teacher sees them: of at least SMALLEST pixels a side, in float32."""
    factor = SMALLEST / min(images.shape[2:])
    if factor <= 1:
        return full(images)
    height, width = (round(factor * side) for side in images.shape[2:])
    return F.interpolate(full(images), (height, width), mode="bilinear")
