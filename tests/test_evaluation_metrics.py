"""Distances against closed forms and against torchmetrics; colour transfer."""

import sys

import pytest
import torch
from claims import refused
from tiny import pictures
from torch import nn

from graftlab.evaluation import metrics, transfer
from graftlab.perception import distances
from graftlab.perception.choice import feature_network
from graftlab.perception.features import Features


@pytest.fixture(scope="module")
def seen():
    """Features of four pictures of 64 px."""
    return feature_network()(pictures(4, 64, 64))


def samples(count, dimensions, seed=0, shift=0.0):
    noise = torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return noise * torch.linspace(0.5, 2, dimensions) + shift


# -- two pictures -----------------------------------------------------------------------------------------------------


def test_equal_pictures(seen):
    images = pictures(4, 64, 64)
    values = metrics.closeness(images, images, seen, seen)
    assert list(values) == list(metrics.MEASURES)
    for name, wanted in (("l1", 0), ("ssim", 1), ("features", 0)):
        torch.testing.assert_close(values[name], torch.full((4,), float(wanted)), atol=1e-5, rtol=0)
    assert values["psnr"].isinf().all()
    assert distances.self_similarity(seen.middle, seen.middle).abs().max() == 0
    assert metrics.single_image_frechet(seen, seen).max() < 1e-6


def test_known_differences():
    grey, brighter = torch.zeros(1, 3, 32, 32), torch.full((1, 3, 32, 32), 0.2)
    values = metrics.closeness(grey, brighter, *[feature_network()(x) for x in (grey, brighter)])
    assert values["l1"].item() == pytest.approx(0.1)
    assert values["psnr"].item() == pytest.approx(20)
    c1 = 0.01**2  # of two even pictures SSIM knows the means alone
    assert values["ssim"].item() == pytest.approx((2 * 0.5 * 0.6 + c1) / (0.5**2 + 0.6**2 + c1), abs=1e-4)
    refused("11 pixels", metrics.ssim, pictures(1, 8, 8), pictures(1, 8, 8))


def test_a_missing_package_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    refused(r"pip install 'graftlab\[metrics\]'", metrics.ssim, pictures(), pictures())


def made(maps):
    """Features whose every map is this one (N, C, h, w)."""
    return Features((maps,) * 4, maps.mean((2, 3)))


def test_deep_distance_is_a_cosine():
    a, b, opposite = (torch.tensor(v).view(1, 2, 1, 1) for v in ([1.0, 0], [0.0, 3], [-2.0, 0]))
    assert distances.deep(made(a), made(a * 5)).item() == pytest.approx(0)
    assert distances.deep(made(a), made(b)).item() == pytest.approx(1)
    assert distances.deep(made(a), made(opposite)).item() == pytest.approx(2)
    assert metrics.diversity(made(torch.cat([a, b, opposite]))) == pytest.approx((1 + 2 + 1) / 3)


def test_self_similarity_sees_layout_and_not_what_it_is_made_of():
    maps = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    turned = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(1)))[0]
    other = torch.einsum("ij,njhw->nihw", turned, maps)
    assert distances.self_similarity(maps, other).item() < 1e-5
    assert distances.deep(made(maps), made(other)).item() > 0.3
    shuffled = maps.flatten(2)[:, :, torch.randperm(16, generator=torch.Generator().manual_seed(2))].view_as(maps)
    assert distances.self_similarity(maps, shuffled).item() > 0.2
    assert metrics.single_image_frechet(made(maps), made(shuffled)).item() < 1e-5


# -- two sets ---------------------------------------------------------------------------------------------------------


def test_frechet_of_gaussians_with_axes_in_common():
    """|m1 - m2|^2 + sum of (s1 - s2)^2, where the covariances commute."""
    x = samples(500, 6)
    y = x * torch.tensor([1, 2, 0.5, 3, 1, 0.1], dtype=torch.float64) + 0.7
    x, y = (torch.linalg.qr(v - v.mean(0)).Q * v.std(0) * 499**0.5 + v.mean(0) for v in (x, y))  # uncorrelated
    wanted = (x.mean(0) - y.mean(0)).square().sum() + (x.std(0) - y.std(0)).square().sum()
    assert metrics.frechet(x, y) == pytest.approx(wanted.item(), rel=1e-9)
    assert metrics.frechet(x, x) == pytest.approx(0, abs=1e-9)


