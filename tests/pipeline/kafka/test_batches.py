"""Record batches are taken apart into exactly what a reader of committed records may see."""

import contextlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.events import TopicPartition
from pipeline.errors import LogError
from pipeline.kafka.consuming.batches import chunk_of_batches
from pipeline.kafka.consuming.splitting import compiled
from pipeline.kafka.consuming.wire import Region
from tests.pipeline.kafka.record_batches import COMPRESSIONS, Row, batch, legacy, marker, rows

SOURCE = TopicPartition("payments", 3)
CRC, MAGIC = 17, 16


@pytest.fixture(autouse=True, scope="module", params=["compiled", "record by record"])
def way(request):
    """Both ways of reading, with the optional extra installed and without."""
    compiled.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "compiled":
            patch.setitem(sys.modules, "pipeline.kafka.consuming.compiled", None)  # an import of it fails
        yield
    compiled.cache_clear()


def chunk_from(position, data, aborted=()):
    return chunk_of_batches(SOURCE, position, Region(b"before" + data + b"after", 6, 6 + len(data)), aborted)


def seen(chunk):
    """The records of a chunk as rows."""
    headers = chunk.headers or [()] * len(chunk)
    columns = (chunk.offsets.tolist(), chunk.timestamps_ms.tolist(), chunk.keys, chunk.values, map(tuple, headers))
    return [Row(*each) for each in zip(*columns, strict=True)]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_all_columns_come_through_any_compression(compression):
    """Offsets, timestamps, keys, values and headers are what was written, over batches."""
    first, second = rows(40, 30), rows(70, 5)
    chunk = chunk_from(40, batch(first, compression=compression) + batch(second, compression=compression))
    assert (chunk.topic, chunk.partition, chunk.next_offset) == (*SOURCE, 75)
    assert seen(chunk) == first + second


@pytest.mark.parametrize("compression", [name for name in COMPRESSIONS if name != "none"])
def test_batches_of_these_tests_are_packed(compression):
    """What the test above is about does happen: packing makes its batches smaller."""
    assert len(batch(rows(0, 30), compression=compression)) < len(batch(rows(0, 30))) / 2


def test_null_and_empty_are_different():
    """A missing key or value is not an empty one; without any header there is no column of headers."""
    records = [Row(0, 1, None, None), Row(1, 2, b"", b""), Row(2, 0, b"k", b"v")]
    chunk = chunk_from(0, batch(records))
    assert seen(chunk) == records
    assert chunk.headers is None


def test_headers_of_one_batch_give_all_records_some():
    """Where one batch has headers and another has not, the column is as long as the others."""
    records = [Row(0, 1), Row(1, 1, headers=(("a", b"1"), ("a", b"")))]
    chunk = chunk_from(0, batch(records[:1]) + batch(records[1:]))
    assert seen(chunk) == records
    assert len(chunk.headers) == 2


def test_records_before_the_position_are_left_out():
    """A broker sends whole batches: the first one may begin before what was asked for."""
    chunk = chunk_from(7, batch(rows(0, 10), compression="lz4") + batch(rows(10, 2)))
    assert chunk.offsets.tolist() == [7, 8, 9, 10, 11]
    assert seen(chunk) == rows(0, 10)[7:] + rows(10, 2)


def test_compacted_offsets_stay_as_they_are():
    """Gaps within and between batches are no records, and the next offset lies beyond a gap at the end."""
    left = [rows(0, 10)[n] for n in (2, 3, 7)]
    chunk = chunk_from(0, batch(left, base=0, last=9) + batch(rows(30, 1), base=25, last=34))
    assert chunk.offsets.tolist() == [2, 3, 7, 30]
    assert chunk.next_offset == 35


def test_a_batch_that_compaction_emptied_moves_the_position():
    """A chunk without records, but with news of where the log goes on."""
    chunk = chunk_from(4, batch([], base=0, last=9, producer=5))
    assert len(chunk) == 0
    assert chunk.next_offset == 10


