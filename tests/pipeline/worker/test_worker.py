"""One worker in this process over a real local log."""

import json
import logging
from collections import Counter
from dataclasses import replace

from agents.events import Outgoing, Records, TopicPartition
from agents.spec import Field, StreamSpec
from pipeline.deadletter import parse_dead_letter
from pipeline.local.log import LocalLog
from pipeline.local.writers import WriterQueue
from pipeline.log import TopicSpec
from pipeline.worker.run import STOPPED
from pipeline.worker.units.unit import MANY_RECORDS
from tests.pipeline.worker.tally import (
    APP,
    EVENTS,
    EVERY,
    FORWARDED,
    STATE,
    TallyShard,
    alerts,
    append,
    config,
    eventually,
    expected_alerts,
    owned,
    read,
    run_until_idle,
    running,
    totals,
)

KEYS = [f"k{n % 17}" for n in range(1_000)]


def test_until_idle_processes_everything(with_log):
    """A worker that runs until idle has committed each record's count and each alert once, and ends with 0."""

    async def work(log):
        await append(log, KEYS)
        assert await run_until_idle(log) == 0
        assert await totals(log) == Counter(KEYS)
        assert await alerts(log) == expected_alerts(Counter(KEYS))

    with_log(work)


def test_until_idle_waits_for_what_is_fed_meanwhile(with_log):
    """Records that the first stream sends to the second one are processed there before the worker ends."""

    async def work(log):
        await append(log, [f">{key}" for key in KEYS])
        assert await run_until_idle(log) == 0
        assert await totals(log, FORWARDED) == Counter(KEYS)

    with_log(work)


def test_until_idle_ends_at_once_on_an_empty_log(with_log):
    """Nothing to do is done."""

    async def work(log):
        assert await run_until_idle(log) == 0

    with_log(work)


def test_a_new_worker_goes_on_where_the_last_one_ended(with_log):
    """Records are counted once over several runs, also with the same keys."""

    async def work(log):
        for _ in range(3):
            await append(log, KEYS)
            assert await run_until_idle(log) == 0
        assert await totals(log) == Counter(KEYS * 3)
        assert await alerts(log) == expected_alerts(Counter(KEYS * 3))

    with_log(work)


def test_the_group_position_is_that_of_the_state(with_log):
    """The committed position of the group is the one in the state, so lag is what it seems."""

    async def work(log):
        await append(log, KEYS)
        await run_until_idle(log)
        committed = await log.committed(APP)
        for partition, bounds in (await log.partitions(EVENTS)).items():
            assert committed[TopicPartition(EVENTS, partition)].offset == bounds.end

    with_log(work)


def test_an_alert_is_committed_early(with_log):
    """An alert doesn't wait for the regular commit, which is far away here."""

    async def work(log):
        async with running(log, config(commit_ms=60_000)) as app:
            await eventually(lambda: owned(app) == [6])
            await append(log, ["a"] * EVERY)
            await eventually(lambda: _has_alerts(log), within_s=2)

    with_log(work)


async def _has_alerts(log):
    return await alerts(log) == [("a", EVERY)]


def test_one_poison_record_is_isolated(with_log, caplog):
    """The record that can't be processed goes to the dead-letter topic alone, all others count once."""
    keys = [*KEYS, "poison", *KEYS]

    async def work(log):
        await append(log, keys)
        assert await run_until_idle(log) == 0
        assert await totals(log) == Counter(KEYS * 2)
        assert await alerts(log) == expected_alerts(Counter(KEYS * 2))
        (letters,) = await read(log, f"{EVENTS}.dead-letter")
        assert letters.values == [b"poison"]
        letter = parse_dead_letter(letters.headers[0])
        assert (letter.reason, letter.error, letter.origin.topic) == ("poison", "ValueError", EVENTS)

    with caplog.at_level(logging.CRITICAL):
        with_log(work)


def test_several_poison_records_are_isolated(with_log, caplog):
    """Two in a row, one elsewhere, and one at the very end of a partition."""
    keys = [*KEYS[:300], "poison", "poison", *KEYS[300:], "poison"]

    async def work(log):
        await append(log, keys)
        await append(log, ["poison"])
        assert await run_until_idle(log) == 0
        assert await totals(log) == Counter(KEYS)
        assert sum(len(chunk) for chunk in await read(log, f"{EVENTS}.dead-letter")) == 4

    with caplog.at_level(logging.CRITICAL):
        with_log(work)


def test_poison_of_an_internal_topic_is_isolated(with_log, caplog):
    """A dead-letter topic is made when the source topic has none yet."""

    async def work(log):
        await append(log, [">poison", ">good"])
        assert await run_until_idle(log) == 0
        assert await totals(log, FORWARDED) == Counter(["good"])

    with caplog.at_level(logging.CRITICAL):
        with_log(work)


def test_fetching_stops_while_commits_do_not_keep_up(with_log, tmp_path):
    """While another writer holds the log, pending records stay within two limits and a chunk of a longer backlog."""
    backlog = 260_000

    async def work(log):
        values = [b">%d" % n for n in range(backlog)]
        await log.append([Outgoing(EVENTS, 0, Records(values=values))])
        async with running(log, ttl_ms=20_000) as app:
            await eventually(lambda: owned(app) == [6])
            unit = app.keeper.units[TopicPartition(EVENTS, 0)]
            queue = WriterQueue(tmp_path / "events.db")
            with queue.writing():
                await eventually(lambda: not unit.wants_more and not unit.in_flight)
                assert MANY_RECORDS < unit.pending_records < backlog
                assert unit.pending_records < 2 * MANY_RECORDS + 120_000  # which are in a chunk at most
            queue.close()
        assert await run_until_idle(log) == 0
        assert (await totals(log, FORWARDED)).total() == backlog

    with_log(work)