class AsTheyAre(nn.Module):
    """What torchmetrics takes for a network: the pictures are the features already."""

    num_features = 12

    def forward(self, images):
        return images.double()


@pytest.mark.parametrize("count", [8, 60], ids=["fewer than dimensions", "more"])
def test_the_same_as_torchmetrics(count):
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    x, y = samples(count, 12), samples(count, 12, seed=1, shift=0.4)
    theirs = FrechetInceptionDistance(feature=AsTheyAre()).set_dtype(torch.float64)
    kernel = KernelInceptionDistance(feature=AsTheyAre(), subsets=1, subset_size=count)
    for metric in (theirs, kernel):
        metric.update(x, real=True)
        metric.update(y, real=False)
    assert metrics.frechet(x, y) == pytest.approx(theirs.compute().item(), rel=1e-5)
    assert metrics.kernel_distance(x, y) == pytest.approx(kernel.compute()[0].item(), rel=1e-5)


def test_kernel_distance_is_unbiased():
    same = [metrics.kernel_distance(samples(20, 5, seed), samples(30, 5, seed + 1000)) for seed in range(100)]
    assert min(same) < 0 < max(same)
    assert abs(sum(same) / 100) < 3 * torch.tensor(same).std().item() / 10


def test_intervals_shrink_with_the_sample_and_repeat():
    def width(count):
        x, y = samples(count, 4), samples(count, 4, seed=1, shift=1.0)
        estimate = metrics.bootstrapped(metrics.frechet, x, y)
        assert estimate == metrics.bootstrapped(metrics.frechet, x, y)
        assert estimate.low < metrics.frechet(x, y) == estimate.value < estimate.high
        return estimate.high - estimate.low

    assert width(400) < 0.7 * width(50)


# -- colour transfer --------------------------------------------------------------------------------------------------


def test_lab_of_known_colours():
    for rgb, lab in (
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0, 0)),
        ((3, 3, 3), (0.82, 0, 0)),  # on the straight piece
    ):
        image = (torch.tensor(rgb) / 127.5 - 1).view(1, 3, 1, 1)
        assert transfer.to_lab(image).flatten().tolist() == pytest.approx(lab, abs=0.06)
        torch.testing.assert_close(transfer.from_lab(transfer.to_lab(image)), image, atol=2e-4, rtol=0)


def test_mean_and_deviation_match_in_lab():
    a, b = pictures(1, 32, 32) * 0.3, pictures(1, 24, 40, seed=1) * 0.3 + 0.1
    x, y = transfer.to_lab(transfer.mean_and_deviation(a, b)), transfer.to_lab(b)
    assert x.mean((2, 3)).flatten().tolist() == pytest.approx(y.mean((2, 3)).flatten().tolist(), abs=1)
    assert x.std((2, 3)).flatten().tolist() == pytest.approx(y.std((2, 3)).flatten().tolist(), rel=0.1)
    even = torch.zeros(1, 3, 8, 8)
    assert transfer.mean_and_deviation(even, b).isfinite().all()


@pytest.mark.parametrize("size", [(32, 32), (24, 50)], ids=["as many pixels", "more"])
def test_transport_matches_every_histogram(size):
    a, b = pictures(1, 32, 32) * 0.3, pictures(1, *size, seed=1) * 0.3 + 0.2
    moved = transfer.sliced_transport(a, b)
    levels = torch.linspace(0, 1, 21)
    for direction in (torch.eye(3), torch.tensor([[1.0, 1, 1], [1, -1, 0], [0.5, 0.5, -1]])):
        x, y = (torch.einsum("ij,njhw->ihw", direction, image).flatten(1) for image in (moved, b))
        gap = (x.quantile(levels, 1) - y.quantile(levels, 1)).abs()
        assert gap.mean() < 0.02  # of a spread of about 0.6
    assert torch.equal(moved, transfer.sliced_transport(a, b))
    torch.testing.assert_close(transfer.sliced_transport(a, a), a, atol=1e-5, rtol=0)


def test_the_kernel_estimate_is_the_bootstrap_of_the_distance():
    x, y = samples(30, 6, seed=1), samples(20, 6, seed=2) + 0.3
    slow, fast = metrics.bootstrapped(metrics.kernel_distance, x, y, seed=3), metrics.kernel_estimate(x, y, seed=3)
    assert fast.to_dict() == pytest.approx(slow.to_dict(), rel=1e-9)
    assert fast.low < fast.value < fast.high
