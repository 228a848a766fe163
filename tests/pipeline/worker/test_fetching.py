"""Rounds of fetching: what follows is fetched while what came is processed."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from pipeline.log import Fence
from pipeline.worker.frame.clocks import Clocks
from pipeline.worker.frame.fetching import Fetching
from pipeline.worker.frame.plain import PlainFeed
from pipeline.worker.units.contract import Sinks
from pipeline.worker.units.keeper import Keeper
from pipeline.worker.units.pace import MANY_AT_ONCE
from pipeline.worker.units.unit import Unit
from tests.pipeline.worker.answers import ONE, Log
from tests.pipeline.worker.tally import TallyShard


def rounds(log, story, clocks=None):
    """Run a story about the rounds of a worker that has one partition."""

    async def run():
        sinks = Sinks(log=log, app="app", alerts_topic="a", state_topic=lambda topic: topic, now_ms=lambda: 0)
        keeper = Keeper(topics=["t"], sinks=sinks, build=lambda _: None, meter=lambda _: None)
        keeper.units[ONE] = unit = Unit(Fence("app", ONE, "w", 1), sinks)
        unit.start(TallyShard(ONE))
        fetching = Fetching(log, keeper, PlainFeed(lambda _: set()), clocks or Clocks("clocks", {}, patience_s=15.0))
        await story(unit, lambda: fetching.messages(lambda: 1, (), ()))
        await fetching.close()

    asyncio.run(run())


def test_a_backlog_is_fetched_while_it_is_processed():
    """The request for what follows is on its way before the agents get what came."""
    log = Log(MANY_AT_ONCE)

    async def story(unit, messages):
        for number in range(3):
            (message,) = await messages()
            assert log.asked == [{ONE: at * MANY_AT_ONCE} for at in range(number + 2)]
            await message.value.apply()
            assert unit.shard.position == (number + 1) * MANY_AT_ONCE

    rounds(log, story)


def test_live_records_are_asked_for_when_they_are_wanted():
    """A fetch ahead of time would come back empty, and what comes a moment later would wait for the round after."""
    log = Log(MANY_AT_ONCE - 1)

    async def story(_unit, messages):
        for number in range(3):
            (message,) = await messages()
            assert len(log.asked) == number + 1
            await message.value.apply()

    rounds(log, story)


def test_what_follows_a_chunk_that_was_thrown_away_is_not_processed():
    """The unit stands where it stood, so the chunk is fetched again."""
    log = Log(MANY_AT_ONCE)

    async def story(unit, messages):
        (thrown_away,) = await messages()
        unit.renew_token()
        await thrown_away.value.apply()
        (again,) = await messages()
        assert log.asked == [{ONE: 0}, {ONE: MANY_AT_ONCE}, {ONE: 0}, {ONE: MANY_AT_ONCE}]
        await again.value.apply()
        assert unit.shard.position == MANY_AT_ONCE

    rounds(log, story)


class Bound(Clocks):
    """Lets partitions go to ``at_ms``."""

    def __init__(self, at_ms):
        super().__init__("clocks", {}, patience_s=15.0)
        self.at_ms = at_ms

    def bounds(self, units, now):
        return dict.fromkeys(units, self.at_ms)


def spread(message):
    """Let the records of the chunk of a message be 50 ms apart."""
    message.value._chunk = replace(message.value._chunk, timestamps_ms=np.arange(MANY_AT_ONCE) * 50)


def test_a_unit_that_ran_ahead_of_others_leaves_the_rest_for_later():
    """It goes to its bound in stretches; the rest is not fetched again, and goes on once the bound has moved."""
    log, clocks = Log(MANY_AT_ONCE), Bound(11_000)

    async def story(unit, messages):
        (message,) = await messages()
        spread(message)
        await message.value.apply()
        assert unit.shard.position == 100, "its pace was not known"
        for bound_ms, position in ((20_000, 404), (60_000, 1_201)):
            clocks.at_ms, asked = bound_ms, len(log.asked)
            (message,) = await messages()
            await message.value.apply()
            assert unit.shard.position == position
            assert all(at != unit.shard.position for each in log.asked[asked:] for at in each.values())

    rounds(log, story, clocks)


def test_a_rest_however_short_is_no_end_of_a_backlog():
    """What follows it was not looked at yet: taken for live, it would neither be bounded nor waited for."""
    log, clocks = Log(MANY_AT_ONCE), Bound(96_000)

    async def story(unit, messages):
        (message,) = await messages()
        spread(message)
        await message.value.apply()
        assert 0 < (MANY_AT_ONCE - unit.shard.position) * 50 < 5_000
        clocks.at_ms, log.count = 1 << 40, 0
        (message,) = await messages()
        assert (unit.backlog.is_behind, unit.is_bounded) == (True, True)
        await message.value.apply()
        assert await messages() == []
        assert not unit.backlog.is_behind

    rounds(log, story, clocks)


@pytest.mark.parametrize(("records", "waits"), [(10, False), (MANY_AT_ONCE, True)])
def test_whether_a_partition_is_live_is_looked_at_before_it_waits_for_others(records, waits):
    """A live one goes on at once; of one that is behind nothing is processed before others have come so far."""
    log, clocks = Log(records), Bound(0)

    async def story(unit, messages):
        unit.shard.watermark_ms = 5
        found = await messages()
        assert (found == []) == waits
        if waits:
            assert await messages() == []
            clocks.at_ms, asked = 1 << 40, list(log.asked)
            found = await messages()
            assert ONE not in {source for each in log.asked[len(asked) :] for source, at in each.items() if not at}
        await found[0].value.apply()
        assert unit.shard.position > 0

    rounds(log, story, clocks)
