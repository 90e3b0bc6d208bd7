"""The objective of a student that learns to redraw photos from pairs (pix2pixHD: Wang et al. 2018, section 3.2).

Instead of the least squares there, the logistic loss with R1 that the other kinds of models have."""

import torch
from torch import Tensor

from graftlab.config import TranslationRecipe
from graftlab.networks.layers import full
from graftlab.networks.translator import PairDiscriminator, Translator
from graftlab.objectives.swapping import Likeness, distance
from graftlab.objectives.terms import Augment, Terms, fake, no_augment, real, squared_slope


def discriminator_loss(
    model: Translator,
    discriminator: PairDiscriminator,
    photos: Tensor,
    pictures: Tensor,
    recipe: TranslationRecipe,
    augment: Augment = no_augment,
) -> Terms:
    """What the discriminators minimise on photos and the pictures that these should become, (N, 3, S, S) both."""
    with torch.no_grad():
        made = model(photos)
    photos = augment(photos)
    judged = discriminator(photos.repeat(2, 1, 1, 1), torch.cat([augment(pictures), augment(made)]))
    logits = [scale[-1].chunk(2) for scale in judged]
    return {
        "D_real": over_scales([real(true) for true, _ in logits]) * recipe.gan,
        "D_fake": over_scales([fake(false) for _, false in logits]) * recipe.gan,
    }


def student_loss(
    model: Translator,
    discriminator: PairDiscriminator,
    photos: Tensor,
    pictures: Tensor,
    recipe: TranslationRecipe,
    augment: Augment = no_augment,
    likeness: Likeness | None = None,  # the distance that `recipe.features` weighs
) -> Terms:
    """What the student minimises: be close to the pictures, and be taken for them."""
    made = model(photos)
    terms = {"G_L1": distance(made, pictures) * recipe.l1}
    if likeness is not None:
        terms["G_features"] = likeness(full(made), pictures) * recipe.features
    if recipe.gan:
        photos = augment(photos)
        judged = discriminator(photos, augment(made))
        terms["G_GAN"] = over_scales([real(scale[-1]) for scale in judged]) * recipe.gan
        if recipe.matching:
            with torch.no_grad():
                aims = discriminator(photos, augment(pictures))
            terms["G_matching"] = matching(judged, aims) * recipe.matching
    return terms


def matching(judged: list[list[Tensor]], aims: list[list[Tensor]]) -> Tensor:
    """Mean absolute difference of all features but the logits (eq. 4), the mean over layers and scales: (N,)."""
    apart = [
        distance(mine, full(theirs))
        for scale, aim in zip(judged, aims, strict=True)
        for mine, theirs in zip(scale[:-1], aim[:-1], strict=True)
    ]
    return over_scales(apart)


def r1_penalty(
    discriminator: PairDiscriminator,
    photos: Tensor,
    pictures: Tensor,
    recipe: TranslationRecipe,
    augment: Augment = no_augment,
) -> Terms:
    """R1 (Mescheder et al. 2018, eq. 9) at true pictures, of the mean logit over patches and scales, per picture."""
    photos = augment(photos)

    def judge(x: Tensor) -> Tensor:
        return over_scales([full(scale[-1]).flatten(1).mean(1) for scale in discriminator(photos, x)])

    return {"D_R1": squared_slope(judge, augment(pictures)) * (recipe.r1 / 2)}


def over_scales(terms: list[Tensor]) -> Tensor:
    """Terms (N,) of several scales, or layers, as their mean."""
    return torch.stack(terms).mean(0)