def test_a_position_in_a_gap_gets_what_follows():
    """Nothing is found in the first batch when the position lies behind its last record that is left."""
    chunk = chunk_from(5, batch(rows(0, 3), last=9) + batch(rows(10, 2)))
    assert chunk.offsets.tolist() == [10, 11]


def test_an_aborted_transaction_is_not_seen():
    """Its records are left out, those of others between them are not, nor what its producer commits afterwards."""
    data = (
        *(batch(rows(0, 2), producer=1, transactional=True), batch(rows(2, 2))),
        *(batch(rows(4, 2), producer=2, transactional=True), batch(rows(6, 2), producer=1, transactional=True)),
        *(marker(8, 1, commit=False), batch(rows(9, 2), producer=1, transactional=True)),
        *(marker(11, 2, commit=True), marker(12, 1, commit=True)),
    )
    chunk = chunk_from(0, b"".join(data), [(1, 0)])
    assert chunk.offsets.tolist() == [2, 3, 4, 5, 9, 10]
    assert chunk.next_offset == 13


def test_a_transaction_that_is_aborted_later_does_not_reach_back():
    """Of one producer the first transaction is committed, the second is not."""
    data = (
        *(batch(rows(0, 2), producer=1, transactional=True), marker(2, 1, commit=True)),
        *(batch(rows(3, 2), producer=1, transactional=True), marker(5, 1, commit=False)),
    )
    assert chunk_from(0, b"".join(data), [(1, 3)]).offsets.tolist() == [0, 1]


def test_a_transaction_aborted_before_the_position_began():
    """The broker names a transaction that began before what was asked for; its rest is not seen."""
    data = batch(rows(6, 4), producer=1, transactional=True) + marker(10, 1, commit=False) + batch(rows(11, 1))
    assert chunk_from(8, data, [(1, 2)]).offsets.tolist() == [11]


def test_records_outside_of_transactions_are_seen_whoever_aborts():
    """A producer's id alone does not make a record part of a transaction."""
    assert len(chunk_from(0, batch(rows(0, 2), producer=1), [(1, 0)])) == 2


def test_only_control_records_give_an_empty_chunk():
    """Markers are never records, also one that compaction emptied."""
    chunk = chunk_from(
        0, marker(0, 1, commit=True) + marker(1, 2, commit=False) + marker(2, 3, commit=True, emptied=True)
    )
    assert (len(chunk), chunk.next_offset) == (0, 3)
    assert seen(chunk) == []


def test_a_cut_off_batch_is_left_for_the_next_fetch():
    """However much of it is missing; cut off alone, it is as if nothing had come."""
    whole, last = batch(rows(0, 3)), batch(rows(3, 3))
    for length in range(len(last)):
        assert chunk_from(0, whole + last[:length]).next_offset == 3
        assert chunk_from(3, last[:length]) is None


def test_nothing_is_nothing():
    """No bytes, no chunk."""
    assert chunk_from(9, b"") is None


def test_damage_is_told_with_its_place():
    """Any changed byte that the checksum covers is found, and the message says where and what to do."""
    good, bad = batch(rows(0, 3)), batch(rows(3, 2))
    for place in range(CRC, len(bad)):
        damaged = bytearray(bad)
        damaged[place] ^= 0x10
        with pytest.raises(LogError, match=r"payments/3: .*from offset 3 on are damaged.*replica"):
            chunk_from(0, good + bytes(damaged))


