"""Directions of known factors: what is planted is found, held apart, and checked on other pictures."""

import numpy as np
import pytest
import torch
from claims import refused
from planted import cosine, planted

from graftlab.editing.directions import Directions
from graftlab.editing.factors import correlate, fit_factors, named
from graftlab.editing.fitting import fit


def mixed(count, seed):
    """Textures in which the faint axis is 'snow' and both axes move with 'night'."""
    textures, axes, numbers = planted(count, seed)
    night, snow = numbers[:, 0], numbers[:, 1] - 0.5 * numbers[:, 0]
    return textures, axes, {"night": night.tolist(), "snow": snow}


def test_labelled_directions_hold_the_other_factors_still():
    textures, axes, factors = mixed(400, 0)
    found = fit_factors(textures, factors, "b" * 64)
    assert found.names == ("night", "snow")
    assert found.model == "b" * 64
    # n0 = night and n1 = snow + night / 2, so the texture is night * (2 a0 + 0.25 a1) + snow * 0.5 a1
    wanted = torch.stack([2 * axes[0] + 0.25 * axes[1], axes[1]])
    assert (cosine(found.vectors, wanted) > 0.995).all()
    spread = torch.cov((textures @ (wanted / wanted.norm(dim=1, keepdim=True)).T).T, correction=0).diag()
    assert torch.allclose(found.vectors.norm(dim=1).double(), spread.sqrt(), rtol=0.02)
    total = torch.cov(textures.T, correction=0).trace()
    assert torch.allclose(found.explained.double(), spread / total, rtol=0.02)


def test_correlations_are_those_of_pictures_held_out():
    textures, _, factors = mixed(400, 0)
    others, _, truth = mixed(300, 1)
    found = correlate(Directions.cat([fit_factors(textures, factors), fit(textures, 2)]), others, truth)
    assert found.about["held_out"] == 300
    assert found.about["pictures"] == 400
    assert found.about["factors"] == ["night", "snow"]
    assert list(found.correlations("snow")) == ["snow", "night"]
    assert found.correlations("night")["night"] > 0.99
    for i, name in enumerate(found.names):
        for factor in truth:
            both = torch.stack([found.positions(others)[:, i], torch.as_tensor(truth[factor]).double()])
            r = torch.corrcoef(both)[0, 1].item()
            assert found.correlations(name)[factor] == pytest.approx(r, abs=1e-4)
    order = np.random.default_rng(3).permutation(300)
    shuffled = {name: torch.as_tensor(column)[order] for name, column in truth.items()}
    assert abs(correlate(found, others, shuffled).correlations("snow")["snow"]) < 0.2


def test_components_take_the_name_and_the_side_of_what_they_follow():
    textures, _, factors = mixed(400, 0)
    down = {"day": [-number for number in factors["night"]]}
    found = correlate(fit(textures, 3), textures, down)
    before = found.correlations("component 1")["day"]
    turned = named(found)
    assert turned.names == ("component 1 (day)", "component 2", "component 3")
    assert turned.correlations("component 1")["day"] == pytest.approx(abs(before))
    assert torch.allclose(turned.vectors[0], found.vectors[0] * np.sign(before))
    assert torch.equal(turned.vectors[1:], found.vectors[1:])
    assert turned.positions(textures)[:, 0] @ torch.tensor(down["day"]).double() > 0
    assert named(found, least=0.999999).names == found.names
    assert named(correlate(fit_factors(textures, down), textures, down)).names == ("day",)
    assert named(fit(textures, 2)).names == ("component 1", "component 2")  # nothing is known


@pytest.mark.parametrize(
    "column", [[1.0] * 400, [0.0] * 399, [*[0.0] * 399, float("nan")], [[1.0]] * 400], ids=range(4)
)
def test_useless_factors_are_refused(column):
    textures, _, numbers = planted()
    refused(
        "The factor 'snow' must be 400 finite numbers", fit_factors, textures, {"night": numbers[:, 0], "snow": column}
    )
    refused("The factor 'snow'", correlate, fit(textures, 2), textures, {"snow": column})


def test_factors_need_pictures():
    textures, _, numbers = planted(3)
    refused("2 factors need more pictures than 3", fit_factors, textures, {"a": numbers[:, 0], "b": numbers[:, 1]})
    refused("at least one factor", fit_factors, textures, {})
