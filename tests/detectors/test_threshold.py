"""Fixed limits with a deadband."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import Threshold

ROW = np.array([0])


def scores(values, **settings):
    detector = Threshold(**settings)
    detector.grow(1)
    result = []
    for value in values:
        result.append(float(detector.score(ROW, np.array([value]))[0]))
        detector.learn(ROW, np.array([value]))
    return result


@given(st.lists(st.integers(0, 20), min_size=1, max_size=50), st.integers(0, 5))
def test_equals_the_state_machine(values, margin):
    """On at a limit, off once back by the margin, the other limit takes over at once."""
    expected, side = [], 0
    for value in values:
        if value >= 15:
            side = 1
        elif value <= 4:
            side = -1
        elif (side == 1 and value <= 15 - margin) or (side == -1 and value >= 4 + margin):
            side = 0
        excess = max(0.0, (value - 15) / 15 if side == 1 else (4 - value) / 4)
        expected.append(side * (1 + excess) if side else 0.0)
    assert scores(values, above=15, below=4, margin=margin) == pytest.approx(expected)


def test_lower_limit_scores_downwards():
    """Half of the lower limit scores -1.5."""
    assert scores([5.0, 100.0], below=10) == [-1.5, 0.0]


def test_a_limit_of_zero():
    """Beyond a limit of 0 the excess is in the value's own unit."""
    assert scores([0.0, 3.0, -1.0], above=0) == [1.0, 4.0, 0.0]


def test_expected_is_the_limit():
    """With one limit the evidence names it; with two the value decides, so there is none."""
    one, two = Threshold(below=7), Threshold(above=9, below=7)
    one.grow(1)
    two.grow(1)
    assert one.expected(ROW).tolist() == [7.0]
    assert one.spread(ROW).tolist() == [7.0]
    assert np.isnan([two.expected(ROW), two.spread(ROW)]).all()
