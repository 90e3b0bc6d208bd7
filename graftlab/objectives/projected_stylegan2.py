"""StyleGAN2's objective with a discriminator that sees the features of a frozen network (Sauer et al. 2021, eq. 4).

The teacher sees real and made pictures once, for both losses."""

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.networks.layers import full
from graftlab.networks.projected import Maps, ProjectedDiscriminator
from graftlab.objectives.terms import Player, Terms, hinge_fake, hinge_real
from graftlab.perception.distances import energy

SMALLEST = 128  # pixels a side; of smaller pictures the teacher's coarsest maps would be a cell or two


def adversarial(
    player: Player, discriminator: ProjectedDiscriminator, real: Maps, made: Maps, labels: Tensor | None = None
) -> Terms:
    """Pictures look real to the discriminator at every scale and position, which tells them from real ones; hinge
    loss."""
    if player == "generator":
        return {"G_GAN": -discriminator(made, labels).mean(1)}
    return {"D_real": hinge_real(discriminator(real, labels)), "D_fake": hinge_fake(discriminator(made, labels))}


def variety(real: Maps, made: Maps) -> Terms:
    """How far a batch is from being as varied as real pictures, by what the teacher sees in each on the whole.

    A discriminator judges pictures one by one, so that a generator may leave out whole kinds (nights, say) unpunished;
    the energy distance compares distributions (Cramer GAN: Bellemare et al. 2017)."""
    with torch.autocast(made[0].device.type, enabled=False):
        apart = [energy(full(a).mean((2, 3)), full(b).mean((2, 3))) for a, b in zip(made, real, strict=True)]
    return {"G_variety": torch.stack(apart).mean(0)}


def enlarge(images: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) as the teacher sees them: of at least SMALLEST pixels a side, in float32."""
    factor = SMALLEST / min(images.shape[2:])
    if factor <= 1:
        return full(images)
    height, width = (round(factor * side) for side in images.shape[2:])
    return F.interpolate(full(images), (height, width), mode="bilinear")
