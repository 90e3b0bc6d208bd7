"""StyleGAN2 against the textbook form of its convolutions and itself; NVIDIA's numbers are in test_nvidia.py."""

from dataclasses import replace
from functools import cache
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F
from claims import refused
from safetensors.torch import load_file
from torch import Tensor

from graftlab.checkpoints.containers.contents import open_contents
from graftlab.checkpoints.formats import nvidia
from graftlab.codes import StyleCodes, SwapCodes
from graftlab.config import StyleGAN2Config
from graftlab.networks.layers import EPSILON, GAIN, SLOPE, Equalized, StyleConv
from graftlab.networks.noise import noise_source
from graftlab.networks.resampling import upsample
from graftlab.networks.style_discriminator import StyleDiscriminator, minibatch_deviation
from graftlab.networks.stylegan2 import StyleGAN2

ROOT = Path(__file__).parent / "fixtures" / "stylegan2"
CLOSE = 5e-5  # of the tensor's largest value
FILES = {"A": "nvidia.pkl", "B": "nvidia_finetuned.pkl", "conditional": "nvidia_conditional.pkl"}


@cache
def networks(name: str) -> tuple[StyleGAN2, StyleDiscriminator]:
    """Generator and discriminator of a fixture, frozen."""
    file = nvidia.read(open_contents(ROOT / FILES[name]))
    assert isinstance(file.config, StyleGAN2Config)
    model, discriminator = StyleGAN2(file.config), StyleDiscriminator(file.config)
    model.load_state_dict(file.tensors)
    discriminator.load_state_dict(file.discriminators)
    return model.eval().requires_grad_(False), discriminator.eval().requires_grad_(False)


@cache
def values(name: str) -> dict[str, Tensor]:
    return load_file(ROOT / f"{name}.safetensors")


def codes(model: StyleGAN2, count: int = 2, seed: int = 0) -> StyleCodes:
    """Codes whose rows differ."""
    generator = torch.Generator().manual_seed(seed)
    return StyleCodes(torch.randn(count, model.config.layers, model.config.w_channels, generator=generator))


def test_discriminator_with_classes_and_clamp() -> None:
    (_, discriminator), io = networks("conditional"), values("io_conditional")
    for labels in (io["c"], io["c"].argmax(1), io["c"].argmax(1).tolist()):
        assert tiny.differ(discriminator(io["img_const_psi1"], labels), io["D_logits_of_img_const_psi1"]) < CLOSE
    free = StyleDiscriminator(replace(discriminator.config, clamp=0.0))
    free.load_state_dict(discriminator.state_dict())
    assert tiny.differ(free(io["img_const_psi1"], io["c"]), io["D_logits_of_img_const_psi1"]) > 0.01


def test_style_mixing() -> None:
    (model, _), io = networks("A"), values("io_rosinality")
    w = model.map(io["z"])
    mixed = w[0].style_mix(w[1], range(4, model.config.layers))
    assert torch.equal(mixed.w, torch.cat([w.w[:1, :4], w.w[1:, 4:]], dim=1))
    assert tiny.differ(model.decode(mixed), io["A.mix_inject4_img_const"]) < CLOSE
    refused("layers 0 to 9, not 10, -1", w.style_mix, w, [3, 10, -1])
    refused("not 10, 11, 12 and more", w.style_mix, w, range(100))


# -- the textbook form -------------------------------------------------------------------------------------------------


def per_sample(conv: StyleConv, x: Tensor, w: Tensor) -> Tensor:
    """Equations 1 to 3 of the paper to the letter: weights for every item of the batch, convolved in groups."""
    affine, weight = conv.modulation.affine, conv.weight / sqrt(conv.weight[0].numel())
    style = w @ affine.weight.T / sqrt(w.shape[1]) + affine.bias
    weights = weight * style[:, None, :, None, None]
    weights = weights / torch.sqrt(weights.square().sum((2, 3, 4), keepdim=True) + EPSILON)
    count, outputs, inputs = weights.shape[:3]
    x = x.reshape(1, count * inputs, *x.shape[2:])
    if conv.doubling is None:
        y = F.conv2d(x, weights.flatten(0, 1), padding=1, groups=count)
    else:
        y = F.conv_transpose2d(x, weights.transpose(1, 2).flatten(0, 1), stride=2, groups=count)
        line = torch.tensor(conv.doubling) / 4
        y = F.conv2d(y, torch.outer(line, line).expand(y.shape[1], 1, 4, 4), padding=1, groups=y.shape[1])
    return y.reshape(count, outputs, *y.shape[2:])


