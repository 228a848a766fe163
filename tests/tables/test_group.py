"""Keys come and go: expiry, the cap, closed windows of evicted keys, histograms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.group import TableGroup
from tables.spec import Measure, TableSpec, Window

COUNT = Measure(name="n", kind="count")
TUMBLING = Window(kind="tumbling", size_ms=100, pane_ms=100)
SLIDING = Window(kind="sliding", size_ms=100, pane_ms=10)


def group_of(window=SLIDING, measures=(COUNT,), **bounds):
    table = TableSpec(name="t", stream="s", by="key", window=window, measures=measures, **{"ttl_ms": 1600, **bounds})
    return TableGroup("key", [table], trailing={"t": ["n"]})


def feed(group, keys, times, **inputs):
    time_ms = np.array(times, np.int64)
    head_ms = np.maximum.accumulate(time_ms)
    columns = {name: np.asarray(column) for name, column in inputs.items()}
    return list(group.update(keys, time_ms, head_ms, head_ms, columns))


def test_a_key_not_seen_for_its_ttl_is_dropped_and_counted():
    """Stream time, not the clock, expires keys."""
    group = group_of()
    feed(group, ["old", "kept"], [0, 0])
    feed(group, ["kept"], [1_500])
    feed(group, ["new"], [1_800])
    assert "old" not in group.index
    assert {"kept", "new"} <= set(group.index.names)
    assert group.expired == 1


def test_the_keys_seen_longest_ago_make_room_at_the_cap():
    """The cap is never passed, and who goes is who was seen longest ago."""
    group = group_of(max_keys=32)
    feed(group, [f"k{number}" for number in range(32)], list(range(32)))
    feed(group, ["k0"], [40])
    feed(group, ["one more"], [41])
    assert len(group.index) == 31
    assert {"k0", "one more"} <= set(group.index.names)
    assert "k1" not in group.index
    assert group.evicted == 2


@given(keys=st.lists(st.integers(0, 60), min_size=1, max_size=200), cap=st.integers(1, 20))
def test_the_cap_holds_whatever_comes(keys, cap):
    """However many keys arrive in one batch, no more than the cap are ever held."""
    group = group_of(max_keys=cap)
    for stretch in feed(group, [str(key) for key in keys], list(range(len(keys)))):
        assert stretch.stop > stretch.start
    assert len(group.index) <= cap
    assert group.index.used <= cap


def test_an_evicted_key_leaves_its_open_windows_behind_as_rows():
    """What a tumbling window held of an evicted key is emitted, not lost, and marked as a part."""
    group = group_of(TUMBLING, max_keys=1)
    feed(group, ["a", "a", "b"], [0, 1, 2])
    feed(group, ["b"], [150])
    rows = [(closed.window_start_ms, closed.keys, closed.partial) for _, closed in group.take_closed()]
    assert rows == [(0, ["a"], True), (0, ["b"], False)]


def test_histograms_add_up_by_window_and_key():
    """Vectors of one key and window are summed element by element."""
    buckets = Measure(name="latency", kind="histogram", input="latency", width=3)
    group = group_of(TUMBLING, (COUNT, buckets))
    feed(group, ["a", "b", "a", "a"], [0, 1, 2, 120], latency=[[1, 0, 2], [5, 5, 5], [0, 1, 1], [9, 0, 0]])
    group.close(100)
    (_, closed), *rest = group.take_closed()
    assert not rest
    assert dict(zip(closed.keys, closed.columns["latency"].tolist(), strict=True)) == {"a": [1, 1, 3], "b": [5, 5, 5]}


def test_marks_go_with_their_key():
    """A number kept for a key is forgotten with it and does not pass to the next key in its slot."""
    table = TableSpec(name="t", stream="s", by="key", window=SLIDING, measures=(COUNT,), ttl_ms=1600, max_keys=1)
    group = TableGroup("key", [table], trailing={}, marks=["fired"])
    feed(group, ["a"], [0])
    group.set_marks("fired", np.array([0]), np.array([77]))
    unset = group.mark("fired")[1]
    feed(group, ["b"], [1])
    assert group.index.slot("b") == 0
    assert group.mark("fired")[0] == unset


@pytest.mark.parametrize(
    ("kind", "size", "pane", "grace", "said"),
    [
        ("sliding", 100, 30, 0, "whole number of panes"),
        ("sliding", 100, 10, 95, "grace of 95 ms is longer"),
        ("tumbling", 100, 10, 0, "one pane"),
        ("sliding", 0, 10, 0, "positive"),
    ],
)
def test_a_window_that_can_not_be_is_refused(kind, size, pane, grace, said):
    """The message says which length is wrong."""
    with pytest.raises(ValueError, match=said):
        Window(kind=kind, size_ms=size, pane_ms=pane, grace_ms=grace)


@pytest.mark.parametrize("change", [{"by": "other"}, {"measures": (COUNT, Measure(name="m", kind="sum", input="x"))}])
def test_the_version_of_a_table_follows_its_definition(change):
    """Whatever decides the layout of state changes the version; bounds do not."""
    base = {"name": "t", "stream": "s", "by": "key", "window": SLIDING, "measures": (COUNT,), "ttl_ms": 1600}
    version = TableSpec(**base).version
    assert TableSpec(**base | change).version != version
    assert TableSpec(**base | {"ttl_ms": 9999, "max_keys": 5}).version == version
