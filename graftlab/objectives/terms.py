"""What every adversarial objective is made of: terms by name, losses of logits, R1, and distances of pictures."""

from collections.abc import Callable, Mapping
from math import log
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.networks.layers import full

Terms = dict[str, Tensor]
"""Raw values, one per item: `total` weighs them."""
Player = Literal["generator", "discriminators"]
"""Whose turn it is to minimise."""
Distance = Callable[[Tensor, Tensor], Tensor]
"""A differentiable distance of pictures (N, 3, H, W), one value per item."""
Augment = Callable[[Tensor], Tensor]
"""A differentiable change of pictures (N, 3, H, W) that does the same to item n at every call."""

LOGISTIC_CHANCE, HINGE_CHANCE = log(2), 1.0  # the losses of who cannot tell real from fake


def no_augment(images: Tensor) -> Tensor:
    return images


def real(logits: Tensor) -> Tensor:
    """Non-saturating logistic loss of logits that should say "real", one value per item (Goodfellow et al. 2014)."""
    return F.softplus(-full(logits)).flatten(1).mean(1)


def fake(logits: Tensor) -> Tensor:
    """The same for logits that should say "fake"."""
    return F.softplus(full(logits)).flatten(1).mean(1)


def hinge_real(logits: Tensor) -> Tensor:
    """Hinge loss of a discriminator's logits that should say "real", one value per item (Lim & Ye 2017)."""
    return F.relu(1 - full(logits)).flatten(1).mean(1)


def hinge_fake(logits: Tensor) -> Tensor:
    """The same for logits that should say "fake"."""
    return F.relu(1 + full(logits)).flatten(1).mean(1)


def squared_slope(logit: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Squared length of a logit's gradient at each of N pictures: (N,), differentiable once more.

    R1 (Mescheder et al. 2018, eq. 9) is half of it times gamma."""
    images = images.detach().requires_grad_()
    (slope,) = torch.autograd.grad(full(logit(images)).sum(), images, create_graph=True)
    return full(slope).square().flatten(1).sum(1)


def absolute(made: Tensor, images: Tensor) -> Tensor:
    """Mean absolute difference of pictures (N, 3, H, W), one value per picture."""
    return (full(made) - images).abs().flatten(1).mean(1)


def total(terms: Terms, weights: Mapping[str, float]) -> Tensor:
    """The number to minimise: the sum over terms of their weighted means."""
    return torch.stack([(term * weights[name]).mean() for name, term in terms.items()]).sum()
