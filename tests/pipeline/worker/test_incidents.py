"""Incidents in a worker: what is in the log equals the state machine run over the topic of commands."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from agents.events import Outgoing, Records, TopicPartition
from pipeline.alerts import encode_alert
from pipeline.errors import FencedError
from pipeline.incidents import Acknowledge, IncidentSettings, Raised, Snooze, State, Tick, restore, step
from pipeline.incidents.events import decode_event, encode_event
from pipeline.incidents.records import decode_notice, decode_record
from pipeline.log.opening import open_log
from pipeline.plan import commands_topic, incidents_topic, notices_topic
from pipeline.worker import build_app, serve
from pipeline.worker.desk import Desk
from pipeline.worker.incidents import Forwarding
from pipeline.worker.units.restore import read_slabs
from tests.pipeline.worker.tally import APP, TallyShard, append, config, eventually, read, run_until_idle, running

SETTINGS = IncidentSettings(storm_limit=1_000)
WITH = config(incidents=SETTINGS)
SHARD = TallyShard(TopicPartition("events", 0))


def alert(n, key="a", severity="high"):
    """An alert as others write it, the same for the same number."""
    SHARD.counts[key] = n
    return encode_alert(replace(SHARD._alert(key, n), severity=severity), detected_ms=1 << 50, app=APP)


async def raise_alerts(log, alerts, topic="alerts"):
    keys, values, headers = zip(*alerts, strict=True)
    await log.append([Outgoing(topic, None, Records(keys=keys, values=values, headers=headers))])


async def command(log, event, app=APP):
    await log.append([Outgoing(commands_topic(app), 0, Records(values=[encode_event(event)]))])


async def events(log, app=APP):
    """What was taken in, in order: (time, event)."""
    chunks = await read(log, commands_topic(app))
    rows = [row for chunk in chunks for row in zip(chunk.timestamps_ms.tolist(), chunk.values, strict=True)]
    return [(time_ms, decode_event(value)) for time_ms, value in rows]


async def stored(log, app=APP):
    """State and notices as a newcomer finds them."""
    slabs = await read_slabs(log, TopicPartition(incidents_topic(app), 0))
    state = restore([(key.decode(), decode_record(value)) for key, value in slabs.items()], SETTINGS)
    notices = [decode_notice(value) for chunk in await read(log, notices_topic(app)) for value in chunk.values]
    return state, notices


async def expected(log, app=APP):
    """The same by the state machine alone."""
    state, notices = State(), []
    for time_ms, event in await events(log, app):
        state, outputs = step(state, event, time_ms, SETTINGS)
        notices += outputs.notices
    return state, notices


def test_alerts_of_the_streams_become_incidents(with_log):
    """What the shards raise is grouped, told once a key, and can be rebuilt from the compacted topic."""

    async def work(log):
        await append(log, ["a"] * 40 + ["b"] * 20)
        assert await run_until_idle(log, WITH) == 0
        state, notices = await stored(log)
        assert {(each.key, each.count, each.state) for each in state.incidents.values()} == {
            ("a", 4, "updated"),
            ("b", 2, "updated"),
        }
        assert sorted((each.kind, each.key) for each in notices) == [("opened", "a"), ("opened", "b")]
        assert (state, notices) == await expected(log)

    with_log(work)


def test_workers_that_come_and_go_change_nothing(with_log):
    """Under rebalances each alert counts once, and state and notices are those of one undisturbed run."""

    async def work(log):
        numbers, stop = iter(range(10_000)), asyncio.Event()
        sent = []

        async def feed():
            while not stop.is_set():
                made = [alert(n, key=f"k{n % 7}") for _, n in zip(range(5), numbers, strict=False)]
                sent.extend(made)
                await raise_alerts(log, made)
                await asyncio.sleep(0.01)

        async with running(log, WITH):
            feeding = asyncio.create_task(feed())
            for _ in range(3):
                async with running(log, WITH) as second:
                    await eventually(lambda app=second: app.fences)
                    await asyncio.sleep(0.1)
            stop.set()
            await feeding
        assert await run_until_idle(log, WITH) == 0
        state, notices = await stored(log)
        assert sum(each.count for each in state.incidents.values()) == len(sent)
        assert (state, notices) == await expected(log)

    with_log(work)


def test_repeats_are_dropped_after_a_restart_too(with_log):
    """An alert that comes again, in another run, is known by its id."""

    async def work(log):
        for _ in range(3):
            await raise_alerts(log, [alert(1), alert(2)])
            assert await run_until_idle(log, WITH) == 0
        state, notices = await stored(log)
        assert [each.count for each in state.incidents.values()] == [2]
        assert len(notices) == 1
        assert sum(isinstance(event, Raised) for _, event in await events(log)) == 6

    with_log(work)


def test_commands_are_events_of_a_topic(with_log):
    """Whoever appends a command has it done: an incident acknowledged, a key snoozed."""

    async def work(log):
        await raise_alerts(log, [alert(1)])
        await run_until_idle(log, WITH)
        (incident,) = (await stored(log))[0].incidents.values()
        await command(log, Acknowledge(id="c1", incident=incident.id, by="ann"))
        await command(log, Snooze(id="c2", key="quiet", until_ms=1 << 50, reason="known"))
        await run_until_idle(log, WITH)
        await raise_alerts(log, [alert(2, key="quiet")])
        await run_until_idle(log, WITH)
        state, notices = await stored(log)
        assert state.find(incident.id)[1].acknowledged_by == "ann"
        assert [each.kind for each in notices] == ["opened", "acknowledged"]
        assert sorted(each.muted for each in state.incidents.values()) == [0, 1]

    with_log(work)


def test_what_ends_by_itself_is_noticed_while_nothing_comes(with_log):
    """A tick is written when one is due, and not before: an incident ends, and a calm topic stays as it is."""

    async def work(log):
        brief = replace(WITH, incidents=replace(SETTINGS, hold_ms=300, reopen_ms=1))
        await raise_alerts(log, [alert(1)])
        async with running(log, brief):
            await eventually(lambda: _has_told(log, "resolved"))
            ticks = sum(isinstance(event, Tick) for _, event in await events(log))
            await asyncio.sleep(1.2)
            assert sum(isinstance(event, Tick) for _, event in await events(log)) == ticks
        assert ticks >= 1

    with_log(work)


async def _has_told(log, kind):
    if notices_topic(APP) not in await log.topics():
        return False
    return kind in [notice.kind for notice in (await stored(log))[1]]


def test_what_is_no_command_goes_to_the_dead_letters(with_log):
    """A record that can't be read does not stop the others."""

    async def work(log):
        await run_until_idle(log, WITH)
        garbage = [b"{}", None, b'{"kind": "snooze"}']
        await log.append([Outgoing(commands_topic(APP), 0, Records(values=garbage, keys=[b"x"] * 3))])
        await raise_alerts(log, [alert(1)])
        await run_until_idle(log, WITH)
        letters = await read(log, f"{commands_topic(APP)}.dead-letter")
        assert [value for chunk in letters for value in chunk.values] == garbage
        assert len((await stored(log))[0].incidents) == 1

    with_log(work)


