"""How long partitions stand still when a worker joins, leaves, is killed, or is killed and comes back."""

import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from tests.bench.kafka.ground import Ground, finished, opened, until_said
from tests.bench.kafka.outages import PARTITIONS, RATE_PER_S, Trickle
from tests.bench.kafka.result import Result
from tests.crash.fleet import Child

_TOML = """
[app]
name = "{app}"
log = "kafka://{servers}"
alerts = "{app}-alerts"
health = false

[kafka]
session = "{session_s}s"

[streams.records]
topic = "{app}-records"
key = "id"
time = "ts"
partitions = {partitions}
fields = {{ id = "str", ts = "int" }}

[tables.by_id]
stream = "records"
by = "id"
window = {{ tumbling = "10s" }}
measures = {{ n = "count()" }}

[rules.every]
table = "by_id"
when = "n >= 1"
severity = "low"
"""
_SESSION_S = 6
_HEADS = ("worst", "median", "detected")


class _Stage:
    """One worker that stays, and others that come and go while records flow."""

    def __init__(self, ground: Ground, trickle: Trickle, files: Mapping[int, Path]) -> None:
        self._ground = ground
        self._trickle = trickle
        self._files = files
        self.sessions = ground.options.sessions_s
        self.found: list[dict[str, Any]] = []

    async def start(self, name: str, session_s: int, *options: str) -> Child:
        """A worker that owns something when this returns."""
        worker = self._ground.worker(name, self._files[session_s], *options)
        await until_said(worker, "opened")
        return worker

    async def observe(self, what: str, act: Callable[[], Awaitable[Any]], *, moved_of: str | None, after: int) -> Any:
        """Do something, wait until ``after`` workers share all partitions, and note the gaps.

        Args:
            what: For people.
            act: What to do.
            moved_of: The member whose partitions move, ``None`` for those that have another owner afterwards.
            after: Workers that are left.
        """
        before, since_ms = await self._trickle.owners(), time.time() * 1000
        done = await act()
        owners = await self._trickle.shared_by(after)
        moved = {
            number for number in owners
            if (before[number] != owners[number] if moved_of is None else moved_of in before[number])
        }  # fmt: skip
        gaps = {
            kind: self._trickle.gaps(numbers, since_ms)
            for kind, numbers in (("moved", moved), ("stayed", owners.keys() - moved))
        }
        self.found.append({"event": what, **gaps, "sender_late_ms": self._trickle.late_ms(since_ms)})
        return done


async def measure(ground: Ground) -> Result:
    """Each event once, with one worker that stays."""
    sessions = ground.options.sessions_s
    others_s = sessions[0] if sessions else _SESSION_S
    app, files = ground.app("gaps"), {}
    for session_s in {others_s, *sessions}:
        text = _TOML.format(app=app, servers=ground.servers, session_s=session_s, partitions=PARTITIONS)
        files[session_s], config = ground.config(f"{app}-{session_s}", text)
    async with opened(config) as log:
        trickle = Trickle(log, config, ground.servers)
        async with trickle.flowing():
            stage = _Stage(ground, trickle, files)
            await stage.start("stays", others_s)
            await trickle.shared_by(1)
            await _events(stage, trickle, others_s)
    return _result(stage.found)


async def _events(stage: _Stage, trickle: Trickle, first: int) -> None:
    second = await stage.observe("join", lambda: stage.start("second", first), moved_of=None, after=2)

    async def leave() -> None:
        second.send(signal.SIGTERM)
        await finished(second, 60)

    await stage.observe("leave (SIGTERM)", leave, moved_of=f":{second.pid}:", after=1)
    for session_s in stage.sessions:
        doomed = await stage.start(f"doomed-{session_s}", session_s)
        await trickle.shared_by(2)
        await stage.observe(f"kill -9, session {session_s} s", doomed.kill, moved_of=f":{doomed.pid}:", after=1)
    static = await stage.start("static", first, "--instance", "static")
    await trickle.shared_by(2)

    async def come_back() -> None:
        await static.kill()
        await stage.start("static", first, "--instance", "static")

    await stage.observe("kill -9, back at once (static)", come_back, moved_of=f":{static.pid}:", after=2)


def _result(found: list[dict[str, Any]]) -> Result:
    rows = [
        [
            each["event"],
            *(_cell(each[kind][name]) for kind in ("moved", "stayed") for name in each[kind]),
            each["sender_late_ms"],
        ]
        for each in found
    ]
    return Result(
        tool="gaps",
        title=f"longest wait from append to alert, ms; {PARTITIONS} partitions with {RATE_PER_S} records/s each",
        columns=["event", *("moved", *_HEADS), *("stayed", *_HEADS), "sender"],
        rows=rows,
        facts={"events": found},
    )


def _cell(value: int | None) -> int | str:
    return "" if value is None else value
