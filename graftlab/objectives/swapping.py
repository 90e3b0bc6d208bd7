"""The Swapping Autoencoder's objective (Park et al. 2020, section 3 and appendix B.2).

A function for each equation, with both players: encoder and generator as one, and the discriminators."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.config import Recipe
from graftlab.networks.chance import drawn
from graftlab.networks.discriminators import Discriminators, PatchDiscriminator
from graftlab.networks.layers import Noise, full
from graftlab.networks.noise import noise_source
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.objectives.terms import (
    Augment,
    Distance,
    Player,
    Terms,
    absolute,
    fake,
    no_augment,
    real,
    squared_slope,
)

# -- random crops ("patches" of section 3.3) -------------------------------------------------------------------------


@dataclass(frozen=True)
class Crops:
    """Where to crop: T boxes for each of N pictures, in [-1, 1] coordinates, x before y."""

    flip: Tensor  # (N, T), 1 or -1 for mirrored
    scale: Tensor  # (N, T, 2), side of the box as a share of the picture's
    offset: Tensor  # (N, T, 2), centre of the box

    @classmethod
    def draw(cls, like: Tensor, recipe: Recipe) -> Self:
        """Random boxes for pictures (N, ...): width and height independent, anywhere inside, mirrored half the time."""
        shape, device = (len(like), recipe.crops), like.device
        flip = drawn(partial(torch.randint, 0, 2), shape, device=device) * 2.0 - 1.0
        low, high = recipe.crop_scale
        scale = low + (high - low) * drawn(torch.rand, (*shape, 2), device=device)
        offset = (2 * drawn(torch.rand, (*shape, 2), device=device) - 1) * (1 - scale)
        return cls(flip, scale, offset)

    def cut(self, images: Tensor, size: int) -> Tensor:
        """Pictures (N, 3, H, W) to patches (N, T, 3, size, size), bilinear, for the whole batch at once."""
        line = torch.linspace(-1, 1, size, device=images.device)
        x = line * (self.flip * self.scale[..., 0])[..., None] + self.offset[..., 0, None]
        y = line * self.scale[..., 1, None] + self.offset[..., 1, None]
        count, crops = self.flip.shape
        grid = torch.stack([x[:, :, None].expand(-1, -1, size, -1), y[:, :, :, None].expand(-1, -1, -1, size)], -1)
        # All boxes of a picture as one tall grid: no copy of the picture per box.
        patches = F.grid_sample(full(images), grid.reshape(count, crops * size, size, 2), align_corners=False)
        return patches.unflatten(2, (crops, size)).transpose(1, 2)


# -- the equations ----------------------------------------------------------------------------------------------------


# eq. 1
def reconstruction(rec: Tensor, images: Tensor) -> Terms:
    """Reconstructions equal the first pictures of the batch."""
    return {"G_L1": absolute(rec, images[: len(rec)])}


# eq. 2 and 3
def adversarial(
    player: Player, discriminator: Callable[[Tensor], Tensor], images: Tensor, rec: Tensor, mix: Tensor
) -> Terms:
    """Reconstructions and hybrids look real to the image discriminator, which tells them from pictures."""
    if player == "generator":
        logits_rec, logits_mix = discriminator(torch.cat([rec, mix])).split([len(rec), len(mix)])
        return {"G_GAN_rec": real(logits_rec), "G_GAN_mix": real(logits_mix)}
    logits = discriminator(torch.cat([images, rec, mix])).split([len(images), len(rec), len(mix)])
    return {"D_real": real(logits[0]), "D_rec": fake(logits[1]), "D_mix": fake(logits[2])}


# eq. 4
def cooccurrence(
    player: Player,
    discriminator: PatchDiscriminator,
    images: Tensor,
    mix: Tensor,
    size: int,  # of patches, pixels
    crops: Sequence[Crops],  # of the reference, for the discriminator of the same picture again, and of the hybrid
    aggregate: bool = True,  # compare with the mean over the reference's patches
) -> Terms:
    """Patches of a hybrid seem cut from the picture that gave its texture to the patch discriminator, which tells them
    from patches that are."""
    if player == "generator":
        with torch.no_grad():
            reference = discriminator.features(crops[0].cut(images, size))
            reference = average(reference) if aggregate else reference
        hybrid = discriminator.features(crops[1].cut(mix, size))
        return {"G_mix": per_patch(real, discriminator(reference, hybrid))}
    patches = [box.cut(source, size) for box, source in zip(crops, (images, images, mix), strict=True)]
    reference, target, hybrid = discriminator.features(torch.cat(patches)).chunk(3)
    reference = average(reference) if aggregate else reference
    return {
        "PatchD_real": per_patch(real, discriminator(reference, target)),
        "PatchD_mix": per_patch(fake, discriminator(reference, hybrid)),
    }


# eq. 5
def objective(
    player: Player,
    model: SwappingAutoencoder,
    discriminators: Discriminators,
    images: Tensor,
    recipe: Recipe,
    noise: Noise | None = None,  # None: random
    augment: Augment = no_augment,
    crops: Sequence[Crops] = (),  # as `cooccurrence` takes them; none: random
    truths: Tensor | None = None,  # (N,) which picture of the batch each hybrid should be; -1: unknown
    deep: Distance | None = None,  # the distance that `recipe.features` weighs
) -> Terms:
    """What a player minimises on a batch of pictures (N, 3, S, S), N even; `recipe.weights` weighs its terms.

    Where the batch holds the picture that a hybrid should be, the hybrid must be close to that, too."""
    generator = player == "generator"
    with nullcontext() if generator else torch.no_grad():
        structure, texture = model.encoder(images)
        rec, mix = render(model, structure, texture, noise)
    crops = crops or [Crops.draw(images, recipe) for _ in range(2 if generator else 3)]
    terms = reconstruction(rec, images) | comparisons(rec, mix, images, truths, deep) if generator else {}
    images, rec, mix = augment(images), augment(rec), augment(mix)
    if recipe.gan:
        terms |= adversarial(player, discriminators.image, images, rec, mix)
    if recipe.patch:
        size = model.config.patch_size
        terms |= cooccurrence(player, discriminators.patch, images, mix, size, crops, recipe.aggregate)
    return terms


def comparisons(rec: Tensor, mix: Tensor, images: Tensor, truths: Tensor | None, deep: Distance | None) -> Terms:
    """Terms that the paper does not have: deep features of reconstructions, and hybrids that are known."""
    terms: Terms = {}
    if truths is not None:
        known, truth = truths >= 0, images[truths.clamp(min=0)]
        terms["G_views"] = absolute(mix, truth) * known
    if deep is not None:
        terms["G_features"] = deep(full(rec), images[: len(rec)])
        if truths is not None:
            terms["G_view_features"] = deep(full(mix), truth) * known
    return terms


# -- their parts ------------------------------------------------------------------------------------------------------


def swap_pairs(structure: Tensor) -> Tensor:
    """Exchange the items of each consecutive pair of a batch."""
    return structure.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)


def render(
    model: SwappingAutoencoder, structure: Tensor, texture: Tensor, noise: Noise | None
) -> tuple[Tensor, Tensor]:
    """Reconstructions of the batch's first half (half, to save memory) and hybrids of all of it, in one pass."""
    half = len(structure) // 2
    images = model.generator(
        torch.cat([structure[:half], swap_pairs(structure)]),
        torch.cat([texture[:half], texture]),
        noise or noise_source("random"),
    )
    return images[:half], images[half:]


