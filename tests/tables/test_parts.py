"""The parts of a table against the plainest Python that does the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.cells import panes
from tables.cells.hashmap import MISSING, CodeMap
from tables.cells.measures import square_limb
from tables.cells.panes import PaneExtremes, PaneSums, Placement
from tables.clock import StreamClock
from tables.segments import group_by, running_extreme, running_sum
from tables.slab import Dirty, Slab, SlabError, decode_slab, encode_slab

cells = st.lists(st.tuples(st.integers(0, 5), st.integers(-(2**40), 2**40)), min_size=1, max_size=50)
code = st.integers(0, 40) | st.integers(-(2**63), 2**63 - 1)


@given(cells)
def test_running_sums_are_those_of_a_dictionary(records):
    """Each record sees its cell's total so far, itself included, from what the cell held before."""
    keys, values = (np.array(column, np.int64) for column in zip(*records, strict=True))
    groups = group_by(keys)
    trailing, sums = running_sum(groups, values, groups.keys * 100)
    totals, expected = {}, []
    for key, value in records:
        totals[key] = totals.get(key, key * 100) + value
        expected.append(totals[key])
    assert trailing.tolist() == expected
    assert dict(zip(groups.keys.tolist(), (sums + groups.keys * 100).tolist(), strict=True)) == totals


@given(cells, st.sampled_from([(np.fmin, min), (np.fmax, max)]))
def test_running_extremes_are_those_of_a_dictionary(records, extreme):
    """Each record sees the least or greatest value of its cell so far."""
    ufunc, plain = extreme
    keys, values = (np.array(column, np.int64) for column in zip(*records, strict=True))
    groups = group_by(keys)
    trailing, last = running_extreme(groups, values.astype(float), np.full(len(groups.keys), np.nan), ufunc)
    best, expected = {}, []
    for key, value in records:
        best[key] = plain(best.get(key, value), value)
        expected.append(best[key])
    assert trailing.tolist() == expected
    assert dict(zip(groups.keys.tolist(), last.tolist(), strict=True)) == best


@given(st.lists(st.tuples(st.booleans(), st.sets(code, max_size=30)), max_size=60))
def test_a_code_map_is_a_dictionary(steps):
    """Insertions and removals in bulk, over many rebuilds, leave what a dictionary would hold."""
    held, plain, row = CodeMap(), {}, 0
    for add, codes in steps:
        chosen = sorted(codes - plain.keys()) if add else sorted(codes & plain.keys())
        if add:
            rows = range(row, row := row + len(chosen))
            held.insert(np.array(chosen, np.int64), np.array(rows, np.int64))
            plain |= zip(chosen, rows, strict=True)
        else:
            held.remove(np.array(chosen, np.int64))
            plain = {key: value for key, value in plain.items() if key not in chosen}
        asked = sorted(codes | plain.keys())
        assert held.find(np.array(asked, np.int64)).tolist() == [plain.get(key, MISSING) for key in asked]
        assert len(held) == len(plain)


def test_a_code_map_grows_past_its_first_size():
    """Thousands of codes that share their low bits are all found."""
    codes = np.arange(5_000, dtype=np.int64) << 40 | 7
    held = CodeMap()
    held.insert(codes, np.arange(5_000))
    assert held.find(codes).tolist() == list(range(5_000))


@given(
    cells,
    st.lists(st.integers(0, 2), min_size=50, max_size=50),
    st.sampled_from([None, np.fmin, np.fmax]),
    st.booleans(),
    st.booleans(),
)
def test_compiled_accumulators_hold_what_those_of_numpy_hold(records, rows, extreme, sliding, trailing):
    """Panes, totals and running values, over two updates, over one pane or several."""
    pytest.importorskip("numba")
    keys, values = (np.array(column, np.int64) for column in zip(*records, strict=True))
    row = np.array(rows[: len(keys)], np.int64)
    given = values if extreme is None else np.where(values % 5 == 0, np.nan, values.astype(float))
    found = []
    for loops in (panes.compiled(), None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(panes, "compiled", lambda loops=loops: loops)
            made = PaneSums(3, 6, sliding=sliding) if extreme is None else PaneExtremes(3, 6, extreme, sliding=sliding)
            for own in (row, np.zeros_like(row)):
                one = int(own[0]) if (own == own[0]).all() else -1
                at = Placement(keys, own, one, group_by(keys if sliding else own * 6 + keys), 6, sliding)
                running = made.update(at, given, trailing=trailing)
                found.append([None if each is None else each.tolist() for each in (running, made.panes, made.total)])
    assert repr(found[:2]) == repr(found[2:])  # NaN is NaN


@given(st.lists(st.integers(-(2**42) + 1, 2**42 - 1), min_size=1, max_size=20))
def test_limbs_are_the_square(values):
    """The three parts of a square put it together exactly, and none leaves 64 bits."""
    column = np.array(values, np.int64)
    high, middle, low = (square_limb(kind, column).tolist() for kind in ("square_high", "square_middle", "square_low"))
    for value, h, m, low_part in zip(values, high, middle, low, strict=True):
        assert (h << 42) + (m << 22) + low_part == value * value
        assert max(h, m, low_part) < 2**42


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20) | st.lists(st.integers(-3, 300), max_size=20),
    st.lists(st.none() | st.text(max_size=5), max_size=5),
)
def test_slabs_keep_their_values_and_types(numbers, names):
    """Whatever width the numbers were stored in, they come back as they were."""
    arrays = {"whole": np.array(numbers, np.int64), "wide": np.array([[1.5, np.nan]]), "flag": np.array([True])}
    slab = decode_slab(encode_slab(Slab(applied=9, pane=-4, start=1024, arrays=arrays, names=names, extra={"a": [1]})))
    assert (slab.applied, slab.pane, slab.start, slab.names, slab.extra) == (9, -4, 1024, names, {"a": [1]})
    for name, array in arrays.items():
        assert slab.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(slab.arrays[name], array)


@given(st.data())
def test_a_damaged_slab_is_refused(data):
    """Cut short or of another kind, it raises one error and no other."""
    whole = encode_slab(Slab(applied=1, arrays={"n": np.arange(300)}))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(SlabError):
        decode_slab(whole[:cut])


def test_dirty_blocks_are_taken_once():
    """What was marked is given once, in order, however far out it lies."""
    dirty = Dirty(2)
    dirty.mark(1, np.array([5, 5000]))
    dirty.mark(np.array([0, 1]), np.array([1, 1]))
    assert dirty.take() == [(0, 0), (1, 0), (1, 4)]
    assert dirty.take() == []


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30), st.integers(1, 29))
def test_the_clock_only_moves_forward(times, cut):
    """In one call or in two, each record sees the newest time so far."""
    column = np.array(times)
    whole, pieces = StreamClock(), StreamClock()
    once = whole.observe(column).tolist()
    twice = pieces.observe(column[:cut]).tolist() + pieces.observe(column[cut:]).tolist()
    assert once == twice == [max(times[: at + 1]) for at in range(len(times))]


def test_windows_close_by_the_slowest_origin_but_not_for_ever():
    """A quiet origin, or one never heard of, holds windows open only as long as the skew allows."""
    clock = StreamClock(skew_ms=100, expected=2)
    clock.arrived(0, 500)
    clock.observe(np.array([500]))
    assert clock.closed_ms == 400
    clock.arrived(1, 450)
    assert clock.closed_ms == 450
    clock.observe(np.array([900]))
    clock.arrived(0, 900)
    assert clock.closed_ms == 800
