"""Ordinary Faust agents on the same transport."""

import asyncio
from collections import Counter

import pytest

from agents.events import TopicPartition
from pipeline.errors import UsageError
from pipeline.worker import build_app, load_modules, serve
from pipeline.worker.frame.plain import WINDOW
from tests.pipeline.worker.tally import (
    APP,
    EVENTS,
    TallyShard,
    append,
    config,
    eventually,
    read,
    run_until_idle,
    running,
)

MANY = [f"k{n}" for n in range(500)]


def collecting(seen):
    """What to do to an app so that an agent notes each record of a topic."""

    def register(app, topic="notes"):
        async def note(stream):
            async for value in stream:
                seen.append(value.decode())

        app.agent(app.topic(topic, value_type=bytes, partitions=3), name="note")(note)

    return register


def app_with(log, register):
    app = build_app(config(), log, ttl_ms=1_000, build=TallyShard)
    register(app)
    return app


def test_each_record_reaches_the_agent_and_is_committed(with_log):
    """An agent sees the records of a topic in the order of each partition, and its position becomes the group's."""

    async def work(log):
        seen = []
        assert await serve(app_with(log, collecting(seen)), asyncio.Event(), until_idle=True) == 0  # makes the topic
        await append(log, MANY, topic="notes")
        assert await serve(app_with(log, collecting(seen)), asyncio.Event(), until_idle=True) == 0
        assert Counter(seen) == Counter(MANY)
        stored = [value.decode() for chunk in await read(log, "notes") for value in chunk.values]
        for partition in await read(log, "notes"):
            own = [value.decode() for value in partition.values]
            assert [value for value in seen if value in own] == own
        assert len(stored) == len(MANY)
        committed = await log.committed(APP)
        for partition, bounds in (await log.partitions("notes")).items():
            assert committed[TopicPartition("notes", partition)].offset == bounds.end

    with_log(work)


def test_records_are_not_seen_again_after_a_clean_stop(with_log):
    """A second run goes on behind what the first one acknowledged."""

    async def work(log):
        seen = []
        register = collecting(seen)
        await serve(app_with(log, register), asyncio.Event(), until_idle=True)
        for _ in range(2):
            await append(log, MANY, topic="notes")
            await serve(app_with(log, register), asyncio.Event(), until_idle=True)
        assert Counter(seen) == Counter(MANY * 2)

    with_log(work)


def test_unacknowledged_records_come_again(with_log):
    """A record that an agent was busy with when the worker went away is seen by the next worker; none is lost."""

    async def work(log):
        started = asyncio.Event()

        def register_stuck(app):
            async def stuck(stream):
                async for _ in stream:
                    started.set()
                    await asyncio.Event().wait()

            app.agent(app.topic("notes", value_type=bytes, partitions=1), name="note")(stuck)

        stop = asyncio.Event()
        serving = asyncio.create_task(serve(app_with(log, register_stuck), stop))
        await eventually(lambda: _exists(log, "notes"))
        await append(log, ["a", "b"], topic="notes")
        await asyncio.wait_for(started.wait(), 10)
        stop.set()
        assert await serving == 0
        seen = []
        await serve(app_with(log, collecting(seen)), asyncio.Event(), until_idle=True)
        assert seen == ["a", "b"]

    with_log(work)


async def _exists(log, topic):
    return topic in await log.topics()


def test_a_stuck_agent_does_not_hold_up_the_streams(with_log):
    """While a plain agent hangs, it is given no more than a window of records, and chunks are processed as ever."""

    async def work(log):
        given = []
        gate = asyncio.Event()

        def register(app):
            async def slow(stream):
                async for value in stream:
                    given.append(value)
                    await gate.wait()

            app.agent(app.topic("notes", value_type=bytes, partitions=1), name="note")(slow)

        stop = asyncio.Event()
        app = app_with(log, register)
        serving = asyncio.create_task(serve(app, stop))
        await eventually(lambda: _exists(log, "notes"))
        await append(log, [str(n) for n in range(10 * WINDOW)], topic="notes")
        await eventually(lambda: len(given) == 1)
        await append(log, MANY)
        units = app.keeper.units.values()
        await eventually(lambda: sum(unit.committed for unit in units if unit.source.topic == EVENTS) == len(MANY))
        assert len(given) == 1
        gate.set()
        await eventually(lambda: len(given) == 10 * WINDOW)
        stop.set()
        assert await serving == 0

    with_log(work)


def test_an_agent_can_send(with_log):
    """What an agent sends to a topic is appended with key and headers, by Kafka's partitioner."""

    async def work(log):
        def register(app):
            replies = app.topic("replies", value_type=bytes, key_type=bytes, partitions=3)

            async def reply(stream):
                async for value in stream:
                    await replies.maybe_declare()
                    await replies.send(key=value, value=b"re: " + value, headers={"from": b"agent"})

            app.agent(app.topic("notes", value_type=bytes, partitions=1), name="note")(reply)

        await serve(app_with(log, register), asyncio.Event(), until_idle=True)
        await append(log, ["a"], topic="notes")
        await serve(app_with(log, register), asyncio.Event(), until_idle=True)
        (chunk,) = await read(log, "replies")
        assert (chunk.keys, chunk.values) == ([b"a"], [b"re: a"])
        assert list(chunk.headers[0]) == [("from", b"agent")]

    with_log(work)


def test_the_example_tells_of_alerts(with_log, capsys):
    """The agent that ships as an example prints each high alert once."""

    async def work(log):
        await append(log, ["a"] * 30)
        await run_until_idle(log)
        app = build_app(config(), log, ttl_ms=1_000, build=TallyShard)
        load_modules(app, ["examples.notify_agent"])
        assert await serve(app, asyncio.Event(), until_idle=True) == 0

    with_log(work)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["high:"] * 3
    assert all('often fired for "a"' in line for line in lines)


@pytest.mark.parametrize("name", ["no_such_module", "json"])
def test_a_module_that_can_not_be_used_is_named(with_log, name):
    """A module that is missing or has no register() is a mistake of the user's, said in one sentence."""

    async def work(log):
        async with running(log) as app:
            with pytest.raises(UsageError, match=rf"module '{name}' can't be used: .*register"):
                load_modules(app, [name])

    with_log(work)
