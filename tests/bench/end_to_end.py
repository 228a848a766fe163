"""The real worker, as a process of its own on one core, over a backlog in a local log."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.events import Outgoing
from pipeline.log.api import Log
from pipeline.log.opening import open_log
from pipeline.plan import topic_specs
from tests.bench.job import EXAMPLE, Payments, config

_BATCH = 5_000
_LOOK_S = 0.02


@dataclass(frozen=True)
class Run:
    """What a run gave.

    Args:
        per_s: Records a second between the commits that pass a fifth and four fifths of them: workers that start one
            after the other are all at work then, and none is without any left.
        cpu_us: Processor microseconds of the worker a record, start-up included.
        alerts: Alerts committed.
    """

    per_s: float
    cpu_us: float
    alerts: int


async def fill(url: str, payments: Payments) -> None:
    """Make the topics of the job and append its payments."""
    log = open_log(url)
    for spec in topic_specs(config("")):
        await log.create_topic(spec)
    for start in range(0, max(map(len, payments.values.values())), _BATCH):
        batch = [
            Outgoing("payments", number, payments.records(number, start, start + _BATCH))
            for number, values in payments.values.items()
            if start < len(values)
        ]
        await log.append(batch)
    await log.close()


async def _position(log: Log) -> int:
    committed = await log.committed("payments")
    return sum(at.offset for source, at in committed.items() if source.topic == "payments")


async def watch(url: str, total: int) -> tuple[float, int]:
    """Records a second of the middle, and alerts at the end."""
    log = open_log(url)
    try:
        seen = [(0, time.perf_counter())]
        while seen[-1][0] < total:
            await asyncio.sleep(_LOOK_S)  # another process commits: there is no event to wait for
            if (now := await _position(log)) > seen[-1][0]:
                seen.append((now, time.perf_counter()))
        return _rate(seen, total), sum(info.end for info in (await log.partitions("alerts")).values())
    finally:
        await log.close()


def _rate(seen: Sequence[tuple[int, float]], total: int) -> float:
    """Records a second between a fifth and four fifths of ``total``; ``seen`` has positions and their times, s.

    >>> _rate([(0, 0.0), (20, 5.0), (50, 6.0), (80, 8.0), (100, 99.0)], 100)
    20.0
    """
    first = next(each for each in seen if 5 * each[0] >= total)
    last = next(each for each in seen if 5 * each[0] >= 4 * total)
    if first == last:  # one commit had all of it
        first = seen[0]
    return (last[0] - first[0]) / (last[1] - first[1])


def run(payments: Payments, *, workers: int = 1) -> Run:
    """Fill a fresh log, let workers on a core each catch up, and say how fast it went."""
    with tempfile.TemporaryDirectory(prefix="streamgauge-bench-") as folder:
        url = f"local://{Path(folder) / 'bench.db'}"
        asyncio.run(fill(url, payments))
        command = [sys.executable, "-m", "pipeline.cli.main", "worker", "--until-idle", "-c", str(EXAMPLE)]
        cores = sorted(os.sched_getaffinity(0), reverse=True)
        env, quiet = {**os.environ, "STREAMGAUGE_APP__LOG": url}, subprocess.DEVNULL
        started = [subprocess.Popen(command, env=env, stderr=quiet) for _ in range(workers)]
        try:
            for worker, core in zip(started, cores, strict=False):
                os.sched_setaffinity(worker.pid, {core})
            per_s, alerts = asyncio.run(watch(url, len(payments)))
            ends = [os.wait4(worker.pid, 0)[1:] for worker in started]
        finally:
            for worker in started:
                worker.kill()
        if any(status for status, _ in ends):
            raise RuntimeError(f"the workers ended with status {[status for status, _ in ends]}")
    spent_s = sum(usage.ru_utime + usage.ru_stime for _, usage in ends)
    return Run(per_s, spent_s / len(payments) * 1e6, alerts)
