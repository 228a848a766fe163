"""Alerts as a subscriber of committed records sees them: when each was appended, detected and visible.

``python -m tests.bench.kafka.subscriber URL TOPIC REPORT`` follows until SIGTERM, then writes what it saw.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import orjson

from pipeline.log import Log, follow
from pipeline.log.opening import open_log

READY = "following"


class Seen(NamedTuple):
    """An alert; ``appended_ms`` is when its last record was due, ``visible_ms`` when the subscriber had it."""

    partition: int
    appended_ms: float
    detected_ms: float
    visible_ms: float


async def watch(log: Log, topic: str, on_alert: Callable[[Seen], None]) -> None:
    """Report alerts from now on, for ever."""
    async for chunk in follow(log, topic, start="end"):
        now_ms = time.time() * 1000
        for value in chunk.values:
            alert = orjson.loads(value or b"{}")
            on_alert(Seen(alert["source"]["partition"], alert["appended_ms"], alert["detected_ms"], now_ms))


async def record(url: str, topic: str) -> list[Seen]:
    """What is seen until SIGTERM."""
    seen: list[Seen] = []
    log = open_log(url)
    watching = asyncio.create_task(watch(log, topic, seen.append))
    sys.stderr.write(f"{READY}\n")
    sys.stderr.flush()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, watching.cancel)
    await asyncio.wait([watching])
    await log.close()
    if not watching.cancelled():
        await watching
    return seen


if __name__ == "__main__":
    Path(sys.argv[3]).write_text(json.dumps(asyncio.run(record(sys.argv[1], sys.argv[2]))))
