"""StyleGAN2's objective against closed forms, and against its equations worked out another way."""

from math import log, sqrt

import pytest
import tiny
import torch
from torch import nn

from graftlab.config import StyleGAN2Config, StyleRecipe
from graftlab.networks.noise import noise_source
from graftlab.networks.style_discriminator import StyleDiscriminator
from graftlab.objectives.stylegan2 import adversarial, path_penalty, r1_penalty
from graftlab.objectives.terms import total

SMALL = StyleGAN2Config((8, 8), z_channels=6, w_channels=6, mapping_layers=1)


class Weighing(nn.Module):
    """A discriminator whose logit is a weighted sum of the pixels: its gradient is known."""

    def __init__(self, weights):
        super().__init__()
        self.weights = weights

    def forward(self, images, labels=None):
        return (images * self.weights).sum((1, 2, 3))[:, None]


class Linear(nn.Module):
    """A synthesis that is linear in w: pixels are the sum over layers of w times a matrix."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = matrix  # (L, Cw, 3 * 2 * 2)

    def forward(self, w, noise):
        return torch.einsum("nlc,lcp->np", w, self.matrix).view(-1, 3, 2, 2)


def test_losses_of_logits_of_zero_are_ln_2():
    model, w = tiny.stylegan2(channels=(8, 8)), torch.randn(4, 4, 16)
    judge = Weighing(torch.zeros(3, 8, 8))
    terms = adversarial("discriminators", model, judge, w, torch.rand(6, 3, 8, 8))
    terms |= adversarial("generator", model, judge, w, torch.rand(6, 3, 8, 8))
    assert {name: len(term) for name, term in terms.items()} == {"D_real": 6, "D_fake": 4, "G_GAN": 4}
    for term in terms.values():
        assert torch.allclose(term, torch.tensor(log(2)))


def test_the_discriminator_gains_from_likely_reals_and_the_generator_from_likely_fakes():
    model, w = tiny.stylegan2(channels=(8, 8)), torch.randn(2, 4, 16)
    quiet = noise_source("none")
    fakes = model.synthesis(w, quiet)
    judge = Weighing(torch.full((3, 8, 8), 0.01))
    of_fakes, images = judge(fakes)[:, 0], torch.full((2, 3, 8, 8), 0.5)
    of_reals = judge(images)[:, 0]
    terms = adversarial("discriminators", model, judge, w, images, quiet)
    assert torch.allclose(terms["D_real"], torch.log1p((-of_reals).exp()))
    assert torch.allclose(terms["D_fake"], torch.log1p(of_fakes.exp()), rtol=1e-5)
    terms = adversarial("generator", model, judge, w, images, quiet)
    assert torch.allclose(terms["G_GAN"], torch.log1p((-of_fakes).exp()), rtol=1e-5)


def test_the_discriminator_loss_does_not_reach_the_generator():
    model, judge = tiny.stylegan2(channels=(8, 8)).requires_grad_(True), StyleDiscriminator(SMALL)
    w = model.map(torch.randn(4, 12)).w
    terms = adversarial("discriminators", model, judge, w, torch.rand(4, 3, 8, 8))
    total(terms, StyleRecipe().weights).backward()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(parameter.grad is not None for parameter in judge.parameters())


def test_r1_of_a_linear_discriminator_is_its_squared_weight():
    weights = torch.randn(3, 8, 8)
    terms = r1_penalty(Weighing(weights), torch.rand(5, 3, 8, 8))
    assert torch.allclose(terms["D_R1"], weights.square().sum().expand(5) / 2)


def test_r1_is_the_slope_at_the_raw_picture():
    """As published with ADA: of the discriminator of augmented pictures, with respect to the pictures before that."""
    weights = torch.randn(3, 8, 8)
    doubled = r1_penalty(Weighing(weights), torch.rand(2, 3, 8, 8), augment=lambda x: x * 2)
    assert torch.allclose(doubled["D_R1"], 4 * weights.square().sum().expand(2) / 2)


def test_path_length_of_a_linear_synthesis():
    """J^T y of pixels = sum over l of w_l M_l is M_l y for layer l; y is scaled by 1 / sqrt(H W)."""
    matrix, direction = torch.randn(4, 6, 12), torch.randn(3, 3, 2, 2)
    model = tiny.stylegan2(channels=(8, 8))
    model.synthesis = Linear(matrix)
    w = torch.randn(3, 4, 6, requires_grad=True)
    slopes = torch.einsum("lcp,np->nlc", matrix, direction.flatten(1) / 2)
    lengths = slopes.square().sum(2).mean(1).sqrt()
    mean = 0.75 * 2.0 + 0.25 * lengths.mean()
    terms, new = path_penalty(model, w, torch.tensor(2.0), 0.25, direction=direction)
    assert new.item() == pytest.approx(mean.item(), rel=1e-5)
    assert torch.allclose(terms["G_path"], (lengths - mean).square(), rtol=1e-4)
    assert not new.requires_grad


def test_path_length_agrees_with_differences_and_teaches_mapping_and_synthesis():
    torch.manual_seed(0)
    model = tiny.stylegan2(channels=(8, 8)).double().requires_grad_(True)
    quiet, z = noise_source("none"), torch.randn(1, 12).double()
    w = model.mapping(z)[:, None].expand(1, 4, 16)
    direction = torch.randn(1, 3, 8, 8).double()
    terms, _ = path_penalty(model, w, torch.zeros(()).double(), 0.0, quiet, direction)
    step, slopes = 1e-6, torch.zeros(4, 16)
    with torch.no_grad():
        for layer in range(4):
            for channel in range(16):
                up, down = w.clone(), w.clone()
                up[0, layer, channel] += step
                down[0, layer, channel] -= step
                change = model.synthesis(up, quiet) - model.synthesis(down, quiet)
                slopes[layer, channel] = (change * direction).sum() / (2 * step) / sqrt(64)
    expected = slopes.square().sum(1).mean().item()  # the length squared, for a running mean of 0
    assert terms["G_path"].item() == pytest.approx(expected, rel=1e-4)
    total(terms, StyleRecipe().weights).backward()
    for part in (model.mapping, model.synthesis.blocks[0].conv):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())


def test_r1_for_a_size_is_the_rule_of_thumb():
    assert StyleRecipe.for_size(64, 16).r1 == pytest.approx(0.0512)
    assert StyleRecipe.for_size(1024, 32).r1 == pytest.approx(6.5536)
