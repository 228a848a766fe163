"""The distance from the previous value, against its definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import Persistence

ROW = np.array([0])


def trained(values, **settings):
    detector = Persistence(**settings)
    detector.grow(1)
    for value in values:
        detector.learn(ROW, np.array([value]))
    return detector


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=4, max_size=60), st.floats(0.5, 200.0))
def test_unit_is_the_weighted_root_mean_square_step(values, half_life):
    """The usual step is the root of the mean square step, weighted by halving at each half-life."""
    detector = trained(values, half_life=half_life, warmup=2)
    steps = np.diff(values)
    weights = 0.5 ** (np.arange(len(steps))[::-1] / half_life)
    usual = math.sqrt(np.average(steps**2, weights=weights))
    assert detector.spread(ROW)[0] == pytest.approx(max(usual, 0.01 * abs(values[-1])), rel=1e-6)
    assert detector.expected(ROW)[0] == values[-1]


def test_the_level_does_not_matter():
    """A series that wandered far scores by its last step, where a distance from the mean would alarm."""
    values = np.cumsum(np.random.default_rng(5).normal(0.5, 1.0, 2_000)) + 10.0
    detector = trained(values)
    next_values = np.array([[values[-1] + 1.0], [values[-1] + 100.0]])
    assert abs(detector.score(ROW, next_values[0])[0]) < 2
    assert detector.score(ROW, next_values[1])[0] > 6


def test_a_missing_value_is_stepped_over():
    """The step after a gap of NaN is taken from the last finite value."""
    with_gap, without = trained([1.0, 2.0, math.nan, 1.0], warmup=2), trained([1.0, 2.0, 1.0], warmup=2)
    assert with_gap.spread(ROW)[0] == without.spread(ROW)[0]
    assert with_gap.ignored == 1


def test_warm_after_so_many_steps():
    """Four steps need five values."""
    four, five = trained([1.0, 2.0, 1.0, 2.0], warmup=4), trained([1.0, 2.0, 1.0, 2.0, 1.0], warmup=4)
    assert np.isnan(four.score(ROW, np.array([3.0])))
    assert np.isfinite(five.score(ROW, np.array([3.0])))
