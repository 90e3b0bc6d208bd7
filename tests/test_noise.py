"""The generator's noise: a function of (seed, layer, absolute position)."""

from dataclasses import replace

import pytest
import tiny
import torch
from claims import refused

from graftlab.codes import SwapCodes
from graftlab.config import preset
from graftlab.networks.noise import field, noise_of, noise_source
from graftlab.networks.swapping import SwappingAutoencoder

CPU = torch.device("cpu")
KNOWN = [[1.2221558, 1.1294969, -0.9893218], [2.0090029, 0.4155571, 1.6186947]]


def noise(seed=0, layer=0, size=(64, 64), origin=(0, 0)):
    return field(seed, layer, size, origin, CPU)


def test_the_same_twice():
    first = noise(3, 5).clone()
    field.cache_clear()
    assert torch.equal(noise(3, 5), first)
    assert first.shape == (1, 1, 64, 64)
    assert first.dtype == torch.float32


def test_known_values():
    """Pinned: pictures made with an earlier version come out the same."""
    assert noise(0, 0, (2, 3))[0, 0].tolist() == [pytest.approx(row, abs=1e-6) for row in KNOWN]


@pytest.mark.parametrize(
    ("a", "b"), [((0, 0), (1, 0)), ((0, 0), (0, 1)), ((0, 1), (1, 0)), ((7, 11), (7, 12)), ((0, 0), (2**31, 0))]
)
def test_seeds_and_layers_are_independent(a, b):
    x, y = noise(*a).flatten(), noise(*b).flatten()
    assert abs(torch.corrcoef(torch.stack([x, y]))[0, 1]) < 4 / 64  # 4 standard deviations
    assert not (x == y).any()


def test_all_layers_of_many_seeds_differ():
    corners = torch.stack([noise(seed, layer, (4, 4)).flatten() for seed in range(40) for layer in range(16)])
    assert len(torch.unique(corners, dim=0)) == 640
    assert len(torch.unique(corners)) > 640 * 16 * 0.99


@pytest.mark.parametrize("origin", [(0, 0), (5, 9), (40, 20), (24, 24)])
def test_a_tile_is_part_of_the_field(origin):
    y, x = origin
    assert torch.equal(noise(1, 2, (24, 40), origin), noise(1, 2)[..., y : y + 24, x : x + 40])


def test_no_value_depends_on_the_picture_s_size():
    assert torch.equal(noise(size=(100, 30))[..., :20, :20], noise(size=(20, 64))[..., :20, :20])


def test_positions_left_of_the_origin():
    whole = noise(4, 4, (20, 20), (-10, -7))
    assert torch.equal(whole[..., 10:, 7:], noise(4, 4, (10, 13)))
    assert whole.isfinite().all()


def test_standard_normal():
    values = noise(12, 3, (256, 256))[0, 0]
    count = values.numel()
    assert abs(values.mean()) < 4 / count**0.5
    assert abs(values.var() - 1) < 4 * (2 / count) ** 0.5
    assert abs((values**3).mean()) < 4 * (15 / count) ** 0.5
    assert abs((values**4).mean() - 3) < 4 * (96 / count) ** 0.5
    normal = torch.distributions.Normal(0.0, 1.0).cdf(values.flatten().sort().values)
    steps = torch.arange(1, count + 1) / count
    assert (normal - steps).abs().max() < 1.95 / count**0.5  # Kolmogorov and Smirnov, one in a thousand


