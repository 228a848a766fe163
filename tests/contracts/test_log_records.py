"""What every event log must do with records: appended whole, read back as they were, from anywhere."""

import asyncio
import random
from dataclasses import replace

import pytest

from agents.events import TopicPartition
from pipeline.errors import (
    OffsetOutOfRangeError,
    UnknownTopicError,
    UsageError,
)
from tests.contracts.logs import FOUR, T0, TOPIC, out, over_log, read_all


@over_log(TOPIC)
async def test_records_come_back_whole(log):
    """Keys, values, headers and stamps come back, the empty and the missing ones as such."""
    headers = [[], [("a", b"1"), ("a", b"")], [("é", b"\xff")], []]
    keys, values, stamps = [b"k", None, b"", b"\0"], [b"v", b"", None, b"\xff\0"], [9, 3, 1 << 40, 3]
    await log.append([out(values, keys=keys, timestamps_ms=stamps, headers=headers)])
    (chunk,) = await log.fetch({T0: 0})
    assert (chunk.topic, chunk.partition, chunk.next_offset) == ("t", 0, 4)
    assert chunk.offsets.tolist() == [0, 1, 2, 3]
    assert (list(chunk.keys), list(chunk.values), chunk.timestamps_ms.tolist()) == (keys, values, stamps)
    assert [list(item) for item in chunk.headers] == headers


@over_log(TOPIC)
async def test_without_headers_there_are_none(log):
    """A chunk whose records have no headers says so, and keys that nobody gave are missing."""
    await log.append([out([b"1", b"2"]), out([b"3"], headers=[[]])])
    (chunk,) = await log.fetch({T0: 0})
    assert chunk.headers is None
    assert list(chunk.keys) == [None] * 3


@over_log(FOUR)
async def test_keys_decide_the_partition_as_in_kafka(log):
    """Keyed records go to Kafka's partition, in order; records without a key all arrive somewhere."""
    keys = [b"21", b"foobar", b"abc", None] * 5
    values = [b"%d" % index for index in range(20)]
    await log.append([out(values, topic="four", partition=None, keys=keys)])
    await log.append([out([b"x", b"y"], topic="four", partition=None)])
    found = await read_all(log, "four")
    expected = {
        key: (signed & 0x7FFFFFFF) % 4
        for key, signed in ((b"21", -973932308), (b"foobar", -790332482), (b"abc", 479470107))
    }
    for key, partition in expected.items():
        mine = [(row[0], row[3]) for row in found if row[2] == key]
        assert mine == [(partition, value) for value, k in zip(values, keys, strict=True) if k == key]
    assert sorted(row[3] for row in found if row[2] is None) == sorted([*values[3::4], b"x", b"y"])


@over_log(TOPIC)
async def test_an_append_is_all_or_nothing(log):
    """One bad part of an append leaves nothing of the others."""
    with pytest.raises(UnknownTopicError):
        await log.append([out([b"1"]), out([b"2"], topic="missing")])
    with pytest.raises(UsageError, match="1 keys"):
        await log.append([out([b"1"]), out([b"1", b"2"], keys=[b"k"])])
    assert (await log.partitions("t"))[0].end == 0
    await log.append([])
    await log.append([out([])])
    assert (await log.partitions("t"))[0].end == 0


@over_log(TOPIC)
async def test_any_position_and_any_size_read_the_same(log):
    """Wherever one starts and however small the bites, the same records come, never more than asked for."""
    rng = random.Random(5)
    expected = []
    for _ in range(12):
        batch = [rng.randbytes(rng.choice((0, 3, 200, 5_000))) for _ in range(rng.choice((1, 2, 90)))]
        keys = None if rng.random() < 0.5 else [value[:2] for value in batch]
        await log.append([out(batch, keys=keys)])
        expected += batch
    for max_bytes in (1, 700, 40_000, 1 << 22):
        position = rng.randrange(len(expected))
        got = expected[:position]
        while chunks := await log.fetch({T0: position}, max_bytes=max_bytes):
            (chunk,) = chunks
            assert chunk.offsets.tolist() == list(range(position, position + len(chunk)))
            sizes = [len(k or b"") + len(v or b"") for k, v in zip(chunk.keys, chunk.values, strict=True)]
            assert len(chunk) <= 90 or sum(sizes) <= max_bytes  # more only where one append is stored as one
            got += chunk.values
            position = chunk.next_offset
        assert got == expected


@over_log(TOPIC)
async def test_large_appends_and_records_come_back(log):
    """Megabytes in one append, and in one record, are no special case."""
    values = [b"%06d" % index + bytes(994) for index in range(3_000)] + [bytes(3_000_000), b"end"]
    await log.append([out(values)])
    assert [row[3] for row in await read_all(log, "t")] == values


@over_log(TOPIC, FOUR)
async def test_a_fetch_serves_many_partitions(log):
    """Each partition that has something gives a chunk, the others give none."""
    await log.append([out([b"a"]), out([b"b"], topic="four", partition=2)])
    positions = {T0: 0, TopicPartition("four", 1): 0, TopicPartition("four", 2): 0}
    chunks = await log.fetch(positions)
    assert [(chunk.topic, chunk.partition, list(chunk.values)) for chunk in chunks] == [
        ("t", 0, [b"a"]),
        ("four", 2, [b"b"]),
    ]


@over_log(TOPIC)
async def test_positions_outside_are_refused(log):
    """The end is a position, what lies beyond it or before the start is not."""
    await log.append([out([b"1", b"2"])])
    assert await log.fetch({T0: 2}) == []
    for position in (-1, 3):
        with pytest.raises(OffsetOutOfRangeError, match="t/0"):
            await log.fetch({T0: position})


@over_log(TOPIC)
async def test_a_waiting_reader_is_woken(log):
    """A fetch that waits returns what is appended meanwhile; one that waits in vain returns nothing."""
    assert await log.fetch({T0: 0}, wait_ms=20) == []
    waiting = [asyncio.create_task(log.fetch({T0: 0}, wait_ms=60_000)) for _ in range(3)]
    assert not (await asyncio.wait(waiting, timeout=0.02))[0]
    await log.append([out([b"now"])])
    for chunks in await asyncio.wait_for(asyncio.gather(*waiting), 10):
        assert [list(chunk.values) for chunk in chunks] == [[b"now"]]


@over_log(replace(TOPIC, retention_ms=None))  # stamps of 1970 may go at any moment otherwise
async def test_offsets_by_time(log):
    """A time finds the first record of the first batch that reaches it, stamps out of order or not."""
    for stamps in ([10, 20, 30], [50, 15, 40], [35], [60]):
        await log.append([out([b"x"] * len(stamps), timestamps_ms=stamps)])
    times = {0: 0, 10: 0, 11: 1, 30: 2, 31: 3, 35: 3, 51: 7, 60: 7, 61: 8}
    assert {time: await log.offset_at(T0, time) for time in times} == times


@over_log(TOPIC)
async def test_concurrent_calls_are_safe(log):
    """Many appends at once all arrive, each whole."""
    await asyncio.gather(*(log.append([out([b"%d" % index] * 3)]) for index in range(100)))
    values = [row[3] for row in await read_all(log, "t")]
    assert sorted(values) == sorted([b"%d" % index for index in range(100) for _ in range(3)])
    assert all(len(set(values[at : at + 3])) == 1 for at in range(0, 300, 3))
