"""Texts that stand in bytes are the texts, with and without compiled code."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables import slices
from tables.keys import KeyIndex
from tables.lookup import SharedTexts
from tables.slices import joined_payloads, joined_texts, payload_bytes, payloads_of, taken, texts_of
from tables.text import hash_text

texts = st.lists(st.text(max_size=80), max_size=20)


@pytest.fixture(autouse=True, scope="module", params=["compiled", "plain"])
def way(request):
    """With the optional extra installed, and without."""
    slices.compiled.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "compiled":
            pytest.importorskip("numba")
        else:
            patch.setitem(sys.modules, "tables.compiled", None)  # an import of it fails
        assert (slices.compiled() is None) == (request.param == "plain")
        yield
    slices.compiled.cache_clear()


@given(texts, st.data())
def test_texts_are_a_sequence_of_their_items(items, data):
    column = texts_of(items)
    start, stop = sorted(data.draw(st.tuples(st.integers(0, len(items)), st.integers(0, len(items)))))
    index = np.array(
        data.draw(st.lists(st.integers(0, len(items) - 1), max_size=8) if items else st.just([])), np.int64
    )
    assert list(column) == items
    assert [column[at] for at in range(len(items))] == items
    assert column[start:stop] == items[start:stop]
    assert column[start:stop].compact() == items[start:stop]
    assert column[start:stop].hashes.tolist() == list(map(hash_text, items[start:stop]))
    assert taken(column, index) == taken(items, index) == [items[at] for at in index]


@given(st.lists(texts, min_size=1, max_size=4))
def test_joined_texts(parts):
    assert joined_texts([texts_of(part)[1:] if i % 2 else part for i, part in enumerate(parts)]) == [
        text for i, part in enumerate(parts) for text in part[i % 2 :]
    ]


@given(st.dictionaries(st.integers(0, 9), st.text(max_size=8)), st.lists(st.text(max_size=8), min_size=10, max_size=10))
def test_replaced_texts(changes, items):
    column = texts_of(items).replaced(np.array(list(changes), np.int64), list(changes.values()))
    assert column == [changes.get(at, text) for at, text in enumerate(items)]


@given(st.lists(st.lists(st.none() | st.binary(max_size=6), max_size=6), min_size=1, max_size=3))
def test_payloads(parts):
    columns = [payloads_of(part) for part in parts]
    assert columns == parts
    assert joined_payloads(columns) == [payload for part in parts for payload in part]
    assert joined_payloads([columns[0][:2], columns[0][2:]]) == parts[0]
    assert [payload_bytes(column) for column in columns] == [payload_bytes(part) for part in parts]
    assert payload_bytes(parts[0]) == len(b"".join(filter(None, parts[0])))


@given(st.lists(st.tuples(st.lists(st.integers(0, 400), max_size=40), st.integers(0, 5)), max_size=25))
def test_slots_of_texts_are_those_of_strings(steps):
    """However keys come and go; 400 keys outgrow the first table of the look-up, evicted ones leave holes in it."""
    plain, sliced = KeyIndex(capacity=4), KeyIndex(capacity=4)
    for numbers, evicted in steps:
        names = [f"é{number}" * (1 + number % 20) for number in numbers for _ in range(1 + number % 3)]
        slots = plain.intern(names)
        assert sliced.intern(texts_of(names)).tolist() == slots.tolist()
        assert (sliced.hashes[slots] == plain.hashes[slots]).all()
        for index in (plain, sliced):
            index.touch(slots, np.arange(len(slots)), np.arange(len(slots)))
            index.evict(np.unique(slots)[:evicted])


def test_slots_of_very_many_texts():
    index = KeyIndex()
    names = [f"key-{number}" for number in range(20_000)]
    assert index.intern(texts_of(names)).tolist() == list(range(20_000))
    index.evict(np.arange(0, 20_000, 2))
    assert index.intern(texts_of(names[1::2])).tolist() == list(range(1, 20_000, 2))
    assert sorted(index.intern(texts_of(names[::2])).tolist()) == list(range(0, 20_000, 2))


@given(st.lists(texts, max_size=4), st.integers(1, 30), st.booleans())
def test_shared_texts_are_the_texts_and_equal_ones_the_same_object(columns, most, in_bytes):
    """Whatever is forgotten in between; within a column equal texts are one object where they stand in bytes."""
    shared = SharedTexts(most=most)
    for items in columns:
        found = shared.column(texts_of(items) if in_bytes else items).tolist()
        assert found == items
        if in_bytes and slices.compiled() is not None:
            assert len(set(map(id, found))) == len(set(items))