def test_a_worker_that_lost_the_topic_can_not_write(with_log):
    """A desk with the right of an earlier owner is refused, gives up, and has changed nothing."""

    async def work(log):
        source = TopicPartition(commands_topic(APP), 0)
        async with running(log, WITH) as app:
            await eventually(lambda: source in app.fences)
            stale = app.fences[source]
        await raise_alerts(log, [alert(1)])
        await run_until_idle(log, WITH)
        await command(log, Tick())
        before = await stored(log)
        rights = [stale] * 3
        desk = Desk(log, APP, SETTINGS, fence=lambda: rights.pop() if rights else None, now_ms=lambda: 1 << 50)
        await desk.take_in(1)
        assert await stored(log) == before
        with pytest.raises(FencedError):
            await log.commit(stale, 2, [])
        await run_until_idle(log, WITH)
        assert await stored(log) == await expected(log) != before

    with_log(work)


def test_on_kafka_as_well(kafka, kafka_prefix):
    """Over a real broker, with two workers one after the other, state and notices are those of the machine alone."""
    name = kafka_prefix[:60]
    settings = config(name=name, log=kafka.url, alerts_topic=f"{name}-alerts", incidents=SETTINGS)
    streams = {key: replace(stream, topic=f"{name}-{key}") for key, stream in settings.streams.items()}
    settings = replace(settings, streams=streams)

    async def work():
        log = open_log(kafka.url)
        try:
            for turn in range(2):
                async with running(log, settings, ttl_ms=6_000) as app:
                    await eventually(lambda app=app: TopicPartition(commands_topic(name), 0) in app.fences, within_s=60)
                    made = [alert(10 * turn + n, key=f"k{n % 3}") for n in range(10)]
                    await raise_alerts(log, made, topic=f"{name}-alerts")
                    await eventually(lambda turn=turn: _counts(log, name, 10 * turn + 10), within_s=60)
            assert await stored(log, name) == await expected(log, name)
            assert len((await stored(log, name))[1]) == 3
        finally:
            await log.close()

    asyncio.run(work())


async def _counts(log, app, wanted):
    return sum(each.count for each in (await stored(log, app))[0].incidents.values()) == wanted


def test_the_agent_of_the_docs_runs_beside_incidents(with_log):
    """The module shown sends on each high alert once, on the topic that incidents read too."""
    page = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
    (block,) = [found for found in blocks("python", page) if "def register" in found]

    async def work(log):
        module = {"__name__": "suspects"}
        exec(compile(block, "docs/alerts.md", "exec"), module)
        await raise_alerts(log, [alert(1), alert(2, severity="low"), alert(3, key="b"), alert(1)])
        app = build_app(WITH, log, ttl_ms=1_000, build=TallyShard)
        module["register"](app)
        assert await serve(app, asyncio.Event(), until_idle=True) == 0
        assert sorted(value for chunk in await read(log, "suspects") for value in chunk.values) == [b"a", b"b"]
        assert sum(each.count for each in (await stored(log))[0].incidents.values()) == 3

    with_log(work)


def blocks(kind, text):
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_an_alert_that_is_gone_is_passed_over(with_log):
    """An alert beyond what the log holds, as after retention, stops nothing."""

    async def work(log):
        await raise_alerts(log, [alert(1)])
        forwarding = Forwarding(log, "alerts", commands_topic(APP))
        await asyncio.wait_for(forwarding.take_in(0, 1_000_000), 10)
        await run_until_idle(log, WITH)
        assert [each.count for each in (await stored(log))[0].incidents.values()] == [1]

    with_log(work)


def test_a_flood_is_forwarded_and_taken_in_by_chunks(with_log):
    """A thousand alerts are far fewer commits, and none is missed."""

    async def work(log):
        await raise_alerts(log, [alert(n, key=f"k{n % 9}") for n in range(1_000)])
        await run_until_idle(log, WITH)
        state, notices = await stored(log)
        assert sum(each.count for each in state.incidents.values()) == 1_000
        assert (state, notices) == await expected(log)
        written = (await log.partitions(incidents_topic(APP)))[0].end
        assert written < 1_000 + 9 * 100  # one for each id, and for each commit one for each incident

    with_log(work)
