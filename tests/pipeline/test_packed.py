"""Rows packed into one record come back exactly, and damage is told."""

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from agents.events import Batch
from pipeline.errors import StateError
from pipeline.packed import MAX_ROWS, pack, unpack

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=6) | st.sampled_from(["", "\0", "a\0b", "é€😀", "\ud800"])


@st.composite
def ints(draw, n):
    """An int64 column: anything, or close together around anything."""
    if draw(st.booleans()):
        return np.array(draw(st.lists(INT64, min_size=n, max_size=n)), np.int64)
    span = draw(st.sampled_from([0, 0xFF, 0x100, 0xFFFF, 0x10000, 0xFFFFFFFF, 0x100000000]))
    low = draw(st.integers(-(2**63), 2**63 - 1 - span))
    return np.array([low + draw(st.sampled_from([0, span, span // 2])) for _ in range(n)], np.int64)


@st.composite
def columns(draw, n):
    """A column of any kind."""
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return draw(st.lists(TEXT, min_size=n, max_size=n))
    if kind == 1:
        return draw(ints(n))
    if kind == 2:
        return np.array(draw(st.lists(st.floats(), min_size=n, max_size=n)), np.float64)
    if kind == 3:
        return np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), np.bool_)
    width = draw(st.integers(0, 3))
    matrix = draw(ints(n * width)).reshape(n, width)
    return matrix.astype(np.float64) if draw(st.booleans()) else matrix


@st.composite
def inputs(draw):
    """A batch, its clocks, extra columns, and rows or None."""
    n = draw(st.integers(0, 7))
    names = draw(st.lists(st.text(st.characters(codec="utf-8"), max_size=3), unique=True, max_size=5))
    made = {name: draw(columns(n)) for name in names}
    own = draw(st.integers(0, len(names)))
    one = st.tuples(st.sampled_from(["traceparent", "x"]), st.binary(max_size=3))
    batch = Batch(
        stream="payments",
        topic="grüße",
        partition=draw(ints(n)),
        offsets=draw(ints(n)),
        appended_ms=draw(ints(n)),
        time_ms=draw(ints(n)),
        columns={name: made[name] for name in names[:own]},
        headers=draw(st.none() | st.lists(st.lists(one, max_size=2), min_size=n, max_size=n)),
    )
    late = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), np.bool_)
    extra = {name: made[name] for name in names[own:]}
    rows = draw(st.none() | st.lists(st.integers(0, n - 1), max_size=9)) if n else None
    return batch, draw(ints(n)), late, extra, None if rows is None else np.array(rows, np.int64)


def same(found, column, rows):
    """Whether ``found`` is ``column`` at ``rows``, to the last bit."""
    rows = range(len(column)) if rows is None else rows.tolist()
    if isinstance(column, list):
        return found == [column[row] for row in rows]
    wanted = np.array([column[row] for row in rows], column.dtype).reshape(len(rows), *column.shape[1:])
    return found.dtype == wanted.dtype and found.shape == wanted.shape and found.tobytes() == wanted.tobytes()


@given(inputs())
def test_what_is_unpacked_is_what_was_packed(given_):
    """Every column, coordinate, clock and header of the chosen rows comes back bit for bit, in order."""
    batch, stream_ms, late, extra, rows = given_
    packed = unpack(pack(batch, stream_ms=stream_ms, late=late, rows=rows, extra=extra))
    assert (packed.batch.stream, packed.batch.topic) == (batch.stream, batch.topic)
    everything = batch.columns | extra
    assert list(packed.batch.columns) == list(everything)
    for name, column in everything.items():
        assert same(packed.batch.columns[name], column, rows)
    for name in ("partition", "offsets", "appended_ms", "time_ms"):
        assert same(getattr(packed.batch, name), getattr(batch, name), rows)
    assert same(packed.stream_ms, stream_ms, rows)
    assert same(packed.late, late, rows)
    if batch.headers is None:
        assert packed.batch.headers is None
    else:
        assert same(packed.batch.headers, batch.headers, rows)


@pytest.mark.parametrize("low", [-(2**63), -7, 0, 2**63 - 1 - 2**32])
@pytest.mark.parametrize("span", [0, 1, 0xFF, 0x100, 0xFFFF, 0x10000, 0xFFFFFFFF, 0x100000000])
def test_whole_numbers_come_back_at_each_edge_of_a_width(low, span):
    """Distances that just fit a narrower type, and those that just don't, are read back exactly."""
    column = np.array([low + span, low], np.int64) if low + span < 2**63 else np.array([-(2**63), 2**63 - 1])
    found = unpack(pack(batch_of(2, columns={"n": column}), **clocks(2))).batch.columns["n"]
    assert same(found, column, None)


@given(inputs(), st.data())
def test_damage_anywhere_is_a_state_error(given_, data):
    """Cut short, lengthened or with one byte changed, a payload is never read as something else."""
    batch, stream_ms, late, extra, rows = given_
    payload = pack(batch, stream_ms=stream_ms, late=late, rows=rows, extra=extra)
    at = data.draw(st.integers(0, len(payload) - 1))
    flipped = payload[:at] + bytes([payload[at] ^ data.draw(st.integers(1, 255))]) + payload[at + 1 :]
    damaged = data.draw(st.sampled_from([payload[:at], payload + b"\0", b""] + ([] if 5 <= at < 8 else [flipped])))
    with pytest.raises(StateError):
        unpack(damaged)


@given(inputs(), st.data())
def test_a_forged_checksum_gives_rows_or_a_state_error(given_, data):
    """A changed payload whose checksum is right again is read or refused, and nothing else is raised."""
    batch, stream_ms, late, extra, rows = given_
    payload = pack(batch, stream_ms=stream_ms, late=late, rows=rows, extra=extra)
    at = data.draw(st.integers(16, len(payload) - 1))
    body = payload[16:at] + data.draw(st.binary(max_size=4)) + payload[at + data.draw(st.integers(0, 4)) :]
    try:
        unpack(payload[:8] + xxhash.xxh3_64_digest(body) + body)
    except StateError as error:
        assert "packed record" in str(error)  # noqa: PT017 - either outcome is right


def batch_of(n, **changes):
    whole = np.arange(n, dtype=np.int64)
    fields = {"partition": whole, "offsets": whole, "appended_ms": whole, "time_ms": whole, "columns": {}} | changes
    return Batch(stream="s", topic="t", **fields)


def clocks(n):
    return {"stream_ms": np.zeros(n, np.int64), "late": np.zeros(n, np.bool_)}


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (None, "found nothing"),
        (b"{}", "found 2 bytes"),
        (b"sgpk" + b"\3" + bytes(40), "version 3, this program reads 2: upgrade"),
        (b"sgpk" + b"\1" + bytes(40), "version 1, this program reads 2: let the program that wrote it drain"),
        (b"sgpk" + b"\2" + bytes(40), "checksum differs"),
    ],
)
def test_foreign_payloads_say_what_was_found(payload, found):
    """What is no packed record of this version is refused with what was found and expected."""
    with pytest.raises(StateError, match=found):
        unpack(payload)