def average(features: Tensor) -> Tensor:
    """Features of one picture's patches (N, T, ...) replaced by their mean."""
    return features.mean(1, keepdim=True).expand_as(features)


def per_patch(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """Loss of logits (N, T), one value per patch (N * T)."""
    return loss(logits.flatten()[:, None])


def r1_penalty(
    discriminators: Discriminators,
    images: Tensor,
    recipe: Recipe,
    size: int,  # of patches, pixels
    augment: Augment = no_augment,
    crops: Sequence[Crops] = (),  # reference, target; none: random
) -> Terms:
    """R1 of both discriminators (Mescheder et al. 2018, eq. 9): half the squared gradient of the logit at real
    pictures.

    One value per picture, summed over its patches; to be multiplied by `recipe.r1_interval` when applied that rarely
    (StyleGAN2, appendix B)."""
    images = augment(images)
    of_image = squared_slope(discriminators.image, images) / 2

    boxes = crops or (Crops.draw(images, recipe), Crops.draw(images, recipe))
    reference, target = (box.cut(images, size).detach().requires_grad_() for box in boxes)
    features = discriminators.patch.features(reference)
    logits = discriminators.patch(
        average(features) if recipe.aggregate else features, discriminators.patch.features(target)
    )
    slopes = torch.autograd.grad(full(logits).sum(), [reference, target], create_graph=True)
    of_patches = torch.stack([full(slope).square().flatten(1).sum(1) for slope in slopes]).sum(0)
    # The authors halve it once more, the penalty being the sum over two crops.
    return {"D_R1": of_image, "PatchD_R1": of_patches / 4}
