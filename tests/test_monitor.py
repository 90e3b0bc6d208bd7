"""What is measured on held-out pictures."""

import pytest
import tiny
import torch

from graftlab.training.swapping import colour_distance, validate


def test_colour_distance_looks_at_values_not_at_places():
    picture = torch.linspace(-1, 1, 3 * 8 * 8).view(1, 3, 8, 8)
    assert colour_distance(picture, picture.flip(2, 3)).item() == 0
    brighter = colour_distance(picture * 0.5, picture * 0.5 + 0.25).item()
    assert brighter == pytest.approx(0.25, abs=1e-6)
    assert colour_distance(torch.full((2, 3, 4, 4), -9.0), torch.ones(2, 3, 4, 4)).tolist() == [2, 2]  # clamped


@pytest.mark.parametrize("count", [1, 2, 17])
def test_validate(count):
    model, images = tiny.model(), torch.rand(count, 3, 32, 32) * 2 - 1
    figures = validate(model, images)
    rec = model.decode(model.encode(images))
    assert figures["validation_l1"] == pytest.approx((rec.clamp(-1, 1) - images).abs().mean().item(), rel=1e-4)
    assert figures["validation_error"] == figures["validation_l1"] + figures["validation_texture"]
    codes = model.encode(images)
    distances = []
    for i in range(count):
        other = (i + 1) % count
        hybrid = model.decode(codes[i].mix(codes[other], texture=1))
        distances.append(colour_distance(hybrid, images[other : other + 1]).item())
    assert figures["validation_texture"] == pytest.approx(sum(distances) / count, rel=1e-4)
