"""Lag from a real local log: nobody is asked but the log, and its clock is set by hand."""

import asyncio

import orjson
import pytest

from agents.events import Outgoing, Records, TopicPartition
from pipeline.errors import UsageError
from pipeline.health.burrow import Status
from pipeline.health.lag import read_lag, with_rates
from pipeline.health.look import look
from pipeline.health.sampler import NEVER, LagSampler
from pipeline.local.log import LocalLog
from pipeline.log.api import TopicSpec

T0 = 1_700_000_000_000
PARTITIONS = 3


class World:
    """A log with one topic, and the time."""

    def __init__(self, path):
        self.now_ms = T0
        self.log = LocalLog(path, clock=lambda: self.now_ms)

    def at(self, second):
        self.now_ms = T0 + round(1_000 * second)

    async def produce(self, partition, n):
        await self.log.append([Outgoing("payments", partition, Records(values=[b"{}"] * n))])

    async def worker(self, ttl_ms=10_000):
        fences = await self.log.renew("app", "w1", ["payments"], ttl_ms=ttl_ms)
        return {fence.source.partition: fence for fence in fences}

    async def lag(self, group="app", topics=()):
        return {row.partition: row for row in await read_lag(self.log, group, self.now_ms, topics)}


def played(tmp_path, play):
    """Run a scene on a fresh log, and close it."""

    async def run():
        world = World(tmp_path / "events.db")
        try:
            await world.log.create_topic(TopicSpec(name="payments", partitions=PARTITIONS))
            return await play(world)
        finally:
            await world.log.close()

    return asyncio.run(run())


def test_rows(tmp_path):
    """Rows tell end, position, owner, and how long the next uncommitted record has been waiting."""

    async def play(world):
        fences = await world.worker()
        await world.produce(0, 10)
        world.at(2)
        await world.produce(0, 5)
        await world.produce(2, 1)
        await world.log.commit(fences[0], 10, [])
        world.at(3.5)
        return await world.lag()

    rows = played(tmp_path, play)
    assert sorted(rows) == [0, 1, 2]
    first = rows[0]
    assert (first.end, first.committed, first.committed_ms) == (15, 10, T0 + 2_000)
    assert (first.lag_records, first.lag_ms) == (5, 1_500)
    assert (first.owner, first.lease) == ("w1", "held")
    assert (first.status, first.reason) == (Status.OK, "5 records wait, the last commit was 1.5 s ago")
    assert (rows[1].lag_records, rows[1].lag_ms, rows[1].eta_ms) == (0, 0, 0)
    assert (rows[2].committed, rows[2].lag_records, rows[2].lag_ms) == (None, 1, 1_500)


def test_dead_worker(tmp_path):
    """When the only worker died, its lease expires, and what waits is STOP; what doesn't wait is OK."""

    async def play(world):
        await world.worker(ttl_ms=10_000)
        world.at(60)
        await world.produce(0, 4)
        return await world.lag()

    rows = played(tmp_path, play)
    assert rows[0].status is Status.STOP
    assert rows[0].reason == "4 records wait and the lease of w1 expired 50.0 s ago"
    assert (rows[0].lease, rows[1].status) == ("expired", Status.OK)


def test_silent_worker(tmp_path):
    """A worker that keeps its lease but doesn't commit has stopped, once that and the next record are old."""

    async def play(world):
        fences = await world.worker(ttl_ms=100_000)
        await world.log.commit(fences[0], 0, [])
        world.at(30)
        await world.produce(0, 4)
        world.at(44)
        fresh = await world.lag()
        world.at(46)
        return fresh[0], (await world.lag())[0]

    fresh, old = played(tmp_path, play)
    assert fresh.status is Status.OK
    assert (old.status, old.reason) == (Status.STOP, "4 records wait, the last commit was 46.0 s ago")


def test_plain_consumer(tmp_path):
    """A group that only commits offsets has no owners, and is no less OK for that."""

    async def play(world):
        await world.produce(1, 4)
        await world.log.commit_offsets("reader", {TopicPartition("payments", 1): 3})
        world.at(1)
        return await world.lag("reader")

    rows = played(tmp_path, play)
    assert (rows[1].lag_records, rows[1].lease, rows[1].owner, rows[1].status) == (1, "none", None, Status.OK)


def test_when_a_commit_was_may_not_be_told(tmp_path):
    """A position without its time is shown without one, and is no sign that anybody stopped, however long it is."""

    async def play(world):
        await world.produce(1, 4)
        world.now_ms = 0
        await world.log.commit_offsets("reader", {TopicPartition("payments", 1): 3})
        world.at(7_200)
        return await world.lag("reader")

    row = played(tmp_path, play)[1]
    assert (row.committed, row.committed_ms, row.lag_records, row.lag_ms) == (3, None, 1, 7_200_000)
    assert (row.status, row.reason) == (Status.OK, "1 records wait, when the last commit was is not told")