@pytest.mark.parametrize("double", [None, (1, 3, 3, 1)])
def test_convolution_equals_its_textbook_form(double: tuple[int, ...] | None) -> None:
    torch.manual_seed(0)
    conv = StyleConv(6, 5, 3, 4, double=double)
    x, w, bias = torch.randn(3, 6, 7, 5), torch.randn(3, 4), torch.randn(5)
    results = []
    for form in (lambda: conv(x, w, bias, gain=1.5), lambda: 1.5 * (per_sample(conv, x, w) + bias[:, None, None])):
        leaves = [x.requires_grad_(), w.requires_grad_(), *conv.parameters()]
        y = form()
        results.append([y.detach(), *torch.autograd.grad(y.square().sum(), leaves)])
    for ours, theirs in zip(*results, strict=True):
        assert tiny.differ(ours, theirs) < 1e-5


@pytest.mark.parametrize("double", [None, (1, 3, 3, 1)])
def test_a_constant_style_map_equals_the_vector(double: tuple[int, ...] | None) -> None:
    torch.manual_seed(0)
    conv = StyleConv(6, 5, 3, 4, double=double).requires_grad_(False)
    x, w, bias = torch.randn(3, 6, 8, 6), torch.randn(3, 4), torch.randn(5)
    assert tiny.differ(conv(x, w[:, :, None, None].expand(-1, -1, 4, 3), bias), conv(x, w, bias)) < 1e-5


def test_upsampling() -> None:
    x = torch.randn(2, 3, 4, 5)
    spaced = torch.zeros(2, 3, 8, 10)
    spaced[:, :, ::2, ::2] = x
    line = torch.tensor([1.0, 3, 3, 1]) / 4
    kernel = torch.outer(line, line).expand(3, 1, 4, 4)
    want = F.conv2d(F.pad(spaced, (2, 1, 2, 1)), kernel, groups=3)
    assert torch.allclose(upsample(x), want, atol=1e-6)
    assert torch.allclose(upsample(torch.ones(1, 1, 6, 6))[..., 1:-1, 1:-1], torch.ones(1))  # the border fades


def test_layer_adds_noise_then_bias_then_rectifies_then_clamps() -> None:
    model = tiny.stylegan2(clamp=0.5)
    layer, x, w = model.synthesis.blocks[1].conv, torch.randn(2, 16, 8, 8), torch.randn(2, 16)
    noise = noise_source("fixed", seed=3)
    y = per_sample(layer.conv, x, w) + layer.noise_strength * noise_source("fixed", seed=3)(layer.layer, x)
    want = (GAIN * F.leaky_relu(y + layer.bias[:, None, None], SLOPE)).clamp(-0.5, 0.5)
    assert tiny.differ(layer(x, w, noise), want) < 1e-5
    assert (want.abs() == 0.5).any()


# -- the model ---------------------------------------------------------------------------------------------------------


def test_eight_at_once_equal_eight_alone() -> None:
    model = tiny.stylegan2()
    batch = codes(model, 8)
    alone = torch.cat([model.decode(one) for one in batch])
    assert tiny.differ(model.decode(batch), alone) < 1e-5


def test_seeds_are_those_of_the_field() -> None:
    model = tiny.stylegan2()
    drawn = np.concatenate([np.random.RandomState(seed).randn(1, 12) for seed in (5, 2**32 - 1)])
    want = model.map(torch.from_numpy(drawn).float())
    assert torch.equal(model.codes_of([5, 2**32 - 1]).w, want.w)
    assert torch.equal(model.sample([5, 2**32 - 1]), model.decode(want))
    for seed in (-1, 2**32):
        refused(f"from 0 to 4294967295, not {seed}", model.codes_of, [seed])
    for seeds in (7, [1.5], "1-3"):
        refused("Seeds are whole numbers", model.codes_of, seeds)


