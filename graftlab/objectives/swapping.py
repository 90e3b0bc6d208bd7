"""The Swapping Autoencoder's objective (Park et al. 2020, section 3 and appendix B.2)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.config import Recipe
from graftlab.networks.discriminators import Discriminators
from graftlab.networks.layers import Noise, full
from graftlab.networks.noise import noise_source
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.objectives.terms import Augment, Terms, fake, no_augment, real, squared_slope

Likeness = Callable[[Tensor, Tensor], Tensor]
"""A differentiable distance of pictures (N, 3, H, W), one value per item."""

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
        flip = torch.randint(0, 2, shape, device=device) * 2.0 - 1.0
        low, high = recipe.crop_scale
        scale = low + (high - low) * torch.rand(*shape, 2, device=device)
        offset = (2 * torch.rand(*shape, 2, device=device) - 1) * (1 - scale)
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


# -- terms ------------------------------------------------------------------------------------------------------------


def swapped(structure: Tensor) -> Tensor:
    """Exchange the items of each consecutive pair of a batch."""
    return structure.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)


def image_terms(discriminators: Discriminators, images: Tensor, rec: Tensor, mix: Tensor, recipe: Recipe) -> Terms:
    """Image adversarial loss of the discriminator: reals against reconstructions and hybrids (eq. 2 and 3)."""
    logits_real, logits_rec, logits_mix = discriminators.image(torch.cat([images, rec, mix])).split(
        [len(images), len(rec), len(mix)]
    )
    return {
        "D_real": real(logits_real) * recipe.gan,
        "D_rec": fake(logits_rec) * (0.5 * recipe.gan),
        "D_mix": fake(logits_mix) * (0.5 * recipe.gan),
    }


def patch_terms(
    discriminators: Discriminators,
    images: Tensor,
    mix: Tensor,
    recipe: Recipe,
    size: int,
    crops: tuple[Crops, Crops, Crops],
) -> Terms:
    """Patch adversarial loss of the discriminator (eq. 4): do these patches come from the reference's picture?

    `crops` of the reference, of the same picture again, and of the hybrid."""
    patches = [crop.cut(source, size) for crop, source in zip(crops, (images, images, mix), strict=True)]
    reference, target, hybrid = discriminators.patch.features(torch.cat(patches)).chunk(3)
    if recipe.aggregate:
        reference = average(reference)
    return {
        "PatchD_real": per_patch(real, discriminators.patch(reference, target)) * recipe.patch,
        "PatchD_mix": per_patch(fake, discriminators.patch(reference, hybrid)) * recipe.patch,
    }


def average(features: Tensor) -> Tensor:
    """Features of one picture's patches (N, T, ...) replaced by their mean."""
    return features.mean(1, keepdim=True).expand_as(features)


