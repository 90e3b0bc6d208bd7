"""Whether networks go together, and how far each layer of one has moved from another's."""

from math import isnan, sqrt

import pytest
import tiny
import torch
from claims import refused
from torch import nn

from graftlab.blending.chart import chart
from graftlab.blending.diff import diff, outermost
from graftlab.blending.inputs import probe_photos, probe_seeds
from graftlab.blending.kinship import Distance, compare, kinship, measure
from graftlab.networks.model import Network, fingerprint


def known(model: Network) -> Network:
    """As loaded from a file."""
    model.fingerprint = fingerprint(model.state_dict())
    return model


def turned(model: Network, far: float, seed: int = 7) -> Network:
    """A copy whose weights are so far away, in shares of their length, and at right angles to it."""
    other = tiny.stylegan2() if model.kind == "stylegan2" else tiny.new_model()
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        other.state_dict()[name].copy_(tensor + far * tensor.norm() / max(noise.norm(), 1e-9) * noise)
    return known(other)


# -- distances --------------------------------------------------------------------------------------------------------


def test_distances_of_vectors():
    distance = measure(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0]))
    assert distance == Distance(0, 9, 16, 25)
    assert (distance.relative, distance.cosine) == (5 / 3, 0)
    twice = measure(torch.tensor([1.0, 1.0]), torch.tensor([2.0, 2.0]))
    assert twice.cosine == pytest.approx(1)
    assert twice.relative == pytest.approx(1)
    assert (distance + twice).relative == pytest.approx(sqrt(27 / 11))


def test_distances_from_nothing():
    zero = torch.zeros(2)
    assert (measure(zero, zero).relative, measure(zero, zero).cosine) == (0, 1)
    assert isnan(measure(zero, torch.ones(2)).relative)
    assert isnan(measure(zero, torch.ones(2)).cosine)


def test_every_tensor_is_compared():
    a, b = tiny.stylegan2(classes=3), tiny.stylegan2(1, classes=3)
    assert [layer.name for layer, _ in compare(a, b)] == list(a.state_dict())


# -- kinship ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [tiny.stylegan2, tiny.new_model])
@pytest.mark.parametrize(("far", "verdict"), [(0.1, "likely"), (0.8, "likely"), (2.0, "doubtful"), (8.0, "unrelated")])
def test_kinship_is_estimated_from_angles(make, far, verdict):
    a = known(make())
    found = kinship(a, turned(a, far))
    assert found.verdict == verdict
    assert found.cosine == pytest.approx(1 / sqrt(1 + far**2), abs=0.05)
    assert found.relative == pytest.approx(far, rel=0.05)
    assert found.blends == (verdict != "unrelated")


def test_networks_that_know_nothing_of_each_other_are_unrelated():
    found = kinship(tiny.stylegan2(0), tiny.stylegan2(1))
    assert not found.blends
    assert found.relative == pytest.approx(sqrt(2), abs=0.1)
    assert found.sentence.startswith("They will not blend")


def test_kinship_is_known_from_files():
    a, b, c = (known(tiny.stylegan2(seed)) for seed in range(3))
    assert kinship(a, known(tiny.stylegan2(0))).verdict == "same"
    for mine, theirs, verdict in (
        ({}, {"parent": a.fingerprint}, "kin"),
        ({"parents": [b.fingerprint, c.fingerprint]}, {}, "kin"),
        ({"parent": c.fingerprint}, {"parent": c.fingerprint}, "kin"),
        ({"parent": c.fingerprint}, {"parent": "another"}, "unrelated"),
        ({"parent": None, "parents": 3}, {"parent": None, "parents": "x"}, "unrelated"),
    ):
        a.about, b.about = mine, theirs
        assert kinship(a, b).verdict == verdict


def test_empty_networks_tell_nothing():
    a, b = tiny.stylegan2(), tiny.stylegan2()
    for parameter in a.parameters():
        nn.init.zeros_(parameter)
    refused("too small, or too empty", kinship, a, b)


# -- layer by layer ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [tiny.stylegan2, tiny.new_model])
def test_layers_have_all_tensors_once_and_in_order(make):
    a = make()
    moved = diff(a, turned(a, 0.2))
    names = [name for each in moved for name in each.tensors]
    assert sorted(names) == sorted(a.state_dict())
    assert all(each.activations is None for each in moved)
    if a.kind == "stylegan2":
        block = [each.name for each in moved if each.name.startswith("synthesis.blocks.1")]
        layers = [name for name in block if not name.endswith(".noise")]
        assert layers == [f"synthesis.blocks.1.{module}" for module in ("up", "conv", "to_rgb")]


def test_only_what_moved_has_a_distance():
    a, b = tiny.stylegan2(), tiny.stylegan2()
    b.state_dict()["synthesis.blocks.2.conv.bias"].add_(0.5)
    moved = {each.name: each for each in diff(a, b, probe_seeds([1, 2]))}
    changed = moved.pop("synthesis.blocks.2.conv")
    assert changed.weights.relative > 0
    assert changed.activations.relative > 0.01
    assert all(each.weights.relative == 0 for each in moved.values())
    later = {name for name, each in moved.items() if each.activations and each.activations.relative > 0}
    assert later == {f"synthesis.blocks.{end}" for end in ("2.to_rgb", "3.up", "3.conv", "3.to_rgb")}


def test_activations_are_relative_distances():
    a, b = tiny.stylegan2(), tiny.stylegan2()
    for name in ("weight", "bias"):
        b.state_dict()[f"mapping.layers.1.{name}"].mul_(3)  # a leaky rectifier of three times its input
    last = next(each for each in diff(a, b, probe_seeds([0, 5])) if each.name == "mapping.layers.1")
    assert last.activations.relative == pytest.approx(2, rel=1e-5)
    assert last.weights.relative == pytest.approx(2, rel=1e-5)


def test_activations_of_an_autoencoder_and_no_hook_stays():
    a = tiny.new_model()
    b = turned(a, 0.2)
    inputs = [tiny.pictures(1, seed=seed) for seed in range(2)]
    before = a.decode(a.encode(inputs[0]))
    moved = diff(a, b, probe_photos(inputs))
    assert {each.name for each in moved if each.activations} == set(outermost(a))
    assert not any(module._forward_hooks for model in (a, b) for module in model.modules())
    assert torch.equal(a.decode(a.encode(inputs[0])), before)


def test_chart():
    a = tiny.stylegan2()
    moved = diff(a, turned(a, 0.3), probe_seeds([0]))
    drawn = chart(moved, "A to B")
    assert drawn.shape[:2] == (1, 3)
    assert drawn.shape[2] > 20 * len(moved)
    still = chart(diff(a, a), "A to A")
    assert (drawn != 1).sum() > (still != 1).sum()  # bars
    assert chart(moved, "a long name " * 20).shape[3] > 2 * drawn.shape[3]  # and all of it is there
    refused("no layers", chart, [], "nothing")
