"""Partitions that come and go."""

import asyncio
from collections import Counter

from pipeline.worker.idle import is_idle
from tests.pipeline.worker.tally import (
    APP,
    EVENTS,
    FORWARDED,
    alerts,
    append,
    config,
    eventually,
    expected_alerts,
    owned,
    run_until_idle,
    running,
    totals,
)

KEYS = [f"k{n % 17}" for n in range(1_000)]


def test_two_workers_share_and_hand_over(with_log):
    """A second worker gets half of the partitions while records flow, and each record still counts once."""

    async def work(log):
        async with running(log) as first:
            await eventually(lambda: owned(first) == [6])
            await append(log, KEYS)
            async with running(log) as second:
                await eventually(lambda: owned(first, second) == [3, 3])
                await append(log, KEYS)
            await eventually(lambda: owned(first) == [6])
            await append(log, KEYS)
        await run_until_idle(log)
        assert await totals(log) == Counter(KEYS * 3)
        assert await alerts(log) == expected_alerts(Counter(KEYS * 3))

    with_log(work)


def test_rebalances_under_load_leave_no_partition_waiting(with_log):
    """Workers come and go while records flow in; each partition goes on afterwards, and each record counts once."""

    async def work(log):
        keys, stop = [], asyncio.Event()

        async def feed():
            while not stop.is_set():
                keys.extend(KEYS[:40])
                await append(log, KEYS[:40])
                await asyncio.sleep(0.005)

        async with running(log) as first:
            feeding = asyncio.create_task(feed())
            for _ in range(8):
                async with running(log) as second:
                    await eventually(lambda second=second: owned(first, second) == [3, 3])
            stop.set()
            await feeding
            units = first.keeper.units.values()
            await eventually(lambda: sum(unit.committed for unit in units if unit.source.topic == EVENTS) == len(keys))
        assert await totals(log) == Counter(keys)
        assert await alerts(log) == expected_alerts(Counter(keys))

    with_log(work)


def test_a_kept_unit_survives_a_rebalance(with_log):
    """A partition that stays with its worker keeps its shard: nothing is restored again."""

    async def work(log):
        async with running(log) as first:
            await eventually(lambda: owned(first) == [6])
            before = {id(unit.shard) for unit in first.keeper.units.values()}
            async with running(log) as second:
                await eventually(lambda: owned(first, second) == [3, 3])
                assert {id(unit.shard) for unit in first.keeper.units.values()} <= before

    with_log(work)


def test_a_fenced_worker_writes_nothing(with_log):
    """When the lease was taken meanwhile, what was processed is dropped, and counted by the new owner."""

    async def work(log):
        async with running(log, config(commit_ms=60_000)) as app:
            await eventually(lambda: owned(app) == [6])
            await append(log, ["a", "b", "c"])
            units = app.keeper.units.values()
            await eventually(lambda: sum(unit.shard.position for unit in units) == 3)
            await log.leave(APP, app.membership.member)  # as if its time to live were over
            assert len(await log.renew(APP, "thief", [EVENTS, FORWARDED], ttl_ms=60_000)) == 6
            await app.keeper.commit()
            assert await totals(log) == Counter()
            await log.leave(APP, "thief")
        await run_until_idle(log)
        assert await totals(log) == Counter("abc")

    with_log(work)


def test_until_idle_waits_for_partitions_of_the_dead(with_log):
    """Partitions that a silent member left behind are waited for and processed, not left to nobody."""

    async def work(log):
        await append(log, KEYS)
        assert len(await log.renew(APP, "silent", [EVENTS, FORWARDED], ttl_ms=700)) == 6
        assert await run_until_idle(log) == 0
        assert await totals(log) == Counter(KEYS)

    with_log(work)


def test_until_idle_waits_for_a_share_that_a_dead_member_keeps_away(with_log):
    """A member that died without a partition still counts for a while: what is kept for it is waited for."""

    async def work(log):
        await append(log, KEYS)
        await log.renew(APP, "a", [EVENTS, FORWARDED], ttl_ms=60_000)
        await log.renew(APP, "b", [EVENTS, FORWARDED], ttl_ms=700)
        await log.leave(APP, "a")
        assert await run_until_idle(log) == 0
        assert await totals(log) == Counter(KEYS)

    with_log(work)


def test_until_idle_leaves_the_partitions_of_others_alone(with_log):
    """A worker that has done its own share ends, whatever another living one still has to do."""

    async def work(log):
        async with running(log) as other:
            await eventually(lambda: owned(other) == [6])
            keeper = other.keeper
            async with running(log) as second:
                await eventually(lambda: owned(other, second) == [3, 3])
                for unit in keeper.units.values():
                    unit.in_flight = True  # a chunk that takes long
                await append(log, KEYS)
                await eventually(lambda: is_idle(second))
                assert not await is_idle(other)
                for unit in keeper.units.values():
                    unit.in_flight = False
        await run_until_idle(log)
        assert await totals(log) == Counter(KEYS)

    with_log(work)