def test_all_groups(tmp_path):
    """Without a group, the rows of all groups come in order."""

    async def play(world):
        await world.worker()
        await world.log.commit_offsets("reader", {TopicPartition("payments", 1): 0})
        return await read_lag(world.log, None, world.now_ms)

    assert [(row.group, row.partition) for row in played(tmp_path, play)] == [
        (group, partition) for group in ("app", "reader") for partition in range(PARTITIONS)
    ]


def test_unknown_group(tmp_path):
    """A group that doesn't exist is refused with those that do, unless the topics to show are known."""

    async def play(world):
        await world.log.commit_offsets("reader", {TopicPartition("payments", 1): 0})
        with pytest.raises(UsageError, match=r"no consumer group 'ap' in this log; there is: reader"):
            await world.lag("ap")
        await world.produce(0, 2)
        return await world.lag("ap", topics=["payments", "not-made-yet"])

    rows = played(tmp_path, play)
    assert (rows[0].committed, rows[0].lag_records, len(rows)) == (None, 2, PARTITIONS)


def test_rates_from_two_looks(tmp_path):
    """Two looks give rates and an ETA for each partition."""

    async def play(world):
        fences = await world.worker()
        await world.produce(0, 100)
        before = list((await world.lag()).values())
        world.at(2)
        await world.produce(0, 20)
        await world.produce(1, 8)
        await world.log.commit(fences[0], 60, [])
        return with_rates(before, list((await world.lag()).values()))

    first, second, third = played(tmp_path, play)
    assert (first.produce_per_s, first.consume_per_s, first.eta_ms) == (10.0, 30.0, 3_000)
    assert (second.produce_per_s, second.consume_per_s, second.eta_ms) == (4.0, 0.0, NEVER)
    assert (third.produce_per_s, third.consume_per_s, third.eta_ms) == (0.0, 0.0, 0)


def test_sampler_on_a_log(tmp_path):
    """The sampler's events follow the log: lag behind the processed position, its age, and STALL when it stands."""

    async def play(world):
        fences = await world.worker(ttl_ms=1_000_000)
        await world.produce(0, 10)
        world.at(1)
        await world.produce(0, 10)
        sampler, source = LagSampler(commit_ms=1_000), TopicPartition("payments", 0)
        processed = {source: 12}
        events = []
        for second in range(1, 20):
            world.at(second)
            await world.log.commit(fences[0], 7, [])
            events.append(await sampler.sample(world.log, "app", ["payments"], world.now_ms, processed))
        return events

    events = [[orjson.loads(event) for event in at] for at in played(tmp_path, play)]
    assert [event["source"] for event in events[0]] == ["payments/0", "payments/1", "payments/2"]
    stuck = [at[0] for at in events]
    assert (stuck[0]["lag_records"], stuck[0]["lag_processed"]) == (13, 8)
    assert [event["lag_ms"] for event in stuck] == [1_000 * s for s in range(19)]
    assert stuck[-1]["status"] == Status.STALL
    assert {event["status"] for at in events for event in at[1:]} == {Status.OK}


def test_removed_by_retention(tmp_path):
    """When retention has removed what was to be read next, the lag is what is left, and as old as that."""

    async def play(world):
        await world.log.create_topic(TopicSpec(name="short", partitions=1, retention_ms=10_000))
        await world.log.append([Outgoing("short", 0, Records(values=[b"a"] * 5))])
        await world.log.commit_offsets("app", {TopicPartition("short", 0): 2})
        world.at(60)
        await world.log.append([Outgoing("short", 0, Records(values=[b"b"] * 3))])
        await world.log.tidy()
        world.at(61)
        return await look(world.log, "app", ["short"], world.now_ms)

    [seen] = played(tmp_path, play)
    assert seen.start == 5
    assert (seen.lag_records, seen.lag_ms, seen.position) == (3, 1_000, 5)


class TidiedInBetween(LocalLog):
    """A log whose retention runs right after somebody has asked for the bounds of a partition, once."""

    tidied = False

    async def partitions(self, topic):
        found = await super().partitions(topic)
        if not self.tidied:
            self.tidied = True
            await self.tidy()
        return found


def test_retention_between_two_calls(tmp_path):
    """When retention removes the next record while it is looked for, the look is taken again."""

    async def run():
        now_ms = [T0]
        log = TidiedInBetween(tmp_path / "events.db", clock=lambda: now_ms[0])
        await log.create_topic(TopicSpec(name="short", partitions=1, retention_ms=10_000))
        await log.append([Outgoing("short", 0, Records(values=[b"a"] * 5))])
        now_ms[0] = T0 + 60_000
        await log.append([Outgoing("short", 0, Records(values=[b"b"] * 3))])
        try:
            return log, await look(log, "app", ["short"], T0 + 60_500)
        finally:
            await log.close()

    log, [seen] = asyncio.run(run())
    assert log.tidied
    assert (seen.start, seen.lag_records, seen.lag_ms) == (5, 3, 500)