def test_truncation() -> None:
    model = tiny.stylegan2()
    free, none = model.codes_of([1, 2]), model.codes_of([1, 2], psi=0)
    assert torch.equal(none.w, model.mapping.average.expand(2, 8, 16))
    assert torch.allclose(model.codes_of([1, 2], psi=0.5).w, (free.w + none.w) / 2, atol=1e-6)
    some = model.codes_of([1, 2], psi=0, cutoff=3).w
    assert torch.equal(some[:, :3], none.w[:, :3])
    assert torch.equal(some[:, 3:], free.w[:, 3:])
    assert torch.equal(model.codes_of([1, 2], psi=0.3, cutoff=0).w, free.w)


def test_a_constant_that_is_not_square() -> None:
    model = tiny.stylegan2(constant=(4, 6))
    assert model.config.resolutions == ((4, 6), (8, 12), (16, 24), (32, 48))
    assert (model.config.size, model.config.layers) == (48, 8)
    assert model.synthesis.blocks[3].up.noise.shape == (32, 48)
    for noise in ("const", "fixed", "none", "random"):
        assert model.decode(codes(model), noise).shape == (2, 3, 32, 48)
    discriminator = StyleDiscriminator(model.config)
    assert discriminator(model.decode(codes(model))).shape == (2, 1)
    refused(r"\(32, 48\) px, not \(48, 32\)", discriminator, torch.zeros(1, 3, 48, 32))


def test_noise() -> None:
    model = tiny.stylegan2()
    w = codes(model, 1)
    const, none, fixed = (model.decode(w, noise) for noise in ("const", "none", "fixed"))
    assert torch.equal(model.decode(w), const)
    assert torch.equal(model.decode(w, "const", seed=9), const)
    assert torch.equal(model.decode(w, noise="fixed", seed=0), fixed)
    others = [none, fixed, model.decode(w, "fixed", seed=1), model.decode(w, "random"), model.decode(w, "random")]
    pictures = [const, *others]
    assert all(not torch.equal(a, b) for i, a in enumerate(pictures) for b in pictures[:i])
    refused("const, none, fixed, random, not 'loud'", model.decode, w, "loud")


def test_every_layer_has_its_own_constant_noise() -> None:
    model = tiny.stylegan2()
    w = codes(model, 1)
    before = model.decode(w)
    layers = [layer for block in model.synthesis.blocks for layer in (block.up, block.conv) if layer is not None]
    assert [layer.layer for layer in layers] == list(range(7))
    for layer in layers:
        kept = layer.noise.clone()
        layer.noise.neg_()
        assert not torch.equal(model.decode(w), before)
        layer.noise.copy_(kept)
    assert torch.equal(model.decode(w), before)


def test_each_row_of_w_moves_the_picture() -> None:
    model = tiny.stylegan2()
    w = codes(model, 1).w.requires_grad_()
    model.decode(StyleCodes(w)).square().sum().backward()
    assert (w.grad.abs().amax((0, 2)) > 0).all()


def test_gradients_reach_z_and_all_weights() -> None:
    model = tiny.stylegan2(classes=2, clamp=50.0).requires_grad_(True)
    z = torch.randn(3, 12, requires_grad=True)
    model.decode(model.map(z, [0, 1, 0], psi=0.9)).square().sum().backward()
    for name, tensor in [("z", z), *model.named_parameters()]:
        assert tensor.grad is not None, name
        assert tensor.grad.abs().max() > 0, name


def test_bfloat16_is_close() -> None:
    model = tiny.stylegan2()
    w = codes(model)
    exact = model.decode(w)
    model.precision = torch.bfloat16
    rough = model.decode(w)
    assert rough.dtype == torch.float32
    assert 0 < tiny.differ(rough, exact) < 0.05
    assert torch.equal(model.codes_of([1]).w, tiny.stylegan2().codes_of([1]).w)  # the mapping stays exact


