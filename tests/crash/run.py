"""One run: load, faults, catching up, verdict."""

import asyncio
import contextlib
import secrets
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import load_config
from pipeline.config.model import AppConfig
from pipeline.log import Log, TopicSpec
from pipeline.log.opening import open_log
from pipeline.plan import topic_specs
from tests.crash.application import TTL_MS, toml
from tests.crash.drill import Casualties, Drill
from tests.crash.faults import Kind, make_plan
from tests.crash.fleet import Fleet, cancelled_by
from tests.crash.pauses import Pauses
from tests.crash.verdict import Verdict, check

_CATCH_UP_S = 240.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What to run.

    Args:
        seconds: Length of the load.
        seed: Of the load and of the faults.
        rate_per_s: Payments a second; copies come on top.
        partitions: Of the source topic.
        log: URL of the event log; ``None``: a fresh local one.
        keep: Folder for configuration, messages and a local log; ``None``: a temporary one, removed at the end.
    """

    seconds: float
    seed: int
    rate_per_s: float
    partitions: int
    log: str | None = None
    keep: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What came of a run: the summary, and sentences about all that was wrong."""

    summary: dict[str, Any]
    problems: list[str]

    @property
    def is_good(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems


async def run(options: Options) -> Report:
    """Run once; whatever ends it, no process is left."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(cancelled_by(signal.SIGINT, signal.SIGTERM))
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamgauge-crash-")))
        folder.mkdir(parents=True, exist_ok=True)
        app = f"crash{secrets.token_hex(3)}"
        file = folder / "crash.toml"
        url = options.log or f"local://{folder.resolve() / 'events.db'}"
        file.write_text(toml(app=app, log=url, partitions=options.partitions))
        config = load_config(file, {})
        fleet = stack.enter_context(Fleet(folder))
        log = open_log(config.log, kafka=config.kafka)
        try:
            return await _run(options, config, log, fleet)
        finally:
            await log.close()


async def _run(options: Options, config: AppConfig, log: Log, fleet: Fleet) -> Report:
    await create_topics(log, config)
    file = str(config.source)
    pauses = Pauses(log, config.name)
    plan = make_plan(options.seed, options.seconds, ttl_s=TTL_MS / 1_000)
    drill = Drill(plan, lambda worker: fleet.worker(f"w{worker + 1}", file), pauses)
    watching = asyncio.create_task(pauses.watch())
    producer = fleet.python("producer", "tests.crash.producer", file, *_load(options))
    problems: list[str] = []
    try:
        await drill.run()
        if await producer.ended(options.seconds + 60) != 0:
            problems.append(f"the producer failed with code {producer.code}:\n{producer.last_words()}")
        await drill.end()
        began = time.monotonic()
        problems += await _catch_up(fleet, file)
        caught_up_s = time.monotonic() - began
        if watching.done():
            watching.result()
    finally:
        watching.cancel()
    verdict = await check(log, config)
    summary = _summary(verdict, drill.casualties, pauses)
    summary |= {"seconds": options.seconds, "seed": options.seed, "catch_up_s": round(caught_up_s, 1)}
    return Report(summary=summary, problems=problems + drill.casualties.problems + verdict.examples)


async def create_topics(log: Log, config: AppConfig) -> None:
    """All topics, so that producer and workers may start in any order."""
    stream = config.streams["payments"]
    for spec in (*topic_specs(config), TopicSpec(name=f"{stream.topic}.truth", partitions=1)):
        await log.create_topic(spec)


def _load(options: Options) -> list[str]:
    given = {"--rate": options.rate_per_s, "--seconds": options.seconds, "--seed": options.seed}
    return [text for name, value in given.items() for text in (name, str(value))]


async def _catch_up(fleet: Fleet, file: str) -> list[str]:
    """One worker processes what is left."""
    worker = fleet.worker("last", file, "--until-idle")
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
        "terms": done[Kind.TERM],
        "zombies": done[Kind.ZOMBIE],
        "short_stops": done[Kind.STOP],
        "joins": casualties.joins,
        "at_work": casualties.at_work,
        "zombies_replaced": casualties.replaced,
        "hung": casualties.hung,
        "stuck": verdict.stuck,
        "lost": verdict.lost,
        "repeated": verdict.repeated,
        "unexpected": verdict.unexpected,
        "wrong_totals": verdict.wrong_totals,
        "wrong_state": verdict.wrong_state,
        "wrong_alerts": verdict.wrong_alerts,
        "alerts": verdict.alerts,
        "alerts_by_rule": verdict.rules,
        "closed_windows": verdict.windows,
        "late": verdict.late,
        "overtaken": verdict.overtaken,
        "rejects": verdict.rejects,
        "pauses_ms": pauses.summary(),
    }