def per_patch(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """Loss of logits (N, T), one value per patch (N * T)."""
    return loss(logits.flatten()[:, None])


def discriminator_loss(
    model: SwappingAutoencoder,
    discriminators: Discriminators,
    images: Tensor,
    recipe: Recipe,
    noise: Noise | None = None,  # None: random
    augment: Augment = no_augment,
    crops: tuple[Crops, Crops, Crops] | None = None,  # reference, target, hybrid; None: random
) -> Terms:
    """What the discriminators minimise on a batch of pictures (N, 3, S, S), N even."""
    with torch.no_grad():
        structure, texture = model.encoder(images)
        rec, mix = render(model, structure, texture, noise)
    crops = crops or (Crops.draw(images, recipe), Crops.draw(images, recipe), Crops.draw(images, recipe))
    images, rec, mix = augment(images), augment(rec), augment(mix)
    terms: Terms = {}
    if recipe.gan:
        terms |= image_terms(discriminators, images, rec, mix, recipe)
    if recipe.patch:
        terms |= patch_terms(discriminators, images, mix, recipe, model.config.patch_size, crops)
    return terms


def generator_loss(
    model: SwappingAutoencoder,
    discriminators: Discriminators,
    images: Tensor,
    recipe: Recipe,
    noise: Noise | None = None,
    augment: Augment = no_augment,
    crops: tuple[Crops, Crops] | None = None,  # reference, hybrid; None: random
    truths: Tensor | None = None,  # (N,) which picture of the batch each hybrid should be; -1: unknown
    likeness: Likeness | None = None,  # the distance that `recipe.features` weighs
) -> Terms:
    """What encoder and generator minimise on a batch (eq. 1 to 5): be close, look real, share patch statistics.

    Where the batch holds the picture that a hybrid should be, the hybrid must be close to that, too."""
    structure, texture = model.encoder(images)
    rec, mix = render(model, structure, texture, noise)
    terms = {"G_L1": distance(rec, images[: len(rec)]) * recipe.l1}
    if truths is not None:
        known, truth = truths >= 0, images[truths.clamp(min=0)]
        terms["G_views"] = distance(mix, truth) * known * recipe.views
    if likeness is not None:
        terms["G_features"] = likeness(full(rec), images[: len(rec)]) * recipe.features
        if truths is not None:
            terms["G_view_features"] = likeness(full(mix), truth) * known * recipe.features
    images, rec, mix = augment(images), augment(rec), augment(mix)
    if recipe.gan:
        logits_rec, logits_mix = discriminators.image(torch.cat([rec, mix])).split([len(rec), len(mix)])
        terms["G_GAN_rec"] = real(logits_rec) * (recipe.gan_rec * recipe.gan)
        terms["G_GAN_mix"] = real(logits_mix) * (recipe.gan_mix * recipe.gan)
    if recipe.patch:
        size = model.config.patch_size
        reference_crops, mix_crops = crops or (Crops.draw(images, recipe), Crops.draw(images, recipe))
        with torch.no_grad():
            reference = discriminators.patch.features(reference_crops.cut(images, size))
            if recipe.aggregate:
                reference = average(reference)
        hybrid = discriminators.patch.features(mix_crops.cut(mix, size))
        terms["G_mix"] = per_patch(real, discriminators.patch(reference, hybrid)) * recipe.patch
    return terms


def distance(made: Tensor, images: Tensor) -> Tensor:
    """Mean absolute difference of pictures (N, 3, H, W), one value per picture."""
    return (full(made) - images).abs().flatten(1).mean(1)


def render(
    model: SwappingAutoencoder, structure: Tensor, texture: Tensor, noise: Noise | None
) -> tuple[Tensor, Tensor]:
    """Reconstructions of the batch's first half (half, to save memory) and hybrids of all of it, in one pass."""
    half = len(structure) // 2
    images = model.generator(
        torch.cat([structure[:half], swapped(structure)]),
        torch.cat([texture[:half], texture]),
        noise or noise_source("random"),
    )
    return images[:half], images[half:]


def r1_penalty(
    discriminators: Discriminators,
    images: Tensor,
    recipe: Recipe,
    size: int,
    augment: Augment = no_augment,
    crops: tuple[Crops, Crops] | None = None,  # reference, target; None: random
) -> Terms:
    """R1 of both discriminators (Mescheder et al. 2018, eq. 9): squared gradient of the logit at real pictures.

    One value per picture, summed over its patches; to be multiplied by `recipe.r1_interval` when applied that rarely
    (StyleGAN2, appendix B)."""
    images = augment(images)
    of_image = squared_slope(discriminators.image, images) * (recipe.r1 / 2)

    boxes = crops or (Crops.draw(images, recipe), Crops.draw(images, recipe))
    reference, target = (box.cut(images, size).detach().requires_grad_() for box in boxes)
    features = discriminators.patch.features(reference)
    logits = discriminators.patch(
        average(features) if recipe.aggregate else features, discriminators.patch.features(target)
    )
    slopes = torch.autograd.grad(full(logits).sum(), [reference, target], create_graph=True)
    of_patches = torch.stack([full(slope).square().flatten(1).sum(1) for slope in slopes]).sum(0)
    # The authors halve it once more, the penalty being the sum over two crops.
    return {"D_R1": of_image, "PatchD_R1": of_patches * (recipe.patch_r1 / 4)}
