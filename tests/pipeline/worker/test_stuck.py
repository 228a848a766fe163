"""A worker that hangs: found, told, opened again, and ended for its supervisor when that does not help."""

import asyncio

import orjson
import pytest

from pipeline.errors import StuckError
from pipeline.health.stuck import Cause
from pipeline.log.opening import open_log
from pipeline.worker import build_app, serve
from pipeline.worker.watchdog import Watchdog
from tests.pipeline.worker.tally import APP, TallyShard, append, config, create, read


class Hanging:
    """A log whose commits don't come to an end before they are let through."""

    def __init__(self, log):
        self._log = log
        self.through = asyncio.Event()

    def __getattr__(self, name):
        return getattr(self._log, name)

    async def commit(self, _fence, _offset, _outgoing):
        await self.through.wait()


def test_a_commit_that_never_ends_ends_the_worker(tmp_path):
    """The cause stands in a health event, the partition is opened again, and then the worker ends with code 75."""

    async def scenario():
        log = open_log(f"local://{tmp_path / 'events.db'}")
        await create(log)
        await append(log, ["a", "b", "c"])
        settings = config(health=True)
        hanging = Hanging(log)
        app = build_app(settings, hanging, build=TallyShard, ttl_ms=1_000)
        app.failure.add_done_callback(lambda _: hanging.through.set())  # so that it can stop in order
        app.watchdog = Watchdog(app.keeper, limit_s=1.0)
        with pytest.raises(StuckError, match="commit") as error:
            await asyncio.wait_for(serve(app, asyncio.Event()), 60)
        assert error.value.exit_code == 75
        events = [orjson.loads(value) for chunk in await read(log, f"{APP}-health") for value in chunk.values]
        assert {event["stuck"] for event in events if event.get("stuck")} == {Cause.COMMIT}
        assert any(Cause.COMMIT.sentence == event.get("reason") for event in events)
        await log.close()

    asyncio.run(scenario())
