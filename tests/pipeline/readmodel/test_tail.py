"""Following a topic without a group, on a real local log."""

import asyncio

from agents.events import Outgoing, Records, TopicPartition
from pipeline.log import TopicSpec
from pipeline.log.opening import open_log
from pipeline.readmodel.tail import TopicTail, last_records, since


def on_log(tmp_path, story):
    """Run a coroutine function over a fresh local log."""

    async def run():
        log = open_log(f"local://{tmp_path}/log.db")
        try:
            return await story(log)
        finally:
            await log.close()

    return asyncio.run(run())


async def append(log, partition, *values, time_ms=1_000):
    records = Records(values=list(values), timestamps_ms=[time_ms] * len(values))
    await log.append([Outgoing("t", partition, records)])


async def texts(tail):
    return [value for chunk in await tail.read() for value in chunk.values]


def test_reads_each_record_once(tmp_path):
    """What was appended since the last read is given once; a topic made later is found."""

    async def story(log):
        tail = TopicTail(log=log, topic="t", start=last_records(10))
        assert await texts(tail) == []
        await log.create_topic(TopicSpec(name="t", partitions=2))
        await append(log, 0, b"a", b"b")
        await append(log, 1, b"c")
        assert sorted(await texts(tail)) == [b"a", b"b", b"c"]
        assert await texts(tail) == []
        await append(log, 0, b"d")
        assert await texts(tail) == [b"d"]
        assert tail.caught_up

    on_log(tmp_path, story)


def test_begins_with_the_newest_records(tmp_path):
    """``last_records`` passes over older ones, as far as a fetch can begin in the middle of a chunk."""

    async def story(log):
        await log.create_topic(TopicSpec(name="t", partitions=1))
        for number in range(20):
            await append(log, 0, b"%d" % number)
        assert await texts(TopicTail(log=log, topic="t", start=last_records(3))) == [b"17", b"18", b"19"]

    on_log(tmp_path, story)


def test_begins_at_a_time(tmp_path):
    """``since`` begins with the first record appended at or after the time."""

    async def story(log):
        await log.create_topic(TopicSpec(name="t", partitions=1))
        await append(log, 0, b"old", time_ms=1_000)
        await append(log, 0, b"new", time_ms=2_000)
        assert await texts(TopicTail(log=log, topic="t", start=since(log, lambda: 1_500))) == [b"new"]

    on_log(tmp_path, story)


def test_goes_on_where_retention_has_left_records(tmp_path):
    """A reader that retention overtook goes on with the first record kept."""

    async def story(log):
        await log.create_topic(TopicSpec(name="t", partitions=1, retention_ms=None, retention_bytes=1))
        tail = TopicTail(log=log, topic="t", start=last_records(10))
        await append(log, 0, b"a")
        assert await texts(tail) == [b"a"]
        for number in range(5):
            await append(log, 0, b"%d" % number * 1_000)
        await log.tidy()
        start = (await log.partitions("t"))[0].start
        assert start > 1
        kept = await texts(tail)
        chunks = await log.fetch({TopicPartition("t", 0): start})
        assert kept == [value for chunk in chunks for value in chunk.values]

    on_log(tmp_path, story)
