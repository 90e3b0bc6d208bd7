"""StyleGAN2's objective (Karras et al. 2020): the logistic loss, lazy R1 and path length regularisation."""

from math import sqrt

import torch
from torch import Tensor

from graftlab.config import StyleRecipe
from graftlab.networks.layers import Noise
from graftlab.networks.noise import noise_source
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.objectives.terms import Augment, Terms, fake, no_augment, real, squared_slope


def discriminator_loss(
    model: StyleGAN2,
    discriminator: StyleDiscriminator,
    images: Tensor,
    w: Tensor,
    noise: Noise | None = None,  # None: random
    augment: Augment = no_augment,
) -> Terms:
    """What the discriminator minimises on pictures (N, 3, S, S) and those of codes w (M, L, Cw).

    Reals and fakes are judged apart, for minibatch deviation compares a picture with others of its own sort."""
    with torch.no_grad():
        fakes = model.synthesis(w, noise or noise_source("random"))
    return {"D_real": real(discriminator(augment(images))), "D_fake": fake(discriminator(augment(fakes)))}


def generator_loss(
    model: StyleGAN2,
    discriminator: StyleDiscriminator,
    w: Tensor,
    noise: Noise | None = None,
    augment: Augment = no_augment,
) -> Terms:
    """What mapping and synthesis minimise: pictures of codes w (N, L, Cw) should look real."""
    return {"G_GAN": real(discriminator(augment(model.synthesis(w, noise or noise_source("random")))))}


def r1_penalty(
    discriminator: StyleDiscriminator, images: Tensor, recipe: StyleRecipe, augment: Augment = no_augment
) -> Terms:
    """R1 (Mescheder et al. 2018, eq. 9) at pictures as the discriminator sees them, one value per picture."""
    return {"D_R1": squared_slope(discriminator, augment(images)) * (recipe.r1 / 2)}


def path_penalty(
    model: StyleGAN2,
    w: Tensor,
    mean: Tensor,
    recipe: StyleRecipe,
    noise: Noise | None = None,
    direction: Tensor | None = None,  # y in the equation; None: random
) -> tuple[Terms, Tensor]:
    """Path length regularisation (eq. 4): a step in w should change the picture by the same length everywhere.

    w (N, L, Cw), from the mapping network, which learns as well; `mean` is the running mean of the lengths, a in the
    equation. Returns the term, one value per picture, and the new mean."""
    images = model.synthesis(w, noise or noise_source("random"))
    direction = torch.randn_like(images) if direction is None else direction
    along = (images * direction).sum() / sqrt(images[0, 0].numel())  # of unit variance, whatever the picture's size
    (slope,) = torch.autograd.grad(along, w, create_graph=True)
    lengths = slope.square().sum(2).mean(1).sqrt()  # (N,), J^T y; the mean over layers, as the authors have it
    mean = torch.lerp(mean, lengths.mean(), recipe.path_decay)
    return {"G_path": (lengths - mean).square() * recipe.path}, mean.detach()
