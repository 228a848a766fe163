"""The surprise of a gap."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import silence_score


@given(st.integers(10, 100_000), st.floats(1.0, 1e9), st.floats(0.0, 50.0))
def test_equals_the_predictive_tail(count, mean_gap_ms, ratio):
    """The score is -log10 of the Lomax tail, and never above that of an exponential of known mean."""
    score = silence_score([ratio * mean_gap_ms], mean_gap_ms, count)[0]
    assert score == pytest.approx(count * math.log10(1 + ratio / count), rel=1e-6, abs=1e-6)
    assert score <= ratio / math.log(10) + 1e-9


def test_frequency_of_false_alarms():
    """Of gaps drawn from the model, with the mean estimated anew each time, one in a hundred scores 2."""
    rng = np.random.default_rng(7)
    mean = rng.exponential(1_000.0, (100_000, 10)).mean(axis=1)
    scores = silence_score(rng.exponential(1_000.0, 100_000), mean, 10)
    assert (scores >= 2.0).mean() == pytest.approx(0.01, abs=0.001)


def test_no_opinion_before_ten_gaps():
    """Nine gaps are too few, ten are enough."""
    assert np.isnan(silence_score([5.0], 1.0, [9, 10])).tolist() == [True, False]


def test_an_out_of_order_record_is_no_silence():
    """A gap below 0 scores as 0, and so does none."""
    assert silence_score([-500, 0], 1_000, 50).tolist() == [0.0, 0.0]


def test_a_burst_within_one_millisecond_stays_finite():
    """A mean gap of 0 counts as a millisecond."""
    assert silence_score([60_000], 0.0, 50)[0] == silence_score([60_000], 1.0, 50)[0] < math.inf
