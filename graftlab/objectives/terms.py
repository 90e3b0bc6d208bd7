"""What every adversarial objective is made of: terms by name, the logistic loss, and R1."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.networks.layers import full

Terms = dict[str, Tensor]
Augment = Callable[[Tensor], Tensor]
"""A differentiable change of pictures (N, 3, H, W) that does the same to item n at every call."""


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


def squared_slope(judge: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Squared length of a logit's gradient at each of N pictures: (N,), differentiable once more.

    R1 (Mescheder et al. 2018, eq. 9) is half of it times gamma."""
    images = images.detach().requires_grad_()
    (slope,) = torch.autograd.grad(full(judge(images)).sum(), images, create_graph=True)
    return full(slope).square().flatten(1).sum(1)


def total(terms: Terms) -> Tensor:
    """The number to minimise: the sum over terms of their means."""
    return torch.stack([term.mean() for term in terms.values()]).sum()
