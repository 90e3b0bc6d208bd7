"""Easings begin at 0 and end at 1, and what goes there and back closes."""

from math import inf, nan

import pytest

from graftlab.errors import GraftError
from graftlab.video.easing import EASINGS, between, easing, there_and_back

EVEN = [i / 100 for i in range(101)]
MONOTONE = ("linear", "smooth", "smoother", "sine", "in", "out", "in-out", "jump")


@pytest.mark.parametrize("name", EASINGS)
def test_every_easing_begins_at_0_and_ends_at_1(name: str):
    assert easing(name)(0) == pytest.approx(0, abs=1e-12)
    assert easing(name)(1) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", MONOTONE)
def test_most_only_rise(name: str):
    values = [easing(name)(t) for t in EVEN]
    assert values == sorted(values)


@pytest.mark.parametrize("name", ["smooth", "smoother", "sine", "in-out"])
def test_symmetric_ones_are_halfway_at_half_time(name: str):
    assert easing(name)(0.5) == pytest.approx(0.5)
    assert all(easing(name)(t) + easing(name)(1 - t) == pytest.approx(1) for t in EVEN)


def test_values_of_the_table():
    found = {name: easing(name)(0.25) for name in ("linear", "smooth", "in", "out", "in-out", "jump")}
    assert found == {"linear": 0.25, "smooth": 0.15625, "in": 0.0625, "out": 0.4375, "in-out": 0.0625, "jump": 0}


def test_a_ball_touches_the_end_three_times_before_it_lies():
    bounce = easing("bounce")
    touches, tops = [1 / 2.75, 2 / 2.75, 2.5 / 2.75], [1.5 / 2.75, 2.25 / 2.75, 2.625 / 2.75]
    assert [bounce(t) for t in touches] == pytest.approx([1, 1, 1])
    assert [1 - bounce(t) for t in tops] == pytest.approx([1 / 4, 1 / 16, 1 / 64])
    assert max(map(bounce, EVEN)) <= 1


def test_back_goes_too_far():
    assert max(map(easing("back"), EVEN)) > 1.05


def test_there_and_back():
    assert [there_and_back(t) for t in (0, 0.25, 0.5, 0.75, 1)] == [0, 0.5, 1, 0.5, 0]


def test_between_goes_from_one_number_to_another_and_back():
    assert [between(-3, 1)(t) for t in (0, 0.25, 1)] == [-3, -2, 1]
    assert [between(-3, 1, "in", and_back=True)(t) for t in (0, 0.25, 0.5, 0.75, 1)] == [-3, -2, 1, -2, -3]


def test_refusals():
    with pytest.raises(GraftError, match="no easing 'slow', only linear, smooth"):
        easing("slow")
    for value in (nan, inf):
        with pytest.raises(GraftError, match="finite"):
            between(0, value)
