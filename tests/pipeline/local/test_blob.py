"""The blob codec gives back what it took, or says that the blob is damaged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import LogError
from pipeline.local.blob import Columns, decode, encode, sizes

ITEM = st.none() | st.binary(max_size=12)
STAMP = st.integers(-(1 << 62), 1 << 61) | st.integers(1_700_000_000_000, 1_700_000_100_000)
HEADERS = st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=3)
RECORD = st.tuples(ITEM, ITEM, STAMP, HEADERS)


def columns(records, *, keys=True, headers=True):
    values, key_column, stamps, header_column = zip(*records, strict=True)
    return Columns(
        values,
        key_column if keys else None,
        np.array(stamps, np.int64),
        header_column if headers else None,
    )


@settings(deadline=None)
@given(st.lists(RECORD, min_size=1, max_size=30), st.booleans(), st.booleans(), st.data())
def test_any_slice_comes_back(records, keys, headers, data):
    """Every slice of every blob decodes to that slice of what was encoded."""
    given_columns = columns(records, keys=keys, headers=headers)
    low = data.draw(st.integers(0, len(records)))
    high = data.draw(st.integers(low, len(records)))
    got = decode(bytes(encode(given_columns)), low, high)
    assert list(got.values) == list(given_columns.values[low:high])
    assert got.timestamps_ms.tolist() == given_columns.timestamps_ms[low:high].tolist()
    assert (None if got.keys is None else list(got.keys)) == (list(given_columns.keys[low:high]) if keys else None)
    assert (None if got.headers is None else [list(item) for item in got.headers]) == (
        [list(item) for item in given_columns.headers[low:high]] if headers else None
    )


@settings(deadline=None)
@given(st.lists(RECORD, min_size=1, max_size=20))
def test_sizes_are_those_of_key_and_value(records):
    """The sizes used for cutting count key and value, and nothing for missing ones."""
    expected = [len(value or b"") + len(key or b"") for value, key, _, _ in records]
    assert sizes(bytes(encode(columns(records)))).tolist() == expected


@settings(deadline=None)
@given(st.lists(RECORD, min_size=1, max_size=5), st.data())
def test_any_flipped_bit_is_noticed(records, data):
    """No single flipped bit, in the head or after it, passes for a good blob."""
    blob = encode(columns(records))
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(LogError, match="orders/3"):
        decode(bytes(blob), place="orders/3")


def test_a_cut_off_blob_is_noticed():
    """A blob that lost its end, or nearly all of it, is refused."""
    blob = bytes(encode(columns([(b"value", b"key", 5, [])])))
    for length in (0, 10, len(blob) - 1):
        with pytest.raises(LogError, match="damaged"):
            decode(blob[:length])
