"""``python -m tests.bench.browsers``: does a worker get slower while browsers follow live feeds? In turns.

The payments example on a backlog in a local log. The worker has a core of its own; the web view and those who listen
share the others. Each listener follows the alerts as a browser does, by Server-Sent Events.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.bench.end_to_end import fill, watch
from tests.bench.job import EXAMPLE, Payments, payments


@dataclass(frozen=True)
class Turn:
    """What one turn gave: records a second, alerts committed, and events that listeners got."""

    per_s: float
    alerts: int
    heard: int


@contextlib.contextmanager
def started(url: str, cores: set[int], *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command of the product on some cores."""
    command = [sys.executable, "-m", "pipeline.cli.main", *words, "-c", str(EXAMPLE)]
    env = {**os.environ, "STREAMGAUGE_APP__LOG": url}
    running = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        os.sched_setaffinity(running.pid, cores)
        yield running
    finally:
        running.terminate()
        running.wait(30)
        running.stdout.close()


@contextlib.asynccontextmanager
async def listening(address: str, listeners: int) -> AsyncIterator[list[int]]:
    """Live feeds of alerts, and how many events each got; open when the block begins."""
    heard = [0] * listeners
    ready = asyncio.Barrier(listeners + 1)

    async def listen(number: int) -> None:
        async with client.stream("GET", f"{address}/api/alerts/stream", timeout=None) as answer:
            async for line in answer.aiter_lines():
                if line == "event: ready":
                    await ready.wait()
                heard[number] += line == "event: alert"

    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=listeners + 1)) as client:
        tasks = [asyncio.create_task(listen(number)) for number in range(listeners)]
        await ready.wait()
        yield heard
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def turn(data: Payments, listeners: int) -> Turn:
    """A fresh log, a web view with listeners, and a worker that catches up."""
    *others, own = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="streamgauge-bench-") as folder:
        url = f"local://{Path(folder) / 'bench.db'}"
        asyncio.run(fill(url, data))

        async def work() -> Turn:
            with started(url, set(others or [own]), "web", "--port", "0") as web:
                address = web.stdout.readline().removeprefix("web view: ").strip().rstrip("/")
                async with listening(address, listeners) as heard:
                    with started(url, {own}, "worker"):
                        per_s, alerts = await watch(url, len(data))
                    await asyncio.sleep(3)  # feeds look once a second
                    return Turn(per_s, alerts, sum(heard))

        return asyncio.run(work())


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.browsers", description=__doc__)
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--listeners", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    data = payments(given.records, 4)
    rounds = [(turn(data, 0), turn(data, given.listeners)) for _ in range(given.rounds)]
    alone, with_listeners = (statistics.median(each.per_s for each in turns) for turns in zip(*rounds, strict=True))
    print(
        json.dumps(
            {
                "records": len(data),
                "listeners": given.listeners,
                "alone_per_s": round(alone),
                "with_listeners_per_s": round(with_listeners),
                "ratio": round(with_listeners / alone, 3),
                "alerts": rounds[-1][1].alerts,
                "events_heard": rounds[-1][1].heard,
            }
        )
    )


if __name__ == "__main__":
    main()