def test_a_commit_that_fails_costs_nothing(with_log, tmp_path):
    """When the log is too busy for a commit, the partition is opened again from the log, and everything counts once."""

    async def work(log):
        impatient = LocalLog(tmp_path / "events.db", patience_s=0.05)
        async with running(impatient) as app:
            await eventually(lambda: owned(app) == [6])
            shards = {id(unit.shard) for unit in app.keeper.units.values()}
            queue = WriterQueue(tmp_path / "events.db")
            await append(log, KEYS)
            with queue.writing():
                await eventually(lambda: any(unit.failure is not None for unit in app.keeper.units.values()))
            queue.close()
            await eventually(lambda: owned(app) == [6])
            assert {id(unit.shard) for unit in app.keeper.units.values()} - shards
        await run_until_idle(impatient)
        await impatient.close()
        assert await totals(log) == Counter(KEYS)
        assert await alerts(log) == expected_alerts(Counter(KEYS))

    with_log(work)


def test_retention_that_overtakes_a_worker_is_told(with_log, tmp_path, caplog):
    """Records that are dropped while the worker lags behind are named in a message, and it goes on behind them."""

    async def work(log):
        values = [b"x" * 1_000_000] * 3
        for _ in range(2):
            await log.append([Outgoing("short", 0, Records(values=values))])
        fields = {"k": Field(name="k", type="str"), "ts": Field(name="ts", type="int")}
        stream = StreamSpec(name="short", topic="short", partitions=3, key="k", time="ts", id=None, fields=fields)
        settings = config(streams={"short": stream})
        async with running(log, settings) as app:
            await eventually(lambda: owned(app) == [3])
            unit = app.keeper.units[TopicPartition("short", 0)]
            await eventually(lambda: unit.committed == 6)
            unit.in_flight = True  # a chunk that takes long
            await log.append([Outgoing("short", 0, Records(values=[b"y" * 1_000_000] * 6))])
            await log.append([Outgoing("short", 0, Records(values=[b"z"]))])
            await log.tidy()
            assert (await log.partitions("short"))[0].start == 12
            unit.in_flight = False
            app.keeper.progress.set()
            await eventually(lambda: app.keeper.units[TopicPartition("short", 0)].committed == 13)

    async def with_short_topic(log):
        await log.create_topic(TopicSpec(name="short", partitions=3, retention_bytes=1))
        await work(log)

    with caplog.at_level(logging.ERROR):
        with_log(with_short_topic)
    assert (
        "short/0: records 6 to 11 were removed by retention before they were processed; going on at 12" in caplog.text
    )


def test_an_idle_stream_follows_the_wall_clock(with_log):
    """After its idle time a caught-up partition is advanced to the wall clock minus that time."""
    settings = config()
    stream = replace(settings.streams[EVENTS], idle_advance_ms=50)
    settings = replace(settings, streams={**settings.streams, EVENTS: stream})

    async def work(log):
        await log.create_topic(TopicSpec(name="advanced", partitions=1))
        async with running(log, settings, now_ms=lambda: 1_000_000) as app:
            units = app.keeper.units.values()
            await eventually(lambda: sum(unit.shard.watermark_ms == 999_950 for unit in units if unit.is_open) == 3)
        assert {value for chunk in await read(log, "advanced") for value in chunk.values} == {b"999950"}

    with_log(work)


def test_health_events_are_committed_with_the_rest(with_log):
    """What the units measured counts each record and alert once, and the lag is sampled as well."""

    async def work(log):
        settings = config(health=True)
        async with running(log, settings) as app:
            await append(log, KEYS)
            await eventually(lambda: owned(app) == [7])
            await eventually(lambda: _has_lag(log))
        events = [json.loads(value) for chunk in await read(log, f"{APP}-health") for value in chunk.values]
        metered = [event for event in events if event["source"].startswith(EVENTS)]
        assert sum(event["records"] for event in metered) == len(KEYS)
        assert sum(event["alerts"] for event in metered) == len(expected_alerts(Counter(KEYS)))

    with_log(work)


async def _has_lag(log):
    chunks = await read(log, f"{APP}-health")
    return any(b"lag_records" in value for chunk in chunks for value in chunk.values)


def test_position_beyond_the_end_stops_the_partition(with_log, caplog):
    """State of a topic that was made anew can't be trusted: the worker says so and ends with its code."""

    async def work(log):
        shard = TallyShard(TopicPartition(EVENTS, 0))
        shard.position = 99
        (fence, *_) = await log.renew(APP, "before", [EVENTS], ttl_ms=60_000)
        slabs = shard.dirty()
        state = Records(keys=list(slabs), values=list(slabs.values()))
        await log.commit(fence, 0, [Outgoing(STATE, 0, state)])
        await log.leave(APP, "before")
        assert await run_until_idle(log) == STOPPED

    with_log(work)
    assert "events/0 is stopped: The state of events/0 stands at offset 99" in caplog.text
