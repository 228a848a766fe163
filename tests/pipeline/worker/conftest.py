"""A fresh local log for each test."""

import asyncio

import pytest

from pipeline.log.opening import open_log
from tests.pipeline.worker.tally import create


@pytest.fixture
def with_log(tmp_path):
    """Runs ``work(log)`` over a fresh log that has the topics."""

    def run(work):
        async def opened():
            log = open_log(f"local://{tmp_path / 'events.db'}")
            try:
                await create(log)
                await work(log)
            finally:
                await log.close()

        asyncio.run(opened())

    return run
