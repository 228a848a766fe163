"""What every event log must do. Written once, run over each implementation.

An implementation joins by a parameter of the fixture ``opener``.
"""

import asyncio
import contextlib
import random
import secrets
import time

import pytest

from agents.events import Outgoing, Records, TopicPartition
from pipeline.errors import (
    FencedError,
    OffsetOutOfRangeError,
    StreamgaugeError,
    TopicMismatchError,
    UnknownTopicError,
    UsageError,
)
from pipeline.log import Fence, TopicSpec, follow
from pipeline.log.opening import open_log
from tests.contracts.scoped import Scoped

T0 = TopicPartition("t", 0)
PATIENCE_S = 20


@pytest.fixture(params=["kafka", "local"])
def opener(request, tmp_path):
    """Opens the log of a test, as often as it likes."""
    if request.param == "local":
        return lambda: open_log(f"local://{tmp_path}/log.db")
    servers, prefix = request.getfixturevalue("kafka").bootstrap, f"contract-{secrets.token_hex(4)}-"
    return lambda: Scoped(open_log(f"kafka://{servers}"), prefix)


def over_log(*topics):
    """Run an async test with an open log that has ``topics``."""

    def wrap(test):
        def run(opener):
            async def scenario():
                log = opener()
                try:
                    for topic in topics:
                        await log.create_topic(topic)
                    await test(log)
                finally:
                    await log.close()

            asyncio.run(scenario())

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return wrap


TOPIC = TopicSpec(name="t", partitions=1)
FOUR = TopicSpec(name="four", partitions=4)
COMPACT = TopicSpec(name="state", partitions=2, cleanup="compact")


def out(values, *, topic="t", partition=0, **columns):
    return Outgoing(topic, partition, Records(values=values, **columns))


class Member:
    """A member of a group, and what it owns."""

    def __init__(self, log, group, name):
        self.membership = log.join(group, name, ttl_ms=6_000)
        self.fences = []
        self._told = asyncio.Condition()

    async def _on_owned(self, fences):
        async with self._told:
            self.fences = fences
            self._told.notify_all()

    async def _before_rebalance(self):
        pass

    async def owns(self, count):
        """Wait until it owns so many partitions."""
        await self.told(lambda: len(self.fences) == count)
        return sorted(self.fences)

    async def told(self, fact):
        """Wait until ``fact`` holds, which what it is told makes true."""
        async with self._told:
            await asyncio.wait_for(self._told.wait_for(fact), PATIENCE_S)

    @contextlib.asynccontextmanager
    async def staying(self, topics):
        self.membership.subscribe(topics)
        task = asyncio.create_task(self.membership.stay(self._on_owned, self._before_rebalance))
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self.membership.leave()


async def read_all(log, topic):
    """All records of a topic as (partition, offset, key, value)."""
    found = []
    async for chunk in follow(log, topic, start="start", until_end=True):
        rows = zip(chunk.offsets.tolist(), chunk.keys, chunk.values, strict=True)
        found += [(chunk.partition, *row) for row in rows]
    return sorted(found, key=lambda row: row[:2])


@over_log(TOPIC)
async def test_creating_again_changes_nothing(log):
    """A topic may be created again as it is, but not with other partitions or cleanup."""
    await log.append([out([b"1"])])
    await log.create_topic(TOPIC)
    assert (await log.partitions("t"))[0].end == 1
    for other in (TopicSpec(name="t", partitions=2), TopicSpec(name="t", partitions=1, cleanup="compact")):
        with pytest.raises(TopicMismatchError, match="t'"):
            await log.create_topic(other)


@over_log(TOPIC, FOUR, COMPACT)
async def test_topics_come_back_as_created(log):
    """Every setting of a topic is kept."""
    spec = TopicSpec(name="short", partitions=2, retention_ms=None, retention_bytes=77)
    await log.create_topic(spec)
    found = await log.topics()
    assert {name: found[name] for name in ("t", "four", "state", "short")} == {
        "t": TOPIC,
        "four": FOUR,
        "state": COMPACT,
        "short": spec,
    }


@over_log()
async def test_names_are_those_that_kafka_allows(log):
    """Names that Kafka would refuse are refused, the longest allowed one works."""
    for name in ("", ".", "..", "a b", "ä", "a/b", "x" * 250):
        with pytest.raises(UsageError, match="topic name"):
            await log.create_topic(TopicSpec(name=name, partitions=1))
    await log.create_topic(TopicSpec(name="x.Y_z-" + "9" * (243 - len(getattr(log, "prefix", ""))), partitions=1))
    with pytest.raises(UsageError, match="at least 1"):
        await log.create_topic(TopicSpec(name="none", partitions=0))


@over_log(TopicSpec(name="payments", partitions=1))
async def test_an_unknown_topic_is_named_with_a_guess(log):
    """Asking for an unknown topic or partition says what there is."""
    for call in (
        log.partitions("paymnets"),
        log.append([out([b"1"], topic="paymnets")]),
        log.fetch({TopicPartition("paymnets", 0): 0}),
        log.offset_at(TopicPartition("paymnets", 0), 0),
    ):
        with pytest.raises(UnknownTopicError, match=r"did you mean '.*payments'"):
            await call
    for call in (
        log.append([out([b"1"], topic="payments", partition=7)]),
        log.fetch({TopicPartition("payments", 7): 0}),
    ):
        with pytest.raises(UnknownTopicError, match="partition 7"):
            await call


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


