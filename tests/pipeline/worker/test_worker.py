"""Workers in one process over a real local log."""

import asyncio
import contextlib
from collections import Counter
from pathlib import Path

from pipeline.log import open_log
from tests.pipeline.worker.tally import (
    alerts,
    append,
    create,
    expected_alerts,
    run_until_idle,
    totals,
)

KEYS = [f"k{n % 17}" for n in range(1_000)]


def with_log(path: Path, work) -> None:
    """Run ``work(log)`` with a log that is closed afterwards."""

    async def run() -> None:
        async with contextlib.aclosing(Closing(path)) as opened:
            await work(opened.log)

    asyncio.run(run())


class Closing:
    def __init__(self, path: Path) -> None:
        self.log = open_log(f"local://{path / 'events.db'}")

    async def aclose(self) -> None:
        await self.log.close()


def test_until_idle_processes_everything(tmp_path):
    """A worker that runs until idle has committed each record's count and each alert once, and ends with 0."""

    async def work(log):
        await create(log)
        await append(log, KEYS)
        assert await run_until_idle(log) == 0
        assert await totals(log) == Counter(KEYS)
        assert await alerts(log) == expected_alerts(Counter(KEYS))

    with_log(tmp_path, work)
