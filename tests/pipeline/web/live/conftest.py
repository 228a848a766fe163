"""An empty store, and the API over it on a real socket."""

import asyncio

import pytest

from pipeline.log.opening import open_log
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.app import build_api_app
from tests.pipeline.web.answers import MemoryAnswers
from tests.pipeline.web.filled import example, now_ms
from tests.pipeline.web.serving import serving


@pytest.fixture
def answers():
    """An empty store."""
    return MemoryAnswers()


@pytest.fixture
def on_server(answers, tmp_path):
    """Runs ``work(address)`` while the API over the store and an empty log is served."""

    def run(work):
        async def served():
            log = open_log(f"local://{tmp_path}/log.db")
            model = ReadModel(example(f"local://{tmp_path}/log.db"), log, clock_ms=now_ms)
            app = build_api_app(model, answers)
            try:
                async with serving(app) as address:
                    await work(address)
            finally:
                await log.close()

        asyncio.run(served())

    return run
