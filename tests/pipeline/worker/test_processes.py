"""Workers as processes that are killed, paused and stopped."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from pipeline.log.opening import open_log
from tests.pipeline.worker.tally import (
    APP,
    EVENTS,
    FORWARDED,
    alerts,
    append,
    create,
    eventually,
    expected_alerts,
    totals,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def workers(tmp_path):
    """Starts worker processes; whatever still runs at the end is killed."""
    started = []
    with contextlib.ExitStack() as stack:

        def start(*options):
            command = [sys.executable, "-m", "tests.pipeline.worker.process", url(tmp_path), *options]
            messages = stack.enter_context((tmp_path / f"worker-{len(started)}.txt").open("wb"))
            child = subprocess.Popen(command, cwd=ROOT, stderr=messages, stdin=subprocess.DEVNULL)
            started.append(child)
            return child

        yield start
        for child in started:
            child.kill()
            child.wait()


def url(path):
    return f"local://{path / 'events.db'}"


def in_log(path, work):
    async def opened():
        log = open_log(url(path))
        try:
            return await work(log)
        finally:
            await log.close()

    return asyncio.run(opened())


async def processed(log, topic=EVENTS):
    """How many records of a topic are behind the group's positions."""
    committed = await log.committed(APP)
    return sum(known.offset for source, known in committed.items() if source.topic == topic)


async def check(log, keys):
    """Every record counted once, every alert there once."""
    forwarded = Counter(key[1:] for key in keys if key.startswith(">"))
    assert await totals(log, FORWARDED) == forwarded
    everything = await totals(log)
    assert everything == Counter(keys)
    assert await alerts(log) == sorted(expected_alerts(everything) + expected_alerts(forwarded))


def some_keys(rng, n):
    return [rng.choice(["", ">"]) + f"k{rng.randrange(50)}" for _ in range(n)]


@contextlib.asynccontextmanager
async def feeding(log, rng):
    """Appends a few records all the time; gives the list of what was appended."""
    keys, stop = [], asyncio.Event()

    async def feed():
        while not stop.is_set():
            batch = some_keys(rng, 60)
            await append(log, batch)
            keys.extend(batch)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(feed())
    try:
        yield keys
    finally:
        stop.set()
        await task


async def _works(log, child):
    """Whether a worker owns a partition and has committed there since it took it."""
    own = [lease.source for lease in await log.leases(APP) if f":{child.pid}:" in lease.member]
    if not own:
        return False
    before = await log.committed(APP)
    await asyncio.sleep(0.2)
    after = await log.committed(APP)
    return any(source in after and after[source] != before.get(source) for source in own)


def test_killed_workers_lose_and_repeat_nothing(tmp_path, workers):
    """Two workers, each killed at a random moment of its work while records flow: counts and alerts are exact."""
    rng = random.Random(4)

    async def work(log):
        await create(log)
        running = [workers(), workers()]
        async with feeding(log, rng) as keys:
            for kill in range(6):
                for child in running:
                    await eventually(lambda child=child: _works(log, child), within_s=30)
                await asyncio.sleep(rng.random() / 10)
                running[kill % 2].kill()
                running[kill % 2].wait()
                running[kill % 2] = workers()
            for child in running:
                await eventually(lambda child=child: _works(log, child), within_s=30)
        await eventually(lambda: _all_processed(log), within_s=60)
        for child in running:
            child.terminate()
            assert child.wait(20) == 0
        await check(log, keys)

    in_log(tmp_path, work)


async def _all_processed(log):
    for topic in (EVENTS, FORWARDED):
        ends = sum(bounds.end for bounds in (await log.partitions(topic)).values())
        if await processed(log, topic) != ends:
            return False
    return True


def test_a_killed_worker_is_replaced_at_once(tmp_path, workers):
    """The next worker of this machine doesn't wait for the time to live of one whose process is gone."""

    async def work(log):
        await create(log)
        await append(log, ["a"])
        first = workers()
        await eventually(lambda: _is_processed(log, 1), within_s=20)
        first.kill()
        first.wait()
        await append(log, ["a"])
        assert workers("--until-idle").wait(20) == 0
        assert await totals(log) == Counter("aa")

    in_log(tmp_path, work)


async def _is_processed(log, n):
    return await processed(log) == n


def stop(child):
    """Stop a process, and wait until all of its threads have."""
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


async def pause(log, child):
    """Stop a process at a random moment, but not while it holds the log's pen: then nobody could write."""
    while True:
        stop(child)
        try:
            await asyncio.wait_for(log.commit_offsets("probe", {}), 1)
        except TimeoutError:
            child.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.01)
        else:
            return


def test_a_paused_worker_that_wakes_up_writes_nothing(tmp_path, workers):
    """Paused for longer than its time to live and replaced, a worker can't commit what it had in hand."""
    rng = random.Random(5)

    async def work(log):
        await create(log)
        zombie = workers()
        async with feeding(log, rng) as keys:
            await eventually(lambda: _works(log, zombie), within_s=30)
            await pause(log, zombie)
            heir = workers()
            await eventually(lambda: _works(log, heir), within_s=30)
            zombie.send_signal(signal.SIGCONT)
            await eventually(lambda: _works(log, zombie), within_s=30)
        await eventually(lambda: _all_processed(log), within_s=60)
        for child in (zombie, heir):
            child.terminate()
            assert child.wait(20) == 0
        await check(log, keys)

    in_log(tmp_path, work)


async def _some_processed(log):
    return await processed(log) > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(tmp_path, workers, number):
    """Stopped by a signal in the middle of work, a worker commits, gives up its partitions and ends with 0 in time."""

    async def work(log):
        await create(log)
        worker = workers()
        keys = some_keys(random.Random(6), 50_000)
        await append(log, keys)
        await eventually(lambda: _some_processed(log), within_s=20)
        started = time.monotonic()
        worker.send_signal(number)
        assert worker.wait(20) == 0
        assert time.monotonic() - started < 5
        assert await log.leases(APP) == []
        assert workers("--until-idle").wait(30) == 0
        await check(log, keys)

    in_log(tmp_path, work)
