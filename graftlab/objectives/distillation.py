"""The objective of a student that learns to redraw photos from pairs (pix2pixHD: Wang et al. 2018, section 3.2).

Instead of the least squares there, the logistic loss with R1 that the other kinds of models have."""

import torch
from torch import Tensor

from graftlab.config import DistillRecipe
from graftlab.networks.layers import full
from graftlab.networks.translator import PairDiscriminator, Translator
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


def objective(
    player: Player,
    model: Translator,
    discriminator: PairDiscriminator,
    photos: Tensor,
    pictures: Tensor,
    recipe: DistillRecipe,
    augment: Augment = no_augment,
    deep: Distance | None = None,  # the distance that `recipe.features` weighs
) -> Terms:
    """The student's pictures are close to those that photos should become, (N, 3, S, S) both, and are taken for them by
    the discriminators, which tell them from these (section 3.2)."""
    if player == "discriminators":
        with torch.no_grad():
            made = model(photos)
        photos = augment(photos)
        seen = discriminator(photos.repeat(2, 1, 1, 1), torch.cat([augment(pictures), augment(made)]))
        logits = [scale[-1].chunk(2) for scale in seen]
        return {
            "D_real": over_scales([real(true) for true, _ in logits]),
            "D_fake": over_scales([fake(false) for _, false in logits]),
        }
    made = model(photos)
    terms = {"G_L1": absolute(made, pictures)}
    if deep is not None:
        terms["G_features"] = deep(full(made), pictures)
    if recipe.gan:
        photos = augment(photos)
        seen = discriminator(photos, augment(made))
        terms["G_GAN"] = over_scales([real(scale[-1]) for scale in seen])
        if recipe.matching:
            with torch.no_grad():
                aims = discriminator(photos, augment(pictures))
            terms["G_matching"] = matching(seen, aims)
    return terms


# eq. 4
def matching(seen: list[list[Tensor]], aims: list[list[Tensor]]) -> Tensor:
    """Mean absolute difference of all features but the logits, the mean over layers and scales: (N,)."""
    apart = [
        absolute(mine, full(theirs))
        for scale, aim in zip(seen, aims, strict=True)
        for mine, theirs in zip(scale[:-1], aim[:-1], strict=True)
    ]
    return over_scales(apart)


def r1_penalty(
    discriminator: PairDiscriminator, photos: Tensor, pictures: Tensor, augment: Augment = no_augment
) -> Terms:
    """R1 (Mescheder et al. 2018, eq. 9) at true pictures, of the mean logit over patches and scales, per picture."""
    photos = augment(photos)

    def logit(x: Tensor) -> Tensor:
        return over_scales([full(scale[-1]).flatten(1).mean(1) for scale in discriminator(photos, x)])

    return {"D_R1": squared_slope(logit, augment(pictures)) / 2}


def over_scales(terms: list[Tensor]) -> Tensor:
    """Terms (N,) of several scales, or layers, as their mean."""
    return torch.stack(terms).mean(0)
