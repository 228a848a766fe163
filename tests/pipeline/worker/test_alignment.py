"""Partitions that meet in an internal topic drain evenly, whatever workers have them."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from agents.events import Outgoing, Records
from pipeline.config import load_config
from pipeline.log import follow
from pipeline.log.opening import open_log
from pipeline.plan import topic_specs

ROOT = Path(__file__).parents[3]
PARTITIONS, RECORDS, STEP_MS, WINDOW_MS = 4, 150_000, 20, 10_000
TEXT = f"""\
[app]
name = "shop"
log = "local://unused"

[streams.orders]
partitions = {PARTITIONS}
key = "account"
time = "ts"
fields = {{ account = "str", merchant = "str", ts = "int" }}

[tables.shops]
stream = "orders"
by = "merchant"
window = {{ tumbling = "{WINDOW_MS}ms", grace = "1s" }}
measures = {{ n = "count()" }}
"""


@pytest.fixture
def backlog(tmp_path):
    """A configuration and the address of a log with 50 minutes of orders, 50 a second."""
    config, url = tmp_path / "shop.toml", f"local://{tmp_path / 'shop.db'}"
    config.write_text(TEXT)
    asyncio.run(_fill(url, config))
    return config, url


async def _fill(url, config):
    log = open_log(url)
    for spec in topic_specs(load_config(config, {})):
        await log.create_topic(spec)
    for partition in range(PARTITIONS):
        values = [
            b'{"account":"a%d","merchant":"m%d","ts":%d}' % (partition, number % 7, time_ms(number))
            for number in range(partition, RECORDS, PARTITIONS)
        ]
        for start in range(0, len(values), 5_000):
            await log.append([Outgoing("orders", partition, Records(values=values[start : start + 5_000]))])
    await log.close()


def time_ms(number):
    return 1_700_000_000_000 + number * STEP_MS


async def _found(url):
    log = open_log(url)
    try:
        late = sum(info.end for info in (await log.partitions("orders.late")).values())
        closed = Counter()
        async for chunk in follow(log, "shop-shops", start="start", until_end=True):
            for value in chunk.values:
                row = json.loads(value)
                closed[row["key"], row["window_start_ms"]] += row["n"]
        return late, closed
    finally:
        await log.close()


def worker(config, url):
    """A worker that ends with its work."""
    command = [sys.executable, "-m", "pipeline.cli.main", "worker", "--until-idle", "-c", str(config)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "STREAMGAUGE_APP__LOG": url})


async def _progress(url):
    log = open_log(url)
    try:
        committed = (await log.committed("shop")).items()
        share = sum(at.offset for source, at in committed if source.topic == "orders") / RECORDS
        return share, [lease.member for lease in await log.leases("shop") if lease.source.topic == "orders"]
    finally:
        await log.close()


def owners(url, share):
    """Members that have orders when so much of them is committed, and how much that is."""
    started = time.monotonic()
    while True:
        done, members = asyncio.run(_progress(url))
        if done >= share and members:
            return members, done
        assert time.monotonic() - started < 60
        time.sleep(0.02)


def check(url):
    """No order was late, and each closed window has all of its orders."""
    late, closed = asyncio.run(_found(url))
    windows = ((f"m{number % 7}", time_ms(number) // WINDOW_MS * WINDOW_MS) for number in range(RECORDS))
    expected = Counter(windows)
    last_closed = max(start for _, start in closed)
    assert late == 0
    assert closed == {each: count for each, count in expected.items() if each[1] <= last_closed}
    assert last_closed > time_ms(RECORDS) - 90_000


@pytest.mark.parametrize("workers", [1, 2])
def test_no_order_is_late_however_many_workers_catch_up(backlog, workers):
    """Fifty minutes are worked off in seconds; each closed window has all its orders, and none came too late."""
    config, url = backlog
    started = [worker(config, url) for _ in range(workers)]
    try:
        assert [each.wait(90) for each in started] == [0] * workers
    finally:
        for each in started:
            each.kill()
    check(url)


def test_no_order_is_late_while_workers_come_and_are_killed(backlog):
    """Others wait for partitions on their way from one worker to the next, however that one went."""
    config, url = backlog
    started = [worker(config, url) for _ in range(3)]
    try:
        members, done = owners(url, 0.3)
        killed = next(each for each in started if any(f":{each.pid}:" in member for member in members))
        killed.kill()
        assert done < 0.9
        assert [each.wait(90) for each in started if each is not killed] == [0, 0]
    finally:
        for each in started:
            each.kill()
    check(url)
