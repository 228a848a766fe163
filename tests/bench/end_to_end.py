"""The real worker, as a process of its own on one core, over a backlog in a local log."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.events import Outgoing
from pipeline.log.opening import open_log
from pipeline.plan import topic_specs
from tests.bench.job import EXAMPLE, Payments, config

_BATCH = 5_000
_LOOK_S = 0.25  # seldom: on two cores, looking takes time from one of the workers


@dataclass(frozen=True)
class Run:
    """What a run gave.

    Args:
        per_s: Records a second between a fifth and four fifths of them: workers that start one after the other are all
            at work then, and none is without any left.
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


Track = list[tuple[float, int]]
"""Moments, s, at which more of a partition was found to be committed, and up to where."""


async def watch(url: str, total: int) -> tuple[float, int]:
    """Records a second of the middle, and alerts at the end."""
    log = open_log(url)
    began = time.perf_counter()
    tracks: dict[int, Track] = defaultdict(lambda: [(began, 0)])
    try:
        while sum(track[-1][1] for track in tracks.values()) < total:
            await asyncio.sleep(_LOOK_S)  # another process commits: there is no event to wait for
            committed, now = await log.committed("payments"), time.perf_counter()
            for source, at in committed.items():
                if source.topic == "payments" and at.offset > tracks[source.partition][-1][1]:
                    tracks[source.partition].append((now, at.offset))
        return _rate(tracks.values()), sum(info.end for info in (await log.partitions("alerts")).values())
    finally:
        await log.close()


def _rate(tracks: Collection[Track]) -> float:
    """Records a second between a fifth and four fifths of all.

    Far behind, a partition commits once in a second or so, and each at another moment. What lies between two commits of
    a partition is taken to have been processed evenly.

    >>> round(_rate([[(0.0, 0), (10.0, 50)], [(0.0, 0), (5.0, 50)]]), 2)  # from 1.33 s to 6 s
    12.86
    """
    moments = sorted({at for track in tracks for at, _ in track})
    processed = sum(np.interp(moments, *zip(*track, strict=True)) for track in tracks)
    fifths = np.array([1, 4]) / 5 * processed[-1]
    first, last = np.interp(fifths, processed, moments)
    return float((fifths[1] - fifths[0]) / (last - first))


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
