"""The Poisson surprise, against exact sums."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import velocity_score


def exact_surprise(count, expected):
    """-log10 of the tail, summed with 60 digits."""
    with localcontext() as context:
        context.prec = 60
        mean = Decimal(expected)
        term = total = Decimal(1)
        j = count
        while term > total * Decimal("1e-30"):
            j += 1
            term = term * mean / j
            total += term
        log_tail = -mean + count * mean.ln() - Decimal(math.factorial(count)).ln() + total.ln()
        return float(-log_tail / Decimal(10).ln())


@given(st.integers(1, 2_000), st.floats(1e-6, 1.0))
def test_equals_the_exact_tail(count, share):
    """The score is the exact tail's within 1e-8, for means from a millionth of the count up to the count."""
    expected = count * share
    if expected < count:
        assert velocity_score([count], [expected])[0] == pytest.approx(exact_surprise(count, expected), abs=1e-8)


@given(st.integers(1, 12), st.fractions(Fraction(1, 10), 3, max_denominator=20))
def test_equals_one_less_the_lower_sum(count, expected):
    """A second oracle, the lower tail in fractions, agrees for small counts."""
    if expected < count:
        lower = sum(expected**j / Fraction(math.factorial(j)) for j in range(count))
        with localcontext() as context:
            context.prec = 60
            chance = (-_decimal(expected)).exp() * _decimal(lower)
            score = float(-(1 - chance).log10())
        assert velocity_score([count], [float(expected)])[0] == pytest.approx(score, abs=1e-8)


def _decimal(fraction):
    return Decimal(fraction.numerator) / Decimal(fraction.denominator)


@pytest.mark.parametrize(
    ("count", "expected", "score"),
    [(1_000_001, 1e6, 0.30126106833764627), (1_005_000, 1e6, 6.532534850688215), (1_000_000, 1e3, 2566143.2112341104)],
)
def test_a_million_events(count, expected, score):
    """Counts of a million cost no accuracy (values summed with 60 digits)."""
    assert velocity_score([count], expected)[0] == pytest.approx(score, rel=1e-8)


def test_zero_at_and_below_the_expectation():
    """What is usual is no surprise at all."""
    assert velocity_score([0, 3, 4], 4.0).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("expected", [0.0, -1.0, math.nan, math.inf])
def test_no_opinion_without_an_expectation(expected):
    """Where nothing is known to be usual there is no score."""
    assert np.isnan(velocity_score([5], [expected])).all()


@given(st.floats(0.01, 1e4))
def test_rises_with_the_count(expected):
    """One event more is never less surprising."""
    scores = velocity_score(np.arange(1, 200), expected)
    assert (np.diff(scores) >= -1e-8).all()
