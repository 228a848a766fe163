"""Distance from the key's own history, against the history itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import amount_score

CENTS = st.integers(0, 10_000_000)


@given(st.lists(CENTS, min_size=5, max_size=40), CENTS)
def test_equals_the_score_against_the_earlier_values(history, value):
    """Taking the value out of count, mean and deviation gives what the earlier values alone would have given."""
    window = [*history, value]
    before, deviation = np.mean(history), max(np.std(history), 0.05 * np.mean(history))
    got = amount_score([value], len(window), np.mean(window), np.std(window))[0]
    if deviation > 0.0:
        # Taking out loses the digits that the distance has more than the deviation.
        assert got == pytest.approx((value - before) / deviation, rel=1e-3, abs=1e-6)
    else:
        assert got == (20.0 if value else 0.0)


@pytest.mark.parametrize(("earlier", "warm"), [(4, False), (5, True)])
def test_warm_from_the_fifth_earlier_value(earlier, warm):
    """There is an opinion only from ``warmup`` earlier values on, the scored one not counted."""
    window = [*[10.0, 12.0, 11.0, 9.0, 10.0][:earlier], 30.0]
    score = amount_score([30.0], len(window), np.mean(window), np.std(window))
    assert np.isfinite(score[0]) == warm


def test_a_constant_history_does_not_explode():
    """A cent more than always is far below any alert; ten times as much is not."""
    window = np.array([[1_000.0] * 20 + [1_001.0], [1_000.0] * 20 + [10_000.0]])
    scores = amount_score(window[:, -1], 21, window.mean(axis=1), window.std(axis=1))
    assert scores == pytest.approx([0.02, 180.0], rel=1e-6)


def test_an_outlier_is_not_held_down_by_itself():
    """Left in the window, a value's z can't pass the square root of n - 1; taken out it can."""
    window = [20.0, 22.0, 18.0, 21.0, 19.0, 9_500.0]
    mean, deviation = np.mean(window), np.std(window)
    assert (9_500.0 - mean) / deviation < 5**0.5 + 1e-9
    assert amount_score([9_500.0], 6, mean, deviation)[0] > 1_000


@pytest.mark.parametrize("settings", [{"warmup": 0}, {"floor": 0.0}, {"floor": -1.0}])
def test_refuses_settings(settings):
    """A wrong setting is named with its value."""
    with pytest.raises(ValueError, match=str(next(iter(settings.values())))):
        amount_score([1.0], 9, 1.0, 1.0, **settings)
