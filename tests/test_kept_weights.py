"""Frozen weights keep the form in which they are used, and never an old one."""

from copy import deepcopy

import pytest
import tiny
import torch

from graftlab.benchmarking.clock import flops
from graftlab.networks import packing, winograd
from graftlab.networks.layers import Conv, Equalized, ModulatedConv


def swap(model, precision=torch.float32):
    model.precision = precision
    images = tiny.pictures(2)
    with torch.no_grad():
        codes = model.encode(images)
        return model.decode(codes)


def kept(model) -> list:
    return [layer._kept for layer in model.modules() if isinstance(layer, Equalized)]


def test_kept_equals_made_anew():
    model = tiny.new_model()
    frozen = swap(model)
    assert all(kept(model))
    trained = deepcopy(model).requires_grad_(True)
    assert torch.allclose(swap(trained), frozen, atol=1e-6)
    assert torch.equal(swap(model), frozen)


def test_kept_once_and_used_again(monkeypatch):
    model = tiny.new_model()
    first = swap(model)
    for layer in model.modules():
        if isinstance(layer, Equalized):
            monkeypatch.setattr(layer, "scaled", None)
    assert torch.equal(swap(model), first)


@pytest.mark.parametrize("how", ["in place", "loaded", "assigned", "data"])
def test_changed_weights_are_seen(how):
    model, other = tiny.new_model(0), tiny.new_model(1)
    swap(model)
    if how == "in place":
        for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
            mine.mul_(0).add_(theirs)
    elif how == "data":
        for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
            mine.data = theirs.data
    else:
        model.load_state_dict(other.state_dict(), assign=how == "assigned")
    assert torch.allclose(swap(model), swap(other), atol=1e-6)


def test_precision_may_change_between_calls():
    model = tiny.new_model()
    exact = swap(model)
    rough = swap(model, torch.bfloat16)
    assert 0 < (rough - exact).abs().max() < 0.2
    assert torch.equal(swap(model), exact)


def test_an_optimiser_that_leaves_no_trace_is_seen():
    model = tiny.new_model()
    swap(model)
    model.requires_grad_(True)
    optimizer = torch.optim.Adam(model.parameters(), 0.1, fused=True)
    model.decode(model.encode(tiny.pictures(2))).square().mean().backward()
    optimizer.step()
    trained = swap(model)
    assert torch.allclose(swap(model.requires_grad_(False)), trained, atol=1e-6)


def test_training_keeps_nothing_also_when_frozen_for_a_moment():
    for model in (tiny.new_model().requires_grad_(True), tiny.new_model().train()):
        swap(model)
        assert not any(kept(model))


def test_made_during_inference_and_differentiated_later():
    model = tiny.new_model()
    with torch.inference_mode():
        codes = model.encode(tiny.pictures(2))
        model.decode(codes)
    structure = codes.structure.clone().requires_grad_()
    model.decode(type(codes)(structure, codes.texture.clone())).square().sum().backward()
    assert structure.grad is not None
    assert structure.grad.abs().max() > 0


@pytest.fixture
def packs(monkeypatch):
    """Few weights are packed like many."""
    monkeypatch.setattr(packing, "MANY", 1)


@pytest.mark.parametrize(("precision", "most"), [(torch.float32, 1e-6), (torch.bfloat16, 0.02)])
def test_packed_does_what_plain_does(packs, precision, most):
    model = tiny.new_model()
    model.precision = precision
    with torch.enable_grad():
        plain = model.decode(model.encode(tiny.pictures(2)))
    assert (swap(model, precision) - plain).abs().max() < most
    convolutions = [layer for layer in model.modules() if isinstance(layer, Conv)]
    assert all(("packed" in layer._kept) == packing.supported(precision) for layer in convolutions)
    assert torch.equal(swap(deepcopy(model), precision), swap(model, precision))


def test_packed_is_neither_counted_nor_differentiated(packs, monkeypatch):
    model = tiny.new_model()
    counted = flops(lambda: swap(model))
    codes = model.encode(tiny.pictures(2))
    codes.structure.requires_grad_()
    model.decode(codes).square().sum().backward()
    assert codes.structure.grad.abs().max() > 0
    assert not any("packed" in forms for forms in kept(model))
    monkeypatch.setattr(packing, "MANY", 10**9)
    assert flops(lambda: swap(model)) == counted > 0


def test_fewer_multiplications_make_the_same_pictures(monkeypatch):
    model = tiny.new_model()
    plain = swap(model)
    monkeypatch.setattr(winograd, "WIDE", 1)
    monkeypatch.setattr(winograd, "MUCH", 1)
    assert torch.allclose(swap(model), plain, atol=1e-5)
    layers = [layer for layer in model.modules() if isinstance(layer, ModulatedConv)]
    same_size = [layer for layer in layers if layer.doubling is None and layer.weight.shape[-1] == winograd.KERNEL]
    assert all("transformed" in layer._kept for layer in same_size)
    x, weight = torch.zeros(1, 4, 8, 8), same_size[0].weight
    assert winograd.pays(x, weight, torch.float32)
    assert not winograd.pays(x.requires_grad_(), weight, torch.float32)  # going back would take longer


def test_state_holds_the_weights_alone():
    model = tiny.new_model()
    before = set(model.state_dict())
    swap(model)
    assert set(model.state_dict()) == before
