"""Latency histograms against exact quantiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.histogram import BOUNDS_MS, LIMIT_MS, RELATIVE_ERROR, WIDTH, bucket_counts, maximum, quantile

LATENCIES = st.lists(
    st.one_of(st.integers(0, 50), st.integers(0, 60_000), st.integers(0, LIMIT_MS - 1)), min_size=1, max_size=60
)


def counts_of(values: list[int]):
    return bucket_counts(np.array(values, np.int64))


@given(values=LATENCIES, q=st.sampled_from([0.0, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_quantile_within_stated_error(values, q):
    """A quantile is within the stated relative error of the exact one of the same rank."""
    exact = sorted(values)[int(q * (len(values) - 1))]
    assert abs(float(quantile(counts_of(values), q)) - exact) <= RELATIVE_ERROR * exact * (1 + 1e-12)


def test_stated_error():
    """The stated error is below 8 %, and below 9 ms there is none."""
    assert RELATIVE_ERROR < 0.0727
    for value in range(9):
        assert quantile(counts_of([value]), 0.5) == value


@given(values=st.lists(st.integers(-(2**62), 2**62), max_size=60))
def test_every_value_in_its_bucket(values):
    """Each value, negative and enormous ones included, is counted once, between the bounds of its bucket."""
    expected = np.zeros(WIDTH, np.int64)
    for value in values:
        expected[sum(1 for bound in BOUNDS_MS.tolist() if bound <= max(value, 0)) - 1] += 1
    np.testing.assert_array_equal(counts_of(values), expected)


def test_both_sides_of_every_bound():
    """A bound belongs to the bucket that it opens, the millisecond before it to the one before."""
    at = np.stack([bucket_counts(BOUNDS_MS[i : i + 1]) for i in range(WIDTH)])
    before = np.stack([bucket_counts(BOUNDS_MS[i : i + 1] - 1) for i in range(1, WIDTH)])
    np.testing.assert_array_equal(at, np.eye(WIDTH, dtype=np.int64))
    np.testing.assert_array_equal(before, np.eye(WIDTH, dtype=np.int64)[:-1])


@given(first=LATENCIES, second=LATENCIES)
def test_adding_merges(first, second):
    """The sum of two histograms is the histogram of both inputs."""
    np.testing.assert_array_equal(counts_of(first) + counts_of(second), counts_of(first + second))


def test_negative_counts_as_zero():
    """A latency below zero counts as zero."""
    assert counts_of([-5, -1, 0])[0] == 3


def test_overflow_says_at_least_a_day():
    """What took a day or longer is reported as a day."""
    counts = counts_of([LIMIT_MS, LIMIT_MS * 30])
    assert counts[-1] == 2
    assert maximum(counts) == LIMIT_MS


def test_many_histograms_at_once():
    """Leading axes are kept, and an empty histogram among full ones is NaN."""
    stack = np.stack([counts_of([]), counts_of([5]), counts_of([7, 3])]).reshape(3, 1, WIDTH)
    np.testing.assert_array_equal(quantile(stack, 0.5), [[np.nan], [5.0], [3.0]])
    np.testing.assert_array_equal(maximum(stack), [[np.nan], [5.0], [7.0]])


def test_maximum_bounds_each_quantile():
    """No quantile exceeds the maximum that is reported for the same histogram."""
    counts = counts_of(list(range(0, 100_000, 37)))
    assert float(quantile(counts, 0.999)) <= float(maximum(counts))
    assert abs(float(maximum(counts)) - 99_974) <= RELATIVE_ERROR * 99_974


def test_refuses_what_is_no_quantile():
    """A percentage instead of a fraction, and counts of another width, are refused."""
    with pytest.raises(ValueError, match="between 0 and 1, got 99"):
        quantile(counts_of([1]), 99)
    with pytest.raises(ValueError, match="128 buckets"):
        quantile(np.zeros(96, np.int64), 0.5)
