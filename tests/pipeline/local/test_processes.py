"""Real processes on one log: killed, paused, competing, replaced."""

import asyncio
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from agents.events import TopicPartition
from pipeline.local.log import LocalLog, wall_clock_ms
from pipeline.log import TopicSpec, follow
from pipeline.log.opening import open_log

CLIENT = Path(__file__).with_name("client.py")
ROOT = CLIENT.parents[3]
RECORDS = 40  # of each topic in one step of the client
TOPICS = [
    TopicSpec(name="source", partitions=4),
    TopicSpec(name="small", partitions=3),
    TopicSpec(name="big", partitions=1),
    TopicSpec(name="state", partitions=1, cleanup="compact"),
]


class Process:
    """A client under the test's control."""

    def __init__(self, mode, url, name):
        self.popen = subprocess.Popen(
            [sys.executable, str(CLIENT), mode, url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def line(self):
        text = self.popen.stdout.readline()
        return json.loads(text) if text.endswith("\n") else None

    def tell(self):
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()

    def kill(self):
        """Kill -9; the lines it had said but nobody read yet."""
        self.popen.kill()
        lines = self.popen.stdout.read().split("\n")[:-1]
        self.popen.wait()
        return [json.loads(text) for text in lines]


@pytest.fixture
def url(tmp_path):
    async def create():
        log = open_log(f"local://{tmp_path}/log.db")
        for topic in TOPICS:
            await log.create_topic(topic)
        await log.close()

    asyncio.run(create())
    return f"local://{tmp_path}/log.db"


@pytest.fixture
def start(url):
    with contextlib.ExitStack() as stack:

        def started(mode, name):
            process = Process(mode, url, name)
            stack.enter_context(process.popen)
            stack.callback(process.popen.kill)
            return process

        yield started


def read(url, topic):
    """All values of a topic, cut to the step that wrote them."""

    async def values():
        log = open_log(url)
        found = []
        async for chunk in follow(log, topic, start="start", until_end=True):
            found += [value.rstrip(b"\0").decode() for value in chunk.values]
        await log.close()
        return found

    return asyncio.run(values())


def committed(url):
    async def offset():
        log = open_log(url)
        found = await log.committed("g")
        await log.close()
        return found[TopicPartition("source", 0)].offset

    return asyncio.run(offset())


def test_killed_appenders_leave_all_or_nothing(url, start):
    """After kill -9 at random moments every append is there as a whole or not at all, and what was acknowledged is."""
    rng = random.Random(3)
    acknowledged, last = set(), {}
    for attempt in range(5):
        pair = {f"{name}{attempt}": start("append", f"{name}{attempt}") for name in "ab"}
        for name, process in pair.items():
            last[name] = [process.line()[0] for _ in range(rng.randrange(1, 40))][-1]
        for name, process in pair.items():
            last[name] = max([last[name], *(step for (step,) in process.kill())])
            acknowledged |= {f"{name} {step}" for step in range(last[name] + 1)}
    small, big, state = Counter(read(url, "small")), Counter(read(url, "big")), read(url, "state")
    assert set(small.values()) == set(big.values()) == {RECORDS}
    assert small.keys() == big.keys()
    assert acknowledged <= small.keys()
    assert len(small.keys() - acknowledged) <= len(last)  # at most the one step that was under way
    newest = {name: max(int(key.split()[1]) for key in small if key.startswith(f"{name} ")) for name in last}
    assert sorted(state) == sorted(f"{name} {step}" for name, step in newest.items())


def test_a_killed_committer_leaves_position_and_records_together(url, start):
    """However a process dies, the position says exactly how many commits are there."""
    for attempt in range(4):
        process = start("commit", f"worker{attempt}")
        assert process.line() == [4]
        for _ in range(20 + attempt):
            process.tell()
        for _ in range(10):
            assert process.line() == ["committed"]
        process.kill()
        steps = Counter(value for value in read(url, "big") if value.startswith(f"worker{attempt} "))
        assert set(steps.values()) == {RECORDS}
        assert committed(url) == len(steps) >= 10

        async def leave(member):
            log = open_log(url)
            await log.leave("g", member)
            await log.close()

        asyncio.run(leave(f"worker{attempt}"))


def test_a_zombie_is_fenced(url, start):
    """A process that was paused while another took over can't write when it wakes."""
    zombie = start("commit", "zombie")
    assert zombie.line() == [4]
    zombie.tell()
    assert zombie.line() == ["committed"]
    zombie.popen.send_signal(signal.SIGSTOP)
    zombie.tell()  # waits for it when it wakes

    async def take_over():
        path = Path(url.removeprefix("local://"))
        log = LocalLog(path, clock=lambda: wall_clock_ms() + 3_600_000)  # its lease ran out long ago
        fences = await log.renew("g", "heir", ["source"], ttl_ms=5_000)
        await log.commit(fences[0], 7, [])
        await log.close()
        return fences

    assert [fence.epoch for fence in asyncio.run(take_over())] == [2] * 4
    zombie.popen.send_signal(signal.SIGCONT)
    assert zombie.line() == ["fenced"]
    assert set(read(url, "big")) == {"zombie 0"}
    assert committed(url) == 7


def test_members_share_and_a_dead_one_is_replaced(start):
    """Two processes end with two partitions each; when one is killed the other has all four within the ttl or so."""
    first = start("member", "first")
    assert first.line() == [[0, 1, 2, 3], [1, 1, 1, 1]]
    second = start("member", "second")
    assert first.line()[0] == [0, 1]
    shares = []
    while shares != [2, 3]:
        shares, epochs = second.line()
    assert epochs == [2, 2]
    began = time.monotonic()
    second.kill()
    assert first.line() == [[0, 1, 2, 3], [1, 1, 3, 3]]
    assert time.monotonic() - began < 0.6 + 0.1 + 1.0  # ttl, one renewal, and a slow machine


def test_competing_writers_all_get_their_turn(url, start):
    """Four processes that write without a pause share the log: nobody fails, nobody starves."""
    crowd = [start("compete", f"writer{index}") for index in range(4)]
    for process in crowd:
        assert process.line() == ["ready"]
    for process in crowd:
        process.tell()
    counts = [process.line()[0] for process in crowd]
    assert Counter(read(url, "big")) == {f"writer{index}": count for index, count in enumerate(counts)}
    assert min(counts) > max(counts) / 4


def test_readers_of_other_processes_are_woken_soon(url, start):
    """A reader that waits gets the record of another process within 50 ms."""
    writer = start("clock", "writer")

    async def delays():
        log = open_log(url)
        found = []
        for position in range(9):
            waiting = asyncio.create_task(log.fetch({TopicPartition("big", 0): position}, wait_ms=30_000))
            assert not (await asyncio.wait([waiting], timeout=0.05))[0]
            writer.tell()
            await waiting
            found.append(time.time() - writer.line()[0])
        await log.close()
        return found

    assert statistics.median(asyncio.run(delays())) < 0.05
