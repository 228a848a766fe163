"""Chunks that are fetched ahead wait for who wants them."""

import asyncio
import contextlib
from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import LogUnavailableError
from pipeline.worker.frame.ahead import ReadAhead
from tables.slices import Payloads
from tests.pipeline.worker.answers import ONE, TWO, Log, after

OWNED = {ONE, TWO}


def told(story):
    """Run a story about a log and what reads ahead in it."""

    async def run():
        log = Log()
        ahead = ReadAhead(log.fetch)
        await story(log, ahead)
        await ahead.close()

    asyncio.run(run())


def firsts(taken):
    return [(each.chunk.partition, int(each.chunk.offsets[0])) for each in taken]


def test_chunks_come_in_the_order_in_which_they_are_wanted():
    """Those furthest behind first, as their caller has sorted them."""

    async def story(_log, ahead):
        await ahead.ask({ONE: 5, TWO: 7})
        await ahead.arrived()
        assert firsts(ahead.take({TWO: 7, ONE: 5}, OWNED)) == [(1, 7), (0, 5)]
        assert ahead.take({TWO: 7, ONE: 5}, OWNED) == []

    told(story)


def test_what_is_not_wanted_yet_waits_and_is_not_fetched_again():
    """One chunk of each partition at most."""

    async def story(log, ahead):
        await ahead.ask({ONE: 5, TWO: 7})
        await ahead.arrived()
        assert firsts(ahead.take({ONE: 5}, OWNED)) == [(0, 5)]
        await ahead.ask({ONE: 15, TWO: 7})
        assert log.asked == [{ONE: 5, TWO: 7}, {ONE: 15}]
        await ahead.arrived()
        assert firsts(ahead.take({ONE: 15, TWO: 7}, OWNED)) == [(0, 15), (1, 7)]

    told(story)


def test_what_waits_does_not_hold_the_rest_of_its_answer():
    """An answer holds many partitions; the one that waits would keep all of it in memory."""

    async def story(_log, ahead):
        answer = b"k" * 1_000

        async def fetch(positions, **_):
            ten = np.arange(10)
            return [replace(after(at, source), values=Payloads(answer, ten, ten)) for source, at in positions.items()]

        ahead._fetch = fetch
        await ahead.ask({ONE: 5, TWO: 7})
        await ahead.arrived()
        (at_once,) = ahead.take({ONE: 5}, OWNED)
        (waited,) = ahead.take({TWO: 7}, OWNED)
        at_once, waited = at_once.chunk.values, waited.chunk.values
        assert at_once.data is answer
        assert (list(waited), len(waited.data)) == (list(at_once), 18)

    told(story)


def test_a_partition_that_was_opened_again_elsewhere_gets_nothing_old():
    """Its position went back: what waits does not follow it, and is dropped for good."""

    async def story(_log, ahead):
        await ahead.ask({ONE: 5})
        await ahead.arrived()
        assert ahead.take({ONE: 2}, OWNED) == []
        assert ahead.take({ONE: 5}, OWNED) == []

    told(story)


def test_what_waits_for_a_partition_that_went_is_dropped():
    """It may come back after others have worked on it."""

    async def story(_log, ahead):
        await ahead.ask({ONE: 5})
        await ahead.arrived()
        assert ahead.take({}, {TWO}) == []
        assert ahead.take({ONE: 5}, OWNED) == []

    told(story)


def test_the_fetch_goes_on_when_the_round_that_waits_for_it_is_cancelled():
    """The next round has what it brings."""

    async def story(log, ahead):
        log.let.clear()
        await ahead.ask({ONE: 5})
        waiting = asyncio.create_task(ahead.arrived())
        await asyncio.sleep(0)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        log.let.set()
        await ahead.arrived()
        assert firsts(ahead.take({ONE: 5}, OWNED)) == [(0, 5)]
        assert log.asked == [{ONE: 5}]

    told(story)


def test_its_failure_is_that_of_the_next_round():
    """Nobody else would hear of it."""

    async def story(log, ahead):
        log.error = LogUnavailableError("gone")
        await ahead.ask({ONE: 5})
        with pytest.raises(LogUnavailableError, match="gone"):
            await ahead.arrived()
        await ahead.arrived()
        assert ahead.take({ONE: 5}, OWNED) == []

    told(story)


def test_nothing_is_fetched_once_it_is_closed():
    """A round that still goes on while the worker stops would use a log that is being closed."""

    async def story(log, ahead):
        log.let.clear()
        await ahead.ask({ONE: 5})
        waiting = asyncio.create_task(ahead.arrived())
        await asyncio.sleep(0)
        await ahead.close()
        await waiting
        await ahead.ask({TWO: 7})
        await ahead.arrived()
        assert log.asked == [{ONE: 5}]

    told(story)
