"""The burst of distinct values, against the model's exact distribution."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import distinct_score


def exact_distribution(count, concentration):
    """Chance of each number of different values among ``count`` events, by the model's own recurrence."""
    chances = np.array([0.0, 1.0])
    for i in range(1, count):
        new = concentration / (concentration + i)
        chances = np.append(chances * (1 - new), 0.0) + np.append(0.0, chances * new)
    return chances


@given(st.integers(3, 60), st.floats(0.05, 50.0), st.data())
def test_never_overstates_the_surprise(count, concentration, data):
    """The score is at most -log10 of the exact tail, and 0 up to the expectation."""
    distinct = data.draw(st.integers(1, count))
    chances = exact_distribution(count, concentration)
    score = distinct_score([distinct], count, concentration=concentration)[0]
    assert 0.0 <= score <= -math.log10(min(chances[distinct:].sum(), 1.0)) + 1e-6
    if distinct <= chances @ np.arange(count + 1) - 1e-6:
        assert score == 0.0


def test_understates_it_by_little():
    """Ten different values in ten events, one in 39,000 by the model, score 4.2 of 4.6."""
    exact = -math.log10(exact_distribution(10, 2.0)[10])
    assert exact == pytest.approx(4.59, abs=0.01)
    assert distinct_score([10], 10)[0] == pytest.approx(4.24, abs=0.01)


def test_a_key_that_always_meets_new_values_is_not_odd():
    """A merchant's customers differ by nature: with its own concentration the score stays low."""
    low, high = distinct_score([30, 30], 30, concentration=[2_000.0, 2.0])
    assert low < 0.3
    assert high > 10.0


def test_a_sketch_may_overshoot():
    """More different values than events, as a sketch may say, count as one an event."""
    assert distinct_score([11], 10) == distinct_score([10], 10)


@pytest.mark.parametrize(("distinct", "count", "concentration"), [(2, 2, 2.0), (5, 9, 0.0), (5, 9, math.nan)])
def test_no_opinion(distinct, count, concentration):
    """Too few events, or a concentration that is none, give no score."""
    assert np.isnan(distinct_score([distinct], count, concentration=concentration)[0])