@over_log(TOPIC)
async def test_offsets_by_time(log):
    """A time finds the first record of the first batch that reaches it, stamps out of order or not."""
    for stamps in ([10, 20, 30], [50, 15, 40], [35], [60]):
        await log.append([out([b"x"] * len(stamps), timestamps_ms=stamps)])
    times = {0: 0, 10: 0, 11: 1, 30: 2, 31: 3, 35: 3, 51: 7, 60: 7, 61: 8}
    assert {time: await log.offset_at(T0, time) for time in times} == times


@over_log(TOPIC, FOUR)
async def test_a_commit_moves_all_together(log):
    """A commit appends everything and moves the position."""
    async with Member(log, "g", "me").staying({"t": 1}) as member:
        (fence,) = await member.owns(1)
        assert fence.source == T0
        await log.claim(fence)
        await log.commit(fence, 5, [out([b"1"]), out([b"2"], topic="four", partition=3)])
        member.membership.note({T0: 5})
    committed = await log.committed("g")
    assert {source: position.offset for source, position in committed.items()} == {T0: 5}
    assert committed[T0].committed_ms > 0
    assert [row[3] for row in await read_all(log, "t") + await read_all(log, "four")] == [b"1", b"2"]


@over_log(TOPIC)
async def test_a_fenced_commit_leaves_nothing(log):
    """After a take-over the former owner's commit fails as a whole; the new owner's works."""
    async with Member(log, "g", "old").staying({"t": 1}) as member:
        (old,) = await member.owns(1)
        await log.claim(old)
        await log.commit(old, 1, [out([b"1"])])
    async with Member(log, "g", "new").staying({"t": 1}) as member:
        (new,) = await member.owns(1)
        await log.claim(new)
        for void in (old, Fence("g", T0, "new", old.epoch - 1), Fence("other", T0, "new", new.epoch)):
            with pytest.raises(FencedError):
                await log.commit(void, 9, [out([b"void"])])
        await log.commit(new, 2, [out([b"2"])])
    assert [row[3] for row in await read_all(log, "t")] == [b"1", b"2"]


@over_log(TOPIC, FOUR)
async def test_members_share_and_keep(log):
    """Two members end with shares that differ by at most one, disjoint, and keep them from then on."""
    topics = {"t": 1, "four": 4}
    async with Member(log, "g", "a").staying(topics) as a:
        before = set(await a.owns(5))
        async with Member(log, "g", "b").staying(topics) as b:
            await a.told(lambda: len(a.fences) < 5)
            await b.told(lambda: len(a.fences) + len(b.fences) == 5)
            assert {len(a.fences), len(b.fences)} == {2, 3}
            assert set(a.fences) < before
            sources = [fence.source for fence in (*a.fences, *b.fences)]
            assert len(set(sources)) == 5
            leases = {(lease.source, lease.member) for lease in await log.leases("g")}
            assert leases == {(fence.source, fence.member) for fence in (*a.fences, *b.fences)}


@over_log(TOPIC, FOUR)
async def test_groups_do_not_see_each_other(log):
    """Positions and leases belong to a group, and every group is listed."""
    await log.commit_offsets("plain", {T0: 3, TopicPartition("four", 1): 4})
    await log.commit_offsets("plain", {T0: 7})
    for group in ("g", "h"):
        async with Member(log, group, "me").staying({"four": 4}) as member:
            fence, *_ = await member.owns(4)
            await log.claim(fence)
            await log.commit(fence, 1, [])
            member.membership.note({fence.source: 1})
    positions = {source: position.offset for source, position in (await log.committed("plain")).items()}
    assert positions == {T0: 7, TopicPartition("four", 1): 4}
    assert {position.offset for position in (await log.committed("g")).values()} == {1}
    assert await log.leases("plain") == []
    assert sorted(await log.groups()) == ["g", "h", "plain"]


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


@over_log(TOPIC)
async def test_bounds_follow_what_is_written(log):
    """Start, end and size of a partition are true."""
    assert (await log.partitions("t"))[0][:2] == (0, 0)
    await log.append([out([bytes(1_000)] * 3)])
    start, end, size = (await log.partitions("t"))[0]
    assert (start, end) == (0, 3)
    assert size >= 3_000 or size == 0  # where it is not known


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


@over_log(TOPIC)
async def test_concurrent_calls_are_safe(log):
    """Many appends at once all arrive, each whole."""
    await asyncio.gather(*(log.append([out([b"%d" % index] * 3)]) for index in range(100)))
    values = [row[3] for row in await read_all(log, "t")]
    assert sorted(values) == sorted([b"%d" % index for index in range(100) for _ in range(3)])
    assert all(len(set(values[at : at + 3])) == 1 for at in range(0, 300, 3))


def test_what_was_written_is_still_there_after_reopening(opener):
    """Topics, records and positions outlive the process that wrote them."""

    async def write():
        log = opener()
        await log.create_topic(TOPIC)
        await log.append([out([b"1", b"2"])])
        await log.commit_offsets("g", {T0: 1})
        await log.close()
        await log.close()

    async def read():
        log = opener()
        found = (await log.topics(), await read_all(log, "t"), (await log.committed("g"))[T0].offset)
        await log.close()
        return found

    asyncio.run(write())
    assert asyncio.run(read()) == ({"t": TOPIC}, [(0, 0, None, b"1"), (0, 1, None, b"2")], 1)
