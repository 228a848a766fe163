"""The real worker, as a process of its own on one core, over a backlog in a local log."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from agents.events import Outgoing
from pipeline.log import open_log
from pipeline.log.api import Log
from pipeline.plan import topic_specs
from tests.bench.job import EXAMPLE, Payments, config

_BATCH = 5_000
_LOOK_S = 0.02


@dataclass(frozen=True)
class Run:
    """What a run gave.

    Args:
        per_s: Records a second between the first commit seen and the last.
        cpu_us: Processor microseconds of the worker a record, start-up included.
        alerts: Alerts committed.
    """

    per_s: float
    cpu_us: float
    alerts: int


async def _fill(log: Log, payments: Payments) -> None:
    for spec in topic_specs(config("")):
        await log.create_topic(spec)
    for start in range(0, max(map(len, payments.values.values())), _BATCH):
        batch = [
            Outgoing("payments", number, payments.records(number, start, start + _BATCH))
            for number, values in payments.values.items()
            if start < len(values)
        ]
        await log.append(batch)


async def _position(log: Log) -> int:
    committed = await log.committed("payments")
    return sum(at.offset for source, at in committed.items() if source.topic == "payments")


async def _watch(log: Log, total: int) -> float:
    """Records a second from the first commit on."""
    while not (first := await _position(log)):
        await asyncio.sleep(_LOOK_S)
    began = time.perf_counter()
    while (now := await _position(log)) < total:
        await asyncio.sleep(_LOOK_S)
    return (now - first) / (time.perf_counter() - began)


async def _measure(payments: Payments, folder: Path) -> Run:
    url = f"local://{folder / 'bench.db'}"
    log = open_log(url)
    await _fill(log, payments)
    worker = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli.main", "worker", "--until-idle", "-c", str(EXAMPLE)],
        env={**os.environ, "STREAMGAUGE_APP__LOG": url},
        preexec_fn=lambda: os.sched_setaffinity(0, {max(os.sched_getaffinity(0))}),
    )
    try:
        per_s = await _watch(log, len(payments))
        _, status, usage = os.wait4(worker.pid, 0)
        if status:
            raise RuntimeError(f"the worker ended with status {status}")
        alerts = sum(info.end for info in (await log.partitions("alerts")).values())
    finally:
        if worker.poll() is None:
            worker.kill()
        await log.close()
    return Run(per_s, (usage.ru_utime + usage.ru_stime) / len(payments) * 1e6, alerts)


def run(payments: Payments) -> Run:
    """Fill a fresh log, let a worker on one core catch up, and say how fast it went."""
    with tempfile.TemporaryDirectory(prefix="streamgauge-bench-") as folder:
        return asyncio.run(_measure(payments, Path(folder)))
