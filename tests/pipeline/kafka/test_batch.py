"""Record batches are those of the client library's builder: byte for byte, or packed to no more than it needs."""

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from pipeline.kafka.producing.batch import BATCH_BYTES, Batch
from pipeline.kafka.producing.wire import ProduceWithin, _Produce
from tests.pipeline.kafka.record_batches import COMPRESSIONS

CONTENTS = st.none() | st.binary(max_size=300) | st.binary(max_size=3).map(lambda data: data * 20_000)
STAMPS = st.integers(0, 2**62) | st.integers(1_700_000_000_000, 1_700_000_000_900)
HEADERS = st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=3)
ROWS = st.lists(st.tuples(STAMPS, CONTENTS, CONTENTS, HEADERS), min_size=1, max_size=20)


def by_the_library(rows, compression, identity, *, transactional):
    """The batch, and how many of the rows had room."""
    builder = DefaultRecordBatchBuilder(
        2, COMPRESSIONS[compression], int(transactional), -1, -1, 0, batch_size=BATCH_BYTES
    )
    taken = 0
    for stamp, key, value, headers in rows:
        if builder.append(taken, stamp, key, value, headers) is None:
            break
        taken += 1
    builder.set_producer_state(*identity)
    return builder.build(), taken


def read(built):
    """What the library finds in a batch."""
    batch = MemoryRecords(bytes(built)).next_batch()
    assert batch.validate_crc()
    identity = (batch.producer_id, batch.producer_epoch, batch.base_sequence, batch.is_transactional)
    found = [(each.offset, each.timestamp, each.key, each.value, each.headers) for each in batch]
    return identity, batch.base_offset, batch.next_offset, batch.max_timestamp, found


@given(
    ROWS,
    st.sampled_from(sorted(COMPRESSIONS)),
    st.tuples(st.integers(-1, 2**40), st.integers(-1, 2**15 - 1), st.integers(-1, 2**31 - 1)),
    st.booleans(),
)
def test_a_batch_is_that_of_the_library(rows, compression, identity, transactional):
    expected, room = by_the_library(rows, compression, identity, transactional=transactional)
    batch = Batch(compression, is_transactional=transactional)
    taken = 0
    for row in rows:
        if not batch.append(*row):
            break
        taken += 1
    assert (taken, batch.count) == (room, room)
    built = batch.built(*identity)
    assert read(built) == read(expected)
    if compression == "none":
        assert built == expected
    assert len(built) <= len(expected)


@pytest.mark.parametrize("size", [1, BATCH_BYTES, 3 * BATCH_BYTES])
def test_there_is_room_for_the_first(size):
    batch = Batch("none", is_transactional=False)
    assert batch.append(5, None, bytes(size), ())
    assert batch.append(5, None, bytes(size), ()) is (size == 1)


@given(
    st.none() | st.text(max_size=200),
    st.lists(
        st.tuples(
            st.text(max_size=20), st.lists(st.tuples(st.integers(0, 2**31 - 1), st.binary(max_size=500)), max_size=3)
        ),
        max_size=3,
    ),
)
def test_a_request_is_encoded_as_the_library_does(name, topics):
    request = ProduceWithin(name, 30_000, topics).build(_Produce)
    assert request.encode() == super(_Produce, request).encode()