@pytest.mark.parametrize("shift", [(0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (16, 0), (0, 64), (128, 128)])
def test_neighbours_are_independent(shift):
    values = noise(12, 3, (256, 256))[0, 0]
    for power in (1, 2):  # of the values, and of their sizes
        x = values**power - (values**power).mean()
        product = (x * x.roll(shift, (0, 1))).mean() / x.var()
        assert abs(product) < 4.5 / 256


def test_no_two_rows_or_columns_agree():
    values = noise(0, 0, (512, 8))[0, 0]
    assert len(torch.unique(values, dim=0)) == 512
    assert len(torch.unique(noise(0, 0, (8, 512))[0, 0], dim=1).T) == 512


def test_the_first_layer_tells_how_fine_the_others_are():
    source = noise_source("fixed", seed=6, origin=(3, 5))
    assert torch.equal(source(0, torch.zeros(2, 7, 8, 10)), noise(6, 0, (8, 10), (3, 5)))
    assert torch.equal(source(1, torch.zeros(2, 7, 8, 10)), noise(6, 1, (8, 10), (3, 5)))
    assert torch.equal(source(4, torch.zeros(2, 7, 32, 40)), noise(6, 4, (32, 40), (12, 20)))


def test_noise_of_a_picture_is_as_strong_in_every_layer():
    field = torch.randn(2, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    source = noise_of(field)
    assert torch.equal(source(3, torch.zeros(2, 5, 256, 256)), field)
    for side in (128, 64, 16):
        seen = source(0, torch.zeros(2, 5, side, side))
        assert seen.shape == (2, 1, side, side)
        assert seen.std().item() == pytest.approx(1, abs=0.08)
    corner = source(0, torch.zeros(2, 5, 64, 64))[:, :, 0, 0]
    assert torch.allclose(corner, field[:, :, :4, :4].sum((2, 3)) / 4)


def test_random_noise_follows_torch():
    like, source = torch.zeros(2, 7, 8, 10), noise_source("random")
    torch.manual_seed(5)
    first, second = source(0, like), source(0, like)
    assert first.shape == (2, 1, 8, 10)
    assert not (first == second).any()
    assert not (first[0] == first[1]).any()
    torch.manual_seed(5)
    assert torch.equal(source(0, like), first)


def test_modes():
    assert noise_source("none")(0, torch.zeros(1, 1, 2, 2)) is None
    refused("noise must be one of none, fixed, random, not 'loud'", noise_source, "loud")


# -- in pictures ------------------------------------------------------------------------------------------------------


def codes(height=8, width=8, count=1):
    torch.manual_seed(1)
    return SwapCodes(torch.randn(count, 8, height, width), torch.randn(count, 16))


def test_a_batch_shares_fixed_noise():
    model, twice = tiny.model(), codes()[torch.tensor([0, 0])]
    one, two = model.decode(twice)
    assert torch.equal(one, two)
    one, two = model.decode(twice, noise="random")
    assert tiny.differ(one, two) > 1e-2


def test_decode_modes():
    model, one = tiny.model(), codes()
    fixed = model.decode(one)
    assert torch.equal(model.decode(one, noise="fixed", seed=0), fixed)
    silent = model.decode(one, noise="none")
    assert torch.equal(model.decode(one, noise="none", seed=1), silent)
    torch.manual_seed(0)
    wild = model.decode(one, noise="random")
    torch.manual_seed(0)
    assert torch.equal(model.decode(one, noise="random", seed=3), wild)
    others = (silent, model.decode(one, seed=1), wild, model.decode(one, noise="random"))
    assert all(tiny.differ(other, fixed) > 1e-2 for other in others)
    refused("noise must be one of", model.decode, one, noise="loud")


def test_tiles_of_a_picture_agree_with_the_whole():
    """Away from its borders, a tile decoded with its origin is the part of the whole picture."""
    model, large = tiny.model(), codes(30, 26)
    whole = model.decode(large)
    top, left, side, border = 6, 4, 18, 7  # cells; the generator sees 7 cells far
    part = SwapCodes(large.structure[..., top : top + side, left : left + side], large.texture)
    inner = slice(4 * border, 4 * (side - border))
    wanted = whole[..., 4 * top : 4 * (top + side), 4 * left : 4 * (left + side)][..., inner, inner]
    assert tiny.differ(model.decode(part, origin=(top, left))[..., inner, inner], wanted) < 1e-5
    assert tiny.differ(model.decode(part)[..., inner, inner], wanted) > 1e-2


def test_a_field_made_for_inference_is_good_for_gradients():
    field.cache_clear()
    model = tiny.new_model().requires_grad_(True)
    with torch.inference_mode():
        model.decode(codes())
    model.decode(codes()).sum().backward()
    assert model.generator.head[0].conv1.noise_strength.grad is not None


@pytest.mark.parametrize("everywhere", [True, False])
def test_every_layer_has_its_own_number(everywhere):
    config, heard = replace(preset("tiny"), noise=everywhere), []
    generator = SwappingAutoencoder(config).generator
    generator(torch.zeros(1, 8, 4, 4), torch.zeros(1, 16), lambda layer, like: heard.append((layer, len(like[0, 0]))))
    sides = [4, 4, 4, 4, 8, 8, 16, 16] if everywhere else [4, 4, 4, 4]  # two layers a block, the first ones at the head
    assert heard == list(enumerate(sides))
