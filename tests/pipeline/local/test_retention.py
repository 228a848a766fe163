"""Retention drops what it may, nothing else, and the file shrinks."""

import asyncio

import pytest

from agents.events import Outgoing, Records, TopicPartition
from pipeline.errors import OffsetOutOfRangeError
from pipeline.local.log import LocalLog
from pipeline.local.retention import TOMBSTONE_MS
from pipeline.local.schema import WAL_BYTES
from pipeline.log.api import TopicSpec

T0 = TopicPartition("t", 0)


def run(tmp_path, spec, scenario):
    """Run ``scenario(log, clock)`` on a log with one topic and a clock that the test sets."""

    async def main():
        clock = [1_000_000]
        log = LocalLog(tmp_path / "log.db", clock=lambda: clock[0])
        try:
            await log.create_topic(spec)
            await scenario(log, clock)
        finally:
            await log.close()

    asyncio.run(main())


def out(values, **columns):
    return [Outgoing("t", 0, Records(values=values, **columns))]


def test_old_records_go_whole_chunks_at_a_time(tmp_path):
    """A chunk goes once its newest record is too old; offsets go on where they were."""

    async def scenario(log, clock):
        for stamps in ([0, 100], [50, 200], [300]):
            await log.append(out([b"x"] * len(stamps), timestamps_ms=stamps))
        for now, start in ((1_100, 0), (1_101, 2), (1_200, 2), (1_201, 4), (9_999, 5)):
            clock[0] = now
            await log.tidy()
            assert (await log.partitions("t"))[0][:2] == (start, 5)
        assert (await log.partitions("t"))[0].size_bytes == 0
        with pytest.raises(OffsetOutOfRangeError, match="retention"):
            await log.fetch({T0: 4})
        assert await log.fetch({T0: 5}) == []
        await log.append(out([b"next"]))
        (chunk,) = await log.fetch({T0: 5})
        assert chunk.offsets.tolist() == [5]

    run(tmp_path, TopicSpec(name="t", partitions=1, retention_ms=1_000), scenario)


def test_an_old_chunk_behind_a_young_one_stays(tmp_path):
    """Only the oldest end of a partition is cut off, so that offsets stay without gaps."""

    async def scenario(log, clock):
        for stamp in (0, 5_000, 0):
            await log.append(out([b"x"], timestamps_ms=[stamp]))
        clock[0] = 2_000
        await log.tidy()
        assert (await log.partitions("t"))[0][:2] == (1, 3)

    run(tmp_path, TopicSpec(name="t", partitions=1, retention_ms=1_000), scenario)


def test_a_partition_keeps_its_size(tmp_path):
    """Beyond the size limit the oldest chunks go, but never below the limit."""

    async def scenario(log, clock):
        for _ in range(300):
            await log.append(out([bytes(1_000)]))
        await log.tidy()
        (start, end, size) = (await log.partitions("t"))[0]
        assert 20_000 <= size < 21_100
        assert end - start == len((await log.fetch({T0: start}))[0])

    run(tmp_path, TopicSpec(name="t", partitions=1, retention_ms=None, retention_bytes=20_000), scenario)


def test_nothing_is_dropped_without_limits(tmp_path):
    """A topic without limits keeps records of any age."""

    async def scenario(log, clock):
        await log.append(out([b"x"], timestamps_ms=[0]))
        clock[0] = 1 << 45
        await log.tidy()
        assert (await log.partitions("t"))[0][:2] == (0, 1)

    run(tmp_path, TopicSpec(name="t", partitions=1, retention_ms=None), scenario)


def test_space_is_given_back(tmp_path):
    """After dropping nearly everything the file is small again, and so is the write-ahead log."""

    async def scenario(log, clock):
        for _ in range(40):
            await log.append(out([bytes(500_000)]))
        await log.tidy()
        assert (tmp_path / "log.db").stat().st_size > 20_000_000
        clock[0] += 5_000
        await log.append(out([b"newest"]))
        await log.tidy()
        assert (tmp_path / "log.db").stat().st_size < 4_000_000
        assert (tmp_path / "log.db-wal").stat().st_size == 0
        assert [list(chunk.values) for chunk in await log.fetch({T0: 40})] == [[b"newest"]]

    run(tmp_path, TopicSpec(name="t", partitions=1, retention_ms=1_000), scenario)


def test_tombstones_stay_for_their_time(tmp_path):
    """A tombstone is there for followers for an hour, then goes, unless it is the partition's newest record."""

    async def scenario(log, clock):
        await log.append(out([b"1", b"2", None], keys=[b"a", b"b", b"a"]))
        await log.append(out([b"3", None], keys=[b"c", b"b"]))

        async def left():
            (chunk,) = await log.fetch({T0: 0})
            assert chunk.next_offset == 5
            return list(zip(chunk.keys, chunk.values, strict=True))

        clock[0] += TOMBSTONE_MS
        await log.tidy()
        assert await left() == [(b"a", None), (b"c", b"3"), (b"b", None)]
        clock[0] += 1
        await log.tidy()
        assert await left() == [(b"c", b"3"), (b"b", None)]

    run(tmp_path, TopicSpec(name="t", partitions=1, cleanup="compact"), scenario)


def test_the_write_ahead_log_stays_bounded(tmp_path):
    """Steady writing with a reader in between does not let the write-ahead log grow."""

    async def scenario(log, clock):
        position = 0
        for _ in range(300):
            await log.append(out([bytes(400_000)]))
            (chunk,) = await log.fetch({T0: position})
            position = chunk.next_offset
            assert (tmp_path / "log.db-wal").stat().st_size < WAL_BYTES

    run(tmp_path, TopicSpec(name="t", partitions=1), scenario)