@pytest.mark.parametrize("magic", [0, 1, 128, 255])
def test_a_damaged_version_of_the_format_is_told(magic):
    """The one byte that decides how all others are read is not covered by the checksum."""
    damaged = bytearray(batch(rows(3, 2)))
    damaged[MAGIC] = magic
    with pytest.raises(LogError, match="payments/3"):
        chunk_from(3, bytes(damaged))


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("compression", ["none", "gzip", "snappy"])
def test_records_of_old_brokers_are_read(magic, compression):
    """Formats 0 and 1, which a topic from before Kafka 0.11 still holds; format 0 knows no timestamps."""
    records = [row._replace(headers=()) for row in rows(20, 4)]
    chunk = chunk_from(21, legacy(records, magic=magic, compression=compression) + batch(rows(24, 1)))
    wanted = [row if magic else row._replace(timestamp_ms=-1) for row in records[1:]]
    assert seen(chunk) == wanted + rows(24, 1)
    assert chunk.next_offset == 25


@st.composite
def partitions(draw):
    """A partition as a broker holds it: batches of interleaved transactions, compacted here and there.

    Returns:
        The batches as (first offset, last offset, bytes), all visible records, and of each aborted transaction its
        producer, first offset and marker.
    """
    offset, stored, visible, ended = 0, [], [], []
    begun: dict[int, tuple[int, list[Row]]] = {}  # first offset and records of each open transaction, by producer

    def end(producer, *, commit):
        nonlocal offset
        first, records = begun.pop(producer)
        stored.append((offset, offset, marker(offset, producer, commit=commit)))
        if commit:
            visible.extend(records)
        else:
            ended.append((producer, first, offset))
        offset += 1

    for producer, act in draw(st.lists(STEP, max_size=25)):
        if act in ("commit", "abort"):
            if producer in begun:
                end(producer, commit=act == "commit")
            continue
        base, last = offset, offset + draw(st.integers(0, 3))
        offset = last + 1
        kept = [row for row in rows(base, last - base + 1) if draw(st.integers(0, 9))]
        if act == "transact":
            begun.setdefault(producer, (base, []))[1].extend(kept)
        else:
            visible.extend(kept)
        if kept or draw(st.booleans()):  # a batch may be gone altogether
            flags = {"producer": producer, "transactional": act == "transact", "compression": draw(PACKED)}
            stored.append((base, last, batch(kept, base=base, last=last, **flags)))
    for producer in sorted(begun):
        end(producer, commit=draw(st.booleans()))
    return stored, sorted(visible), ended


STEP = st.tuples(st.integers(1, 3), st.sampled_from(["plain", "transact", "transact", "commit", "abort"]))
PACKED = st.sampled_from(["none", "none", *COMPRESSIONS])


@given(partition=partitions(), data=st.data())
def test_any_fetch_of_any_partition_gives_what_is_committed(partition, data):
    """From any position, up to any byte, whatever was interleaved, aborted and compacted."""
    stored, visible, ended = partition
    position = data.draw(st.integers(0, stored[-1][1] + 1 if stored else 0))
    sent = [each for each in stored if each[1] >= position][: data.draw(st.integers(0, 12))]
    wire = b"".join(raw for _, _, raw in sent)
    cut = data.draw(st.integers(0, len(sent[-1][2]) - 1)) if sent and data.draw(st.booleans()) else None
    if cut is not None:
        last = sent.pop()
        wire = wire[: len(wire) - len(last[2]) + cut]
    end = sent[-1][1] + 1 if sent else position
    aborted = [(producer, first) for producer, first, at in ended if at >= position and first < end]
    chunk = chunk_from(position, wire, aborted)
    assert (chunk is None) == (not sent)
    if chunk is not None:
        assert seen(chunk) == [row for row in visible if position <= row.offset < end]
        assert chunk.next_offset == end


@given(records=st.integers(1, 4), place=st.integers(0, 11), value=st.integers(0, 255))
def test_a_damaged_beginning_is_no_riddle(records, place, value):
    """Whatever the unprotected bytes before the checksum say, there is a chunk, nothing, or an error of ours."""
    damaged = bytearray(batch(rows(0, records)) + batch(rows(records, 2)))
    damaged[place] = value
    with contextlib.suppress(LogError):
        chunk_from(0, bytes(damaged))
