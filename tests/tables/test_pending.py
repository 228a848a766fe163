"""Records that wait for their label: found once, by the first of their id, until they are forgotten."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.pending import Pending
from tables.slab import decode_slab, encode_slab

MOST, WAIT_MS = 5, 40


def fresh():
    return Pending(width=1, texts=("card",), most=MOST, wait_ms=WAIT_MS)


def take(pending, rows, first=0):
    """Feed rows of (step, id, is label) whose clock starts at 0; the number of the record that each label finds."""
    clock = np.cumsum([row[0] for row in rows])
    code, is_label = np.array([row[1] for row in rows]) * 1_000_003, np.array([row[2] for row in rows])
    found = []
    for start, stop in pending.stretches(code[first:], is_label[first:]):
        part = slice(first + start, first + stop)
        ids, labels, now = code[part], is_label[part], clock[part]
        before = pending.count + np.cumsum(~labels)
        own, at = np.flatnonzero(~labels), np.flatnonzero(labels)
        place = pending.admit(ids[own], now[own], now[own], own, since_ms=int(now[0]))
        cards = np.array([f"card-{number}" for number in before[own].tolist()], object)
        pending.fill_texts(place, {"card": cards})
        pending.fill(place, before[own].astype(np.float32)[:, None])
        for match in pending.match(ids[at], before[at], now[at]).tolist():
            found.append(None if match < 0 else int(pending.features[match, 0]))
            assert match < 0 or pending.texts["card"][match] == f"card-{found[-1]}"
    return found


def brute_force(rows):
    """A dictionary of what waits, by id."""
    waiting, clock, number, found = {}, 0, 0, []
    for step, name, is_label in rows:
        clock += step
        held = waiting.get(name)
        alive = held is not None and clock - held[1] <= WAIT_MS
        if is_label:
            good = alive and held[0] > number - MOST and not held[2]
            found.append(held[0] if good else None)
            if good:
                held[2] = True
        else:
            number += 1
            if not (alive and held[0] >= number - MOST):
                waiting[name] = [number, clock, False]
    return found


rows = st.lists(st.tuples(st.integers(0, 15), st.integers(0, 6), st.booleans()), min_size=1, max_size=60)


@given(rows)
def test_labels_find_what_a_dictionary_finds(each):
    """The first record of an id that still waits, once, with its own text and features."""
    assert take(fresh(), each) == brute_force(each)


@given(rows, st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_the_cut_changes_nothing(each, sizes):
    """Whatever the calls, the same labels find the same records, also through slabs after each call."""
    pending, found, stored, at, turn = fresh(), [], {}, 0, 0
    while at < len(each):
        stop = at + sizes[turn % len(sizes)]
        found += take(pending, each[:stop], at)
        stored |= {name: encode_slab(slab) for name, slab in pending.take_dirty(at).items()}
        pending = fresh()
        pending.load({name: decode_slab(slab) for name, slab in stored.items()})
        at, turn = stop, turn + 1
    assert found == take(fresh(), each)


def test_it_grows_while_records_wait_and_not_beyond():
    """Room follows what waits at once: twenty thousand fit, and a hundred thousand after one another need no more."""
    pending = Pending(width=1, texts=(), most=1 << 20, wait_ms=100)
    for start in range(0, 100_000, 10_000):
        ids = np.arange(start, start + 10_000) * 7_919
        head = np.full(10_000, start // 10_000 * 60)
        pending.admit(ids, head, head, ids, since_ms=int(head[0]))
    assert len(pending.features) == 32_768
    assert pending.match(np.array([99_999 * 7_919]), np.array([100_001]), np.array([600])).tolist() != [-1]


def test_wrong_settings_are_named():
    """Nothing can wait for no time."""
    with pytest.raises(ValueError, match="got 5 and 0"):
        Pending(width=1, texts=(), most=5, wait_ms=0)
