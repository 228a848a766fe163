"""One run: load, faults, catching up, verdict."""

import asyncio
import contextlib
import secrets
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.model import AppConfig
from pipeline.errors import StreamgaugeError
from pipeline.log import Log, TopicSpec
from pipeline.plan import topic_specs
from tests.crash.drill import Casualties, Drill
from tests.crash.faults import Kind, make_plan
from tests.crash.fleet import Fleet, cancelled_by
from tests.crash.options import Options
from tests.crash.pauses import Pauses
from tests.crash.setting import Setting
from tests.crash.verdict import Verdict

TTL_MS = 6_000
"""How long a silent worker is believed to live: the worker's default."""
_CATCH_UP_S, _SETTLE_S, _LOOK_S = 240.0, 120.0, 0.5

MakeSetting = Callable[[Options, Path, str], AbstractAsyncContextManager[Setting]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What came of a run: the summary, and sentences about all that was wrong."""

    summary: dict[str, Any]
    problems: list[str]

    @property
    def is_good(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems


async def run(options: Options, make: MakeSetting) -> Report:
    """Run once; whatever ends it, no process is left."""
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(cancelled_by(signal.SIGINT, signal.SIGTERM))
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamgauge-crash-")))
        folder.mkdir(parents=True, exist_ok=True)
        setting = await stack.enter_async_context(make(options, folder, f"crash{secrets.token_hex(3)}"))
        fleet = stack.enter_context(Fleet(folder))
        return await _run(options, setting, fleet)


async def _run(options: Options, setting: Setting, fleet: Fleet) -> Report:
    await create_topics(setting.log, setting.config)
    pauses = Pauses(setting.scene)
    plan = make_plan(options.seed, options.seconds, setting.pace, ttl_s=TTL_MS / 1_000)
    drill = Drill(
        plan, lambda number: setting.worker(fleet, number), pauses, static=setting.static, broker=setting.broker
    )
    watching = asyncio.create_task(pauses.watch())
    producer = setting.producer(fleet)
    problems: list[str] = []
    try:
        await drill.run()
        if await producer.ended(options.seconds + 60) != 0:
            problems.append(f"the producer failed with code {producer.code}:\n{producer.last_words()}")
        began = time.monotonic()
        stuck = await _settle(setting, drill)
        settled_s = time.monotonic() - began
        await drill.end()
        problems += stuck + await _catch_up(setting, fleet)
        if watching.done():
            watching.result()
    finally:
        watching.cancel()
    verdict = await setting.check()
    verdict.stuck_partitions = max(verdict.stuck_partitions, len(stuck))
    summary = _summary(verdict, drill.casualties, pauses) | setting.facts()
    summary |= {"seconds": options.seconds, "seed": options.seed, "settled_s": round(settled_s, 1)}
    return Report(summary=summary, problems=problems + drill.casualties.problems + verdict.examples)


async def create_topics(log: Log, config: AppConfig) -> None:
    """All topics, so that producer and workers may start in any order."""
    stream = config.streams["payments"]
    for spec in (*topic_specs(config), TopicSpec(name=f"{stream.topic}.truth", partitions=1)):
        await log.create_topic(spec)


async def _settle(setting: Setting, drill: Drill) -> list[str]:
    """Let the workers that are left process everything; what they did not in time."""
    deadline = time.monotonic() + _SETTLE_S
    while True:
        drill.revive()
        try:
            behind = await setting.behind()
        except StreamgaugeError as error:
            if not error.retriable:
                raise
            behind = [f"unknown: {error}"]
        if not behind:
            return []
        if time.monotonic() >= deadline:
            return [f"not processed within {_SETTLE_S:g} s: {each}" for each in behind]
        await asyncio.sleep(_LOOK_S)


async def _catch_up(setting: Setting, fleet: Fleet) -> list[str]:
    """One more worker finds that nothing is left, and closes what it can."""
    worker = setting.last(fleet)
    code = await worker.ended(_CATCH_UP_S)
    if code == 0:
        return []
    what = f"did not catch up within {_CATCH_UP_S:g} s" if code is None else f"failed to catch up with code {code}"
    return [f"the last worker {what}:\n{worker.last_words()}"]


def _summary(verdict: Verdict, casualties: Casualties, pauses: Pauses) -> dict[str, Any]:
    done = casualties.done
    return {
        "records": verdict.records,
        "kills": done[Kind.KILL] + done[Kind.STOP_KILL],
        "terms": done[Kind.TERM] + done[Kind.LEAVE],
        "zombies": done[Kind.ZOMBIE],
        "short_stops": done[Kind.STOP],
        "stopped_kills": done[Kind.STOP_KILL],
        "broker_kills": casualties.outages,
        "joins": casualties.joins,
        "restarts_same_identity": casualties.restarts,
        "at_work": casualties.at_work,
        "zombies_replaced": casualties.replaced,
        "lost": verdict.lost,
        "repeated": verdict.repeated,
        "unexpected": verdict.unexpected,
        "wrong_totals": verdict.wrong_totals,
        "wrong_state": verdict.wrong_state,
        "wrong_alerts": verdict.wrong_alerts,
        "stuck_partitions": verdict.stuck_partitions,
        "hung_workers": casualties.hung,
        "alerts": verdict.alerts,
        **verdict.facts,
        "pauses_ms": pauses.summary(),
    }
