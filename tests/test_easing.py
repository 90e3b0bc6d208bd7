"""Easings begin at 0 and end at 1, and what goes there and back closes."""

from math import inf, nan

import pytest
from claims import refused

from graftlab.video.easing import EASINGS, between, easing, there_and_back

EVEN = [i / 100 for i in range(101)]


def test_every_easing_begins_at_0_and_ends_at_1_and_most_only_rise():
    for name in EASINGS:
        assert easing(name)(0) == pytest.approx(0, abs=1e-12)
        assert easing(name)(1) == pytest.approx(1, abs=1e-12)
        values = [easing(name)(t) for t in EVEN]
        assert values == sorted(values) or name in ("bounce", "back")


def test_symmetric_ones_are_halfway_at_half_time_and_all_are_those_of_the_table():
    for name in ("smooth", "smoother", "sine", "in-out"):
        assert easing(name)(0.5) == pytest.approx(0.5)
        assert all(easing(name)(t) + easing(name)(1 - t) == pytest.approx(1) for t in EVEN)
    found = {name: easing(name)(0.25) for name in ("linear", "smooth", "in", "out", "in-out", "jump")}
    assert found == {"linear": 0.25, "smooth": 0.15625, "in": 0.0625, "out": 0.4375, "in-out": 0.0625, "jump": 0}


def test_a_ball_touches_the_end_three_times_before_it_lies():
    bounce = easing("bounce")
    touches, tops = [1 / 2.75, 2 / 2.75, 2.5 / 2.75], [1.5 / 2.75, 2.25 / 2.75, 2.625 / 2.75]
    assert [bounce(t) for t in touches] == pytest.approx([1, 1, 1])
    assert [1 - bounce(t) for t in tops] == pytest.approx([1 / 4, 1 / 16, 1 / 64])
    assert max(map(bounce, EVEN)) <= 1
    assert max(map(easing("back"), EVEN)) > 1.05  # which goes too far


def test_between_goes_from_one_number_to_another_and_back():
    assert [there_and_back(t) for t in (0, 0.25, 0.5, 0.75, 1)] == [0, 0.5, 1, 0.5, 0]
    assert [between(-3, 1)(t) for t in (0, 0.25, 1)] == [-3, -2, 1]
    assert [between(-3, 1, "in", and_back=True)(t) for t in (0, 0.25, 0.5, 0.75, 1)] == [-3, -2, 1, -2, -3]


def test_refusals():
    refused("no easing 'slow', only linear, smooth", easing, "slow")
    for value in (nan, inf):
        refused("finite", between, 0, value)
