"""Mixtures: planted clusters are found, numbers mean the same codes in any company, nonsense is refused."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from claims import refused

from graftlab.editing.mixtures import Mixture, fit_mixture, numbers

MIDDLES = torch.tensor([[-2.0, 0, 1], [2, 1, 0], [0, -3, -2]]).double()
SPREADS = torch.tensor([[0.3, 0.3, 0.1], [0.1, 0.5, 0.2], [0.2, 0.1, 0.4]]).double()


@pytest.fixture(scope="module")
def places():
    """1000 places in three clusters of 500, 300 and 200."""
    which = torch.tensor([0] * 500 + [1] * 300 + [2] * 200)
    draw = torch.randn(1000, 3, generator=torch.Generator().manual_seed(0)).double()
    return (MIDDLES[which] + SPREADS[which] * draw)[torch.randperm(1000, generator=torch.Generator().manual_seed(1))]


@pytest.fixture(scope="module")
def mixture(places):
    return fit_mixture(places, 3)


def test_planted_clusters_are_found(mixture, places):
    assert torch.allclose(mixture.shares, torch.tensor([0.5, 0.3, 0.2]), atol=1e-3)
    assert torch.allclose(mixture.means.double(), MIDDLES, atol=0.1)
    found = mixture.factors @ mixture.factors.mT
    assert torch.allclose(found.diagonal(dim1=1, dim2=2).double().sqrt(), SPREADS, atol=0.05)
    assert torch.equal(mixture.factors, mixture.factors.tril())
    assert torch.equal(fit_mixture(places, 3).factors, mixture.factors)  # of the same places the same


def test_places_are_drawn_as_they_were_spread(mixture, places):
    drawn = mixture.sample(range(3000))
    assert torch.allclose(drawn.mean(0), places.mean(0), atol=0.1)
    assert torch.allclose(torch.cov(drawn.T), torch.cov(places.T), atol=0.2)
    nearest = torch.cdist(drawn, mixture.means.double()).argmin(1).bincount() / 3000
    assert torch.allclose(nearest.float(), mixture.shares, atol=0.03)


def test_truncation_leads_to_the_middle_of_the_own_cluster(mixture):
    full, half, none = (mixture.sample(range(50), psi) for psi in (1, 0.5, 0))
    assert torch.allclose(half, (full + none) / 2)
    assert (torch.cdist(none, mixture.means.double()).min(1).values < 1e-6).all()
    assert len(none.unique(dim=0)) == 3


def test_a_seed_is_a_place_in_any_company(mixture):
    together = mixture.sample([3, 7, 7, 9])
    assert torch.equal(together[1:2], mixture.sample([7]))
    assert torch.equal(together[1], together[2])
    assert not torch.equal(together[0], together[1])
    assert mixture.sample([]).shape == (0, 3)
    steps, chances = numbers([7], 3, 0.5)
    assert steps.tolist() == [(0.5 * np.random.RandomState(7).randn(3)).tolist()]
    assert 0 <= chances.item() < 1


def test_one_cluster_is_a_gaussian(places):
    one = fit_mixture(places, 1)
    assert torch.allclose(one.means[0].double(), places.mean(0), atol=1e-5)
    assert one.shares.tolist() == [1]


def test_more_clusters_than_places_are_refused_and_without_scikit_learn_any(places, monkeypatch):
    for clusters in (0, 6):
        refused(f"5 pictures make one cluster or more, .* not {clusters}", fit_mixture, places[:5], clusters)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    refused(r"pip install 'graftlab\[clusters\]'", fit_mixture, places, 2)


WRONG = {
    "shapes": {"means": torch.zeros(3, 2)},
    "no clusters": {"shares": torch.zeros(0), "means": torch.zeros(0, 3), "factors": torch.zeros(0, 3, 3)},
    "a vector of means": {"means": torch.zeros(3)},
    "not finite": {"means": torch.full((3, 3), torch.nan)},
    "whole numbers": {"means": torch.zeros(3, 3, dtype=torch.long)},
    "shares": {"shares": torch.tensor([0.5, 0.4, 0.2])},
    "negative shares": {"shares": torch.tensor([1.5, -0.7, 0.2])},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_mixtures_without_sense_are_refused(mixture, change):
    refused(r"mixture", replace, mixture, **change)


def test_a_mixture_may_be_written_down():
    """One cluster of weight 1 at 2 with deviation 3."""
    mixture = Mixture(torch.ones(1), torch.full((1, 1), 2.0), torch.full((1, 1, 1), 3.0))
    assert mixture.sample([5]).item() == pytest.approx(2 + 3 * np.random.RandomState(5).randn())
