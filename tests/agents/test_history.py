"""Who contributed to an alert, against a search of all records one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import history as module
from agents.events import Batch, RecordRef
from agents.history import CAP, History, Sought

RECORD = st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(0, 8))  # key, time, how late


def batch_of(records, first):
    offsets = np.arange(first, first + len(records))
    return Batch(
        stream="s",
        topic="t",
        partition=np.full(len(records), 3),
        offsets=offsets,
        appended_ms=offsets,
        time_ms=np.array([time for _, time, _ in records], np.int64),
        columns={"id": [f"r{offset}" for offset in offsets.tolist()]},
    )


def by_hand(records, at, key, bounds, grace, *, rows, reach):
    """The newest records of a key up to ``at``, oldest first."""
    found = []
    for i in range(at, max(-1, at - rows), -1):
        own, time, late = records[i]
        wanted = own == key and bounds[0] <= time < bounds[1] and late <= grace and i > at - reach
        if wanted and len(found) < CAP:
            found.append(RecordRef("t", 3, i, f"r{i}"))
    return tuple(reversed(found))


@given(
    st.lists(st.lists(RECORD, min_size=1, max_size=30), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 29), st.integers(0, 2), st.integers(0, 30), st.integers(1, 30)), min_size=1),
    st.integers(0, 8),
    st.sampled_from([5, 40, 10_000]),
    st.sampled_from([7, 50, 10_000]),
    st.booleans(),
)
def test_contributors_are_those_of_a_search_one_by_one(chunks, asked, grace, rows, reach, is_compiled):
    """For many alerts at once the newest of each key and window are found, with compiled code and without."""
    if is_compiled and module.compiled() is None:
        pytest.skip("numba is not installed")
    loops = module.compiled() if is_compiled else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "compiled", lambda: loops)
        patch.setattr(module, "ROWS", rows)
        history, records = History("id", reach=reach), []
        for chunk in chunks:
            batch = batch_of(chunk, len(records))
            own = np.array([time + late for _, time, late in chunk], np.int64)
            keys = np.array([key for key, _, _ in chunk], np.int64) << 40
            history.add(batch, batch.offsets, keys, own)
            start = len(records)
            records += chunk
        wanted = sorted((at % len(chunks[-1]), key, begin, size) for at, key, begin, size in asked)
        columns = [np.array(column, np.int64) for column in zip(*wanted, strict=True)]
        sought = Sought(
            columns[0], columns[1] << 40, columns[2], columns[2] + columns[3], np.full(len(wanted), grace, np.int64)
        )
        found = history.contributors(sought)
    for (at, key, begin, size), own in zip(wanted, found, strict=True):
        assert own == by_hand(records, start + at, key, (begin, begin + size), grace, rows=rows, reach=reach)