@pytest.mark.parametrize(
    ("batch", "options", "found"),
    [
        (batch_of(2, columns={"a": ["x"]}), {}, "'a' has 1 rows, the batch has 2"),
        (batch_of(2, columns={"a": np.zeros(2, np.float32)}), {}, "'a' is float32"),
        (batch_of(2, columns={"a": np.zeros((2, 1, 1))}), {}, "in 3 dimensions"),
        (batch_of(2, columns={"a": ["x", "y"]}), {"extra": {"a": ["x", "y"]}}, "new names only"),
        (batch_of(2), {"rows": np.zeros(MAX_ROWS + 1, np.int64)}, "can't pack 1048577 rows"),
    ],
)
def test_what_cannot_be_packed_is_refused(batch, options, found):
    """Wrong lengths, unknown types, repeated names and too many rows raise and name the column."""
    with pytest.raises(ValueError, match=found):
        pack(batch, **clocks(2), **options)


def test_splitting_a_batch_over_partitions_keeps_each_row_once():
    """The payloads of complementary row sets hold together exactly the rows of the batch."""
    batch = batch_of(1000, columns={"key": [f"k{at % 37}" for at in range(1000)]})
    target = batch.offsets * 7 % 4
    parts = [unpack(pack(batch, **clocks(1000), rows=np.flatnonzero(target == part))) for part in range(4)]
    rows = sorted(
        (row, key) for part in parts for row, key in zip(part.batch.offsets, part.batch.columns["key"], strict=True)
    )
    assert rows == list(enumerate(batch.columns["key"]))


def test_coordinates_of_neighbouring_rows_are_small():
    """A thousand neighbouring records of one partition take under 12 bytes a row besides their own columns."""
    n = 1000
    times = 1_700_000_000_000 + np.arange(n) * 3
    batch = batch_of(n, partition=np.full(n, 7), offsets=10**12 + np.arange(n), appended_ms=times, time_ms=times - 50)
    assert len(pack(batch, stream_ms=times, late=np.zeros(n, np.bool_))) < 12 * n
