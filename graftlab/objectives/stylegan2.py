"""StyleGAN2's objective (Karras et al. 2020): the logistic loss, lazy R1 and path length regularisation."""

from contextlib import nullcontext
from math import sqrt

import torch
from torch import Tensor

from graftlab.networks.chance import normal_like
from graftlab.networks.layers import Noise, full
from graftlab.networks.noise import noise_source
from graftlab.networks.style import StyleGAN
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.networks.stylegan2 import Synthesis
from graftlab.objectives.terms import Augment, Player, Terms, fake, no_augment, real, squared_slope


def adversarial(
    player: Player,
    model: StyleGAN,
    discriminator: StyleDiscriminator,
    w: Tensor,
    images: Tensor,
    noise: Noise | None = None,  # None: random
    augment: Augment = no_augment,
    labels: Tensor | None = None,  # classes of both, (N, classes)
) -> Terms:
    """Pictures of codes w (M, L, Cw) look real to the discriminator, which tells them from pictures (N, 3, H, W).

    It sees reals and fakes apart, for minibatch deviation compares a picture with others of its own sort."""
    with nullcontext() if player == "generator" else torch.no_grad():
        fakes = model.synthesis(w, noise or noise_source("random"))
    if player == "generator":
        return {"G_GAN": real(discriminator(augment(fakes), labels))}
    told, made = discriminator(augment(images), labels), discriminator(augment(fakes), labels)
    return {"D_real": real(told), "D_fake": fake(made)}


def r1_penalty(
    discriminator: StyleDiscriminator, images: Tensor, augment: Augment = no_augment, labels: Tensor | None = None
) -> Terms:
    """R1 (Mescheder et al. 2018, eq. 9) at pictures, of what the discriminator says once they are augmented, one value
    per picture (Karras et al. 2020b)."""
    return {"D_R1": squared_slope(lambda raw: discriminator(augment(raw), labels), images) / 2}


def structure(model: Synthesis, source: Synthesis, w: Tensor) -> Terms:
    """Structure loss (Cartoon-StyleGAN: Back 2021): codes w (N, L, Cw) become the same coarse pictures as by a frozen
    source, at each of its resolutions. Mean square in RGB, one value per picture."""
    blocks, noise = len(source.blocks), noise_source("none")
    with torch.no_grad():
        wanted = source.pictures(w, noise, blocks)
    made = model.pictures(w, noise, blocks)
    apart = [(full(a) - full(b)).square().mean((1, 2, 3)) for a, b in zip(made, wanted, strict=True)]
    return {"G_structure": torch.stack(apart).sum(0)}


def path_penalty(
    model: StyleGAN,
    w: Tensor,
    mean: Tensor,
    decay: float,  # share of the latest lengths in their running mean
    noise: Noise | None = None,
    direction: Tensor | None = None,  # y in the equation; None: random
    latest: Tensor | None = None,  # mean of the lengths of the batch of which these are a part; None: of the whole
) -> tuple[Terms, Tensor]:
    """Path length regularisation (eq. 4): a step in w should change the picture by the same length everywhere.

    w (N, L, Cw), from the mapping network, which learns as well; `mean` is the running mean of the lengths, a in the
    equation. Returns the term, one value per picture, and the new mean."""
    lengths = path_lengths(model, w, noise, direction)
    if latest is None:
        mean = torch.lerp(mean, lengths.mean(), decay)
        return {"G_path": (lengths - mean).square()}, mean.detach()
    mean = torch.lerp(mean, latest, decay)
    # The mean moves with every length of the batch: the gradient of that, which sums over other parts, too.
    moved = 2 * decay * (latest - mean) * (lengths - lengths.detach())
    return {"G_path": (lengths - mean).square() - moved}, mean


def path_lengths(
    model: StyleGAN,
    w: Tensor,
    noise: Noise | None = None,
    direction: Tensor | None = None,
    differentiable: bool = True,
) -> Tensor:
    """How far pictures move with w, along one random direction: (N,), |J^T y| of eq. 4."""
    images = model.synthesis(w, noise or noise_source("random"))
    direction = normal_like(images) if direction is None else direction
    along = (images * direction).sum() / sqrt(images[0, 0].numel())  # of unit variance, whatever the picture's size
    (slope,) = torch.autograd.grad(along, w, create_graph=differentiable)
    return slope.square().sum(2).mean(1).sqrt()  # the mean over layers, as the authors have it
