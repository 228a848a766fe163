"""What every event log must do with topics: settings, names, bounds, and what outlives the process."""

import asyncio

import pytest

from agents.events import TopicPartition
from pipeline.errors import (
    TopicMismatchError,
    UnknownTopicError,
    UsageError,
)
from pipeline.log import TopicSpec
from tests.contracts.logs import COMPACT, FOUR, T0, TOPIC, out, over_log, read_all


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
async def test_bounds_follow_what_is_written(log):
    """Start, end and size of a partition are true."""
    assert (await log.partitions("t"))[0][:2] == (0, 0)
    await log.append([out([bytes(1_000)] * 3)])
    start, end, size = (await log.partitions("t"))[0]
    assert (start, end) == (0, 3)
    assert size >= 3_000 or size == 0  # where it is not known


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
