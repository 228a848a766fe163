"""Rows of series, against a list ordered by last sight."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.series.index import SeriesIndex
from tables.slices import texts_of

NAMES = st.lists(st.sampled_from("abcdefgh"), max_size=60)


def by_hand(names, max_series):
    """Rows and fresh flags, one sample at a time."""
    rows, last, result, evicted = {}, {}, [], 0
    for i, name in enumerate(names):
        fresh = name not in rows
        if fresh and len(rows) < max_series:
            rows[name] = len(rows)
        elif fresh:
            oldest = min(rows, key=last.__getitem__)
            rows[name] = rows.pop(oldest)
            evicted += 1
        last[name] = i
        result.append((rows[name], fresh))
    return result, evicted


@given(NAMES, st.integers(1, 8), st.lists(st.integers(0, 60), max_size=6), st.booleans())
def test_equals_one_sample_at_a_time(names, max_series, cuts, in_bytes):
    """Rows, beginnings and evictions are those of a sample-by-sample book, however the stream is cut or stored."""
    index = SeriesIndex(max_series=max_series)
    edges = [0, *sorted(min(cut, len(names)) for cut in cuts), len(names)]
    result = []
    for start, stop in pairwise(edges):
        part = names[start:stop]
        rows, fresh = index.resolve(texts_of(part) if in_bytes else part)
        result += zip(rows.tolist(), fresh.tolist(), strict=True)
    assert (result, index.evicted) == by_hand(names, max_series)
    assert len(index) == min(max_series, len(set(names)))


@given(NAMES, NAMES)
def test_goes_on_after_a_restore(before, after):
    """A restored index gives the same rows as one that never stopped, and shares nothing with it."""
    index, restored = SeriesIndex(max_series=3), SeriesIndex(max_series=3)
    index.resolve(before)
    state = index.state()
    restored.restore(state)
    expected = index.resolve(after)
    state["names"].append("stranger")
    state["seen"][:] = -1
    assert all(map(np.array_equal, restored.resolve(after), expected))


def test_refuses_what_does_not_fit():
    """A cap of none, a state above the cap and a state in pieces are refused."""
    with pytest.raises(ValueError, match="got 0"):
        SeriesIndex(max_series=0)
    index = SeriesIndex(max_series=3)
    index.resolve(["a", "b", "c"])
    with pytest.raises(ValueError, match="max_series is 2"):
        SeriesIndex(max_series=2).restore(index.state())
    with pytest.raises(ValueError, match="does not fit"):
        SeriesIndex(max_series=3).restore({**index.state(), "names": ["a", "b"]})
