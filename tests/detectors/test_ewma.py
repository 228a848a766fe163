"""The exponentially weighted z-score, against its definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import EwmaZScore

ROW = np.array([0])
VALUES = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=4, max_size=60)


def trained(values, **settings):
    detector = EwmaZScore(**settings)
    detector.grow(1)
    for value in values:
        detector.learn(ROW, np.array([value]))
    return detector


@given(VALUES, st.floats(0.5, 200.0))
def test_mean_and_deviation_equal_the_weighted_ones(values, half_life):
    """The moving mean and deviation are those of all values, weighted by halving at each half-life."""
    detector = trained(values, half_life=half_life, warmup=2)
    weights = 0.5 ** (np.arange(len(values))[::-1] / half_life)
    mean = np.average(values, weights=weights)
    deviation = math.sqrt(np.average((np.array(values) - mean) ** 2, weights=weights))
    scale = max(np.abs(values))
    assert detector.expected(ROW)[0] == pytest.approx(mean, rel=1e-9, abs=1e-9 * scale)
    assert detector.spread(ROW)[0] == pytest.approx(max(deviation, 0.01 * abs(mean)), rel=1e-6, abs=1e-6 * scale)


def test_score_is_distance_over_deviation():
    """A value three deviations above the mean scores 3."""
    detector = trained([9.0, 11.0] * 500, half_life=1e9, warmup=2)
    assert detector.score(ROW, np.array([13.0]))[0] == pytest.approx(3.0)


def test_a_level_shift_is_learned():
    """A shift that scores high at first scores low ten half-lives later."""
    rng = np.random.default_rng(3)
    detector = trained(rng.normal(10, 1, 500), half_life=20)
    shifted = rng.normal(20, 1, 200)
    assert detector.score(ROW, shifted[:1])[0] > 6
    for value in shifted:
        detector.learn(ROW, np.array([value]))
    assert abs(detector.score(ROW, np.array([20.0]))[0]) < 1


def test_half_a_percent_more_than_constant_is_not_odd():
    """On a constant series the floor of one percent of the mean is the unit."""
    detector = trained([200.0] * 50)
    assert detector.score(ROW, np.array([201.0]))[0] == pytest.approx(0.5)
