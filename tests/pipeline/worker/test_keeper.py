"""Units that come and go faster than they can be opened."""

import asyncio

import pytest

from agents.events import TopicPartition
from pipeline.errors import LogUnavailableError
from pipeline.log import Fence
from pipeline.worker.units.contract import Sinks
from pipeline.worker.units.keeper import Keeper
from pipeline.worker.units.pace import MANY_AT_ONCE
from pipeline.worker.units.unit import Unit
from tests.pipeline.shards import chunk_of
from tests.pipeline.worker.tally import TallyShard

FENCES = [Fence("app", TopicPartition("payments", number), "w", 1) for number in range(3)]


class Slow:
    """A log in which a claim takes until it is let through, and then nothing can be restored."""

    def __init__(self):
        self.through = asyncio.Event()
        self.begun = asyncio.Semaphore(0)
        self.claimed, self.disclaimed = [], []

    async def claim(self, fence):
        self.claimed.append(fence)
        self.begun.release()
        await self.through.wait()

    async def disclaim(self, fence):
        self.disclaimed.append(fence)

    async def partitions(self, topic):
        raise LogUnavailableError(topic)


@pytest.fixture
def story():
    async def run(tell):
        log = Slow()
        sinks = Sinks(
            log=log, app="app", alerts_topic="a", state_topic=lambda topic: f"{topic}-state", now_ms=lambda: 0
        )
        keeper = Keeper(topics=["payments"], sinks=sinks, build=lambda _: None, meter=lambda _: None)
        await tell(log, keeper)
        await keeper.close()

    return lambda tell: asyncio.run(run(tell))


def test_a_partition_that_moved_on_while_it_waited_is_not_claimed(story):
    """Its next owner may have claimed it already, and would be thrown out."""

    async def tell(log, keeper):
        keeper.assign(FENCES)
        await log.begun.acquire()
        await log.begun.acquire()
        keeper.assign(FENCES[:1])
        log.through.set()
        keeper.assign([*FENCES[:1], FENCES[1]._replace(epoch=2)])
        await log.begun.acquire()
        assert log.claimed == [FENCES[0], FENCES[1], FENCES[1]._replace(epoch=2)]

    story(tell)


def test_what_was_claimed_is_released_after_the_last_commit(story):
    """A commit that is under way when its partition goes could not end without what the claim took."""

    async def tell(log, keeper):
        keeper.assign(FENCES[:1])
        log.through.set()
        lock = keeper._locks[FENCES[0].source]
        await log.begun.acquire()
        async with lock:  # as a commit holds it
            keeper.assign([])
            await asyncio.sleep(0)
            assert log.disclaimed == []
        async with lock:
            assert FENCES[0] in log.disclaimed

    story(tell)


def test_the_last_alerts_of_a_backlog_do_not_wait(story):
    """While a partition lies behind it commits at a slow pace; once it has caught up, what waits goes out at once."""

    async def tell(log, keeper):
        unit = Unit(FENCES[0], keeper._sinks)
        keeper.units = {unit.source: unit}
        unit.start(TallyShard(unit.source))
        unit.alerts = ["alert"]
        commits = asyncio.Event()

        async def commit(*, early):
            unit.alerts = []
            commits.set()
            return early

        unit.commit = commit
        keeper._pace.committed(asyncio.get_running_loop().time() - 300.0, 10.0, backlog=1.0)  # due in 200 s
        keeper.fed({unit.source: 0}, [chunk_of([b"{}"] * MANY_AT_ONCE)])
        keeper.commit_soon()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(commits.wait(), 0.05)
        keeper.fed({unit.source: 0}, [])
        await asyncio.wait_for(commits.wait(), 5)

    story(tell)


def test_an_early_commit_without_work_is_no_quick_one(story):
    """Another commit may have taken what waited. Were it counted, every real one would seem slow from then on."""

    async def tell(_log, keeper):
        unit = Unit(FENCES[0], keeper._sinks)
        lasts_s = iter((0.0, 0.05))

        async def commit(*, early):
            pause_s = next(lasts_s)
            await asyncio.sleep(pause_s)
            return early and pause_s > 0

        unit.commit = commit
        await keeper._hurry(unit)
        await keeper._hurry(unit)
        assert keeper._pace.due(backlog=0.0) <= asyncio.get_running_loop().time()

    story(tell)


def test_who_waits_for_commits_is_told(story):
    """Clocks are told to others as soon as a commit has moved them; a round in which nothing waited moves none."""

    async def tell(_log, keeper):
        unit = Unit(FENCES[0], keeper._sinks)
        did = iter((False, True))

        async def commit(*, early):
            return next(did)

        unit.commit = commit
        await keeper.commit_unit(unit)
        assert not keeper.committed.is_set()
        await keeper.commit_unit(unit)
        assert keeper.committed.is_set()

    story(tell)
