"""``python -m tests.bench.browsers``: does a worker get slower while browsers look at its web view? In turns.

The payments example on a backlog in a local log. The worker has a core of its own; the web view and all who look at it
share the others. Each client opens a page as a browser does: it fetches the HTML, connects the socket that the page
names, receives what changes and acknowledges it. Some are real Chromium besides.
"""

import argparse
import ast
import asyncio
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import socketio

from tests.bench.end_to_end import fill, watch
from tests.bench.job import EXAMPLE, Payments, payments
from tests.pipeline.web.running import browser, frames

PAGES = ("/", "/incidents", "/alerts", "/tables/account_10m")
ACK_S = 3.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Turn:
    """What one turn gave.

    Args:
        per_s: Records a second of the worker.
        alerts: Committed.
        web_cpu: Share of a core that the web view took while the worker ran.
        updates: Messages a second that each client got.
        bytes: Bytes a second that each client got, as the socket carries them before it compresses.
        chromium: Messages that each Chromium got.
    """

    per_s: float
    alerts: int
    web_cpu: float
    updates: list[float]
    bytes: list[float]
    chromium: list[int]


class Counting:
    """The JSON that a socket speaks, and how much of it came in."""

    def __init__(self) -> None:
        self.messages = self.bytes = 0

    def loads(self, text: str, **_: Any) -> Any:
        """Read and count."""
        self.messages += 1
        self.bytes += len(text)
        return orjson.loads(text)

    def dumps(self, value: Any, **_: Any) -> str:
        """Write."""
        return orjson.dumps(value).decode()


class Tab:
    """A page of the web view that stays open."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.counted = Counting()
        self._socket = socketio.AsyncClient(reconnection=False, json=self.counted)
        self._next = self._acked = 0

    async def open(self, client: httpx.AsyncClient, path: str) -> None:
        """Fetch the page, and connect the socket as its script does."""
        page = (await client.get(path)).raise_for_status().text
        given = re.search(r"^\s*query: (\{.*\}),$", page, re.MULTILINE)
        query = ast.literal_eval(given[1]) if given else {}  # it stands there as Python writes it
        if not query.get("implicit_handshake"):
            raise SystemExit(f"{path} names no socket: {page[:200]}")
        self._client_id, self._next = query["client_id"], query["next_message_id"]
        query |= {"document_id": str(uuid.uuid4()), "tab_id": str(uuid.uuid4()), "implicit_handshake": "true"}
        self._socket.on("*", self._received)
        await self._socket.connect(
            f"{self._address}?{urlencode(query)}",
            headers={"Origin": self._address},
            transports=["websocket"],
            socketio_path="/_nicegui_ws/socket.io",
        )

    async def _received(self, _: str, message: Any = None) -> None:
        if isinstance(message, dict) and "_id" in message:
            self._next = message["_id"] + 1

    async def acknowledge(self) -> None:
        """Say every three seconds what came, so that the server may forget it."""
        while True:
            await asyncio.sleep(ACK_S)
            if self._acked != self._next:
                self._acked = self._next
                await self._socket.emit("ack", {"client_id": self._client_id, "next_message_id": self._next})

    async def close(self) -> None:
        """Go."""
        await self._socket.disconnect()

    @property
    def is_open(self) -> bool:
        """Whether the socket is up."""
        return bool(self._socket.connected)


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
async def looking(address: str, clients: int) -> AsyncIterator[list[Tab]]:
    """Open pages, a quarter of them each of ``PAGES``."""
    tabs = [Tab(address) for _ in range(clients)]
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        for number, tab in enumerate(tabs):
            await tab.open(client, PAGES[number % len(PAGES)])
    acknowledging = [asyncio.create_task(tab.acknowledge()) for tab in tabs]
    try:
        yield tabs
        closed = sum(not tab.is_open for tab in tabs)
        if closed:
            raise SystemExit(f"{closed} of {clients} sockets were closed meanwhile")
    finally:
        for task in acknowledging:
            task.cancel()
        await asyncio.gather(*(tab.close() for tab in tabs), return_exceptions=True)


def cpu_s(pid: int) -> float:
    """Processor seconds that a process took so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def turn(data: Payments, clients: int, chromium: int) -> Turn:
    """A fresh log, a web view with those who look at it, and a worker that catches up."""
    *others, own = sorted(os.sched_getaffinity(0))
    apart = set(others or [own])
    with tempfile.TemporaryDirectory(prefix="streamgauge-bench-") as folder, contextlib.ExitStack() as stack:
        url = f"local://{Path(folder) / 'bench.db'}"
        asyncio.run(fill(url, data))
        web = stack.enter_context(started(url, apart, "web", "--port", "0"))
        address = web.stdout.readline().removeprefix("web view: ").strip().rstrip("/")
        all_cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, apart)  # of this process, whose clients look, and of the browsers that it starts
        stack.callback(os.sched_setaffinity, 0, all_cores)
        drivers = [stack.enter_context(browser(f"{folder}/profile-{number}")) for number in range(chromium)]
        for number, driver in enumerate(drivers):
            driver.get(address + PAGES[number % len(PAGES)])

        async def work() -> Turn:
            async with looking(address, clients) as tabs:
                with started(url, {own}, "worker"):
                    before = [(tab.counted.messages, tab.counted.bytes) for tab in tabs]
                    began_s, web_s = time.monotonic(), cpu_s(web.pid)
                    per_s, alerts = await watch(url, len(data))
                    took_s = time.monotonic() - began_s
                    web_cpu = (cpu_s(web.pid) - web_s) / took_s
                    got = [
                        ((tab.counted.messages - messages) / took_s, (tab.counted.bytes - size) / took_s)
                        for tab, (messages, size) in zip(tabs, before, strict=True)
                    ]
                updates, sizes = ([each[at] for each in got] for at in range(2))
                return Turn(per_s, alerts, web_cpu, updates, sizes, [len(frames(driver)) for driver in drivers])

        return asyncio.run(work())


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.browsers", description=__doc__)
    parser.add_argument("--records", type=int, default=4_000_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--chromium", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    data = payments(given.records, 4)
    rounds = [(turn(data, 0, 0), turn(data, given.clients, given.chromium)) for _ in range(given.rounds)]
    alone, looked_at = (statistics.median(each.per_s for each in turns) for turns in zip(*rounds, strict=True))
    last = rounds[-1][1]
    print(
        json.dumps(
            {
                "records": len(data),
                "clients": given.clients,
                "chromium": given.chromium,
                "alone_per_s": round(alone),
                "looked_at_per_s": round(looked_at),
                "ratio": round(looked_at / alone, 3),
                "ratios": [round(with_them.per_s / without.per_s, 3) for without, with_them in rounds],
                "alerts": last.alerts,
                "updates_per_client_per_s": round(statistics.fmean(last.updates), 2) if last.updates else 0,
                "least_updates_per_s": round(min(last.updates, default=0), 2),
                "bytes_per_client_per_s": round(statistics.fmean(last.bytes)) if last.bytes else 0,
                "chromium_updates": last.chromium,
                "web_cpu_alone": round(statistics.median(each.web_cpu for each, _ in rounds), 3),
                "web_cpu": round(statistics.median(each.web_cpu for _, each in rounds), 3),
            }
        )
    )


if __name__ == "__main__":
    main()
