"""What every event log must do for followers: where they start, and what compaction leaves them."""

import asyncio
import random
import time

import pytest

from agents.events import TopicPartition
from pipeline.errors import (
    StreamgaugeError,
)
from pipeline.log import follow
from tests.contracts.logs import COMPACT, FOUR, out, over_log


@over_log(COMPACT)
async def test_a_compacted_topic_keeps_the_newest_of_each_key(log):
    """Reading from 0 gives, folded by key, the newest values and tombstones, at offsets that only grow."""
    rng = random.Random(9)
    newest = {}
    for step in range(60):
        keys = [b"k%d" % rng.randrange(20) for _ in range(rng.randrange(1, 8))]
        values = [None if rng.random() < 0.2 else b"%d-%d" % (step, index) for index in range(len(keys))]
        await log.append([out(values, topic="state", partition=1, keys=keys)])
        newest |= zip(keys, values, strict=True)
        folded, offsets = {}, []
        async for chunk in follow(log, "state", start="start", until_end=True, max_bytes=50):
            folded |= zip(chunk.keys, chunk.values, strict=True)
            offsets += chunk.offsets.tolist()
        assert folded == newest
        assert offsets == sorted(set(offsets))
    with pytest.raises(StreamgaugeError, match="key"):
        await log.append([out([b"1"], topic="state")])


@over_log(COMPACT)
async def test_a_follower_of_a_compacted_topic_misses_nothing(log):
    """From any earlier position a follower reaches the end and knows every change, stamps and headers included."""
    source = TopicPartition("state", 0)
    for index in range(10):
        columns = {"timestamps_ms": [100 + index], "headers": [[("n", b"%d" % index)]]}
        await log.append([out([b"v%d" % index], topic="state", keys=[b"k%d" % (index % 3)], **columns)])
    end = (await log.partitions("state"))[0].end
    for position in range(end):
        seen = {}
        at = position
        while chunks := await log.fetch({source: at}):
            (chunk,) = chunks
            seen |= zip(chunk.keys, zip(chunk.values, chunk.headers, strict=True), strict=True)
            at = chunk.next_offset
        assert at == end
        changed = {b"k%d" % (index % 3): index for index in range(position, 10)}
        assert {key: (value, list(headers)) for key, (value, headers) in seen.items()} == {
            key: (b"v%d" % index, [("n", b"%d" % index)]) for key, index in changed.items()
        }
    assert await log.offset_at(source, 109) == end - 1
    assert await log.offset_at(source, 110) == end


NOW_MS = time.time_ns() // 1_000_000  # records of 1970 are past their retention


@over_log(FOUR)
async def test_following_starts_where_told(log):
    """A follower starts at the start, at a time, at given positions, or at the end."""
    for index in range(3):
        parts = [
            out([b"%d" % index], topic="four", partition=p, timestamps_ms=[NOW_MS + 100 * index]) for p in range(4)
        ]
        await log.append(parts)

    async def values(start):
        found = []
        async for chunk in follow(log, "four", start=start, until_end=True):
            found += chunk.values
        return sorted(found)

    assert await values("start") == [b"0"] * 4 + [b"1"] * 4 + [b"2"] * 4
    assert await values(NOW_MS + 150) == [b"2"] * 4
    assert await values({TopicPartition("four", p): 2 for p in range(3)}) == [b"0", b"1", b"2", b"2", b"2", b"2"]
    assert await values("end") == []


@over_log(FOUR)
async def test_following_goes_on(log):
    """A follower from the end sees what comes later, of all partitions."""
    await log.append([out([b"before"], topic="four")])
    chunks = follow(log, "four")
    first = asyncio.ensure_future(anext(chunks))
    async with asyncio.timeout(10):
        while not first.done():  # from when on it follows is not told
            await log.append([out([b"one"], topic="four", partition=1)])
            await asyncio.wait([first], timeout=0.1)
        await log.append([out([b"two"], topic="four", partition=2)])
        seen = list(first.result().values)
        while b"two" not in seen:
            seen += (await anext(chunks)).values
    assert set(seen) == {b"one", b"two"}
    await chunks.aclose()
