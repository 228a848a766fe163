"""Which values are new."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors import newness

TIMES = st.integers(0, 50)


@given(st.lists(st.tuples(TIMES, TIMES, TIMES), min_size=1))
def test_equals_the_sentence(rows):
    """New is: first seen within the window, and after the key itself."""
    first, start, key = map(list, zip(*rows, strict=True))
    assert newness(first, start).tolist() == [f >= s for f, s, _ in rows]
    assert newness(first, start, key).tolist() == [f >= s and f > k for f, s, k in rows]


def test_the_start_belongs_to_the_window():
    """A value first seen at the start is new, one millisecond earlier it is not."""
    assert newness(np.array([999, 1_000]), 1_000).tolist() == [False, True]