def test_kept_weights() -> None:
    model, other = tiny.stylegan2(0), tiny.stylegan2(1)
    w = codes(model)
    first = model.decode(w)
    assert all(layer._kept for layer in model.synthesis.modules() if isinstance(layer, Equalized))
    assert tiny.differ(tiny.stylegan2(0).requires_grad_(True).decode(w).detach(), first) < 1e-5
    model.load_state_dict(other.state_dict())
    assert tiny.differ(model.decode(w), other.decode(w)) < 1e-6
    with torch.inference_mode():
        other.decode(w)
    leaf = w.w.clone().requires_grad_()
    other.decode(StyleCodes(leaf)).sum().backward()  # what was kept in inference is good for gradients
    assert leaf.grad.abs().max() > 0


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_codes_that_do_not_fit() -> None:
    model = tiny.stylegan2()
    model.fingerprint = "a" * 64
    assert model.codes_of([1]).model == "a" * 64
    refused("decodes StyleCodes, not SwapCodes", model.decode, SwapCodes(torch.zeros(1, 8, 2, 2), torch.zeros(1, 16)))
    refused("another model", model.decode, StyleCodes(torch.zeros(1, 8, 16), model="b" * 64))
    for shape, have in {(1, 7, 16): "7 of 16", (1, 8, 15): "8 of 15"}.items():
        refused(f"8 layers of 16 numbers, these have {have}", model.decode, StyleCodes(torch.zeros(shape)))
    refused(r"\(N, 12\), not \(2, 16\)", model.map, torch.zeros(2, 16))


def test_classes() -> None:
    model = tiny.stylegan2(classes=3)
    one = model.codes_of([1, 2], labels=2)
    assert torch.equal(one.w, model.codes_of([1, 2], labels=[2, 2]).w)
    assert torch.equal(one.w, model.codes_of([1, 2], labels=torch.tensor([[0, 0, 1.0], [0, 0, 1.0]])).w)
    assert not torch.equal(one.w, model.codes_of([1, 2], labels=[2, 0]).w)
    assert torch.equal(model.codes_of([1], psi=0).w[0, 0], model.mapping.average)  # which is of no class
    refused(r"3 classes; choose one from 0 to 2 \(--class\)", model.codes_of, [1, 2])
    refused("--class", model.codes_of, [1, 2], psi=0, cutoff=2)
    for labels in (3, -1, [0], [0, 1, 2], 0.5, torch.zeros(2, 4)):
        refused(r"from 0 to 2 \(--class\), one for all or one for each of the 2", model.codes_of, [1, 2], labels=labels)
    refused("knows no classes", tiny.stylegan2().codes_of, [1], labels=0)


def test_minibatch_deviation() -> None:
    x = torch.randn(8, 5, 2, 3)
    y = minibatch_deviation(x, 4)
    assert torch.equal(y[:, :5], x)
    for item in range(8):
        group = x[item % 2 :: 2]
        want = torch.sqrt(group.var(0, unbiased=False) + EPSILON).mean()
        assert torch.allclose(y[item, 5], want)
    assert torch.allclose(minibatch_deviation(x[:1], 4)[:, 5], torch.tensor(1e-4))
    refused("groups of 4, so 6", minibatch_deviation, x[:6], 4)


def test_configuration() -> None:
    config = StyleGAN2Config(channels=(8, 4), constant=(4, 6), discriminator_channels=(6, 3), classes=2, clamp=256.0)
    values = config.to_dict()
    assert StyleGAN2Config.from_dict({**values, "channels": [8, 4], "constant": [4, 6]}) == config
    assert StyleGAN2Config.from_dict({"channels": [8]}).resolutions == ((4, 4),)
    for change, sentence in {
        ("channels", ()): "channels must name at least one block",
        ("channels", (8, 0)): "channels must be between 1 and",
        ("channels", (8.0, 4)): "channels must be at most",
        ("channels", (True, 4)): "channels must be at most",
        ("channels", 8): "channels must be at most",
        ("channels", (8,) * 13): "channels must be at most 12",
        ("constant", (4,)): "constant must be a height and a width",
        ("discriminator_channels", (6,)): "as many as channels, 2, not 1",
        ("mapping_layers", 0): "mapping_layers must be between",
        ("clamp", -1.0): "clamp must be between",
        ("w_channels", "512"): "w_channels must be a whole number",
    }.items():
        refused(sentence, StyleGAN2Config.from_dict, {**values, change[0]: change[1]})
