"""The worker as a Faust app: an agent for each source topic, timers, and the log as its transport."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from agents.events import TopicPartition
from pipeline.config.model import AppConfig
from pipeline.errors import LogError, LogUnavailableError, StuckError
from pipeline.health import LagSampler, UnitMeter, health_topic, outgoing
from pipeline.local.members import member_name
from pipeline.log import Log
from pipeline.plan import clocks_topic, complete, plans, state_topic, topic_specs
from pipeline.shard import Shard
from pipeline.worker.frame.clocks import EVERY_S, Clocks
from pipeline.worker.frame.delivery import ChunkEvent
from pipeline.worker.frame.transport import LogApp, LogTransport, NoTables
from pipeline.worker.incidents import add_incidents
from pipeline.worker.units.contract import BuildShard, Sinks
from pipeline.worker.units.keeper import Keeper
from pipeline.worker.units.progress import restore_events
from pipeline.worker.watchdog import LIMIT_S, Watchdog, stuck_events

_logger = logging.getLogger(__name__)
DEFAULT_TTL_MS = 6_000
_IDLE_EVERY_S = 0.25
_SAMPLE_EVERY_S = 1.0
_WATCH_EVERY_S = 2.0
_WATCH_GAP_S = 5.0
"""Time between two looks of the watchdog that is longer tells of a pause, in which nobody could get on."""
_TELL_EVERY_S = 2.0
_LOOK_EVERY_S = 1.0
_TIDY_EVERY_S = 60.0
_CLOCKS_APART_S = 0.01
_PATIENCE = 2.5
"""So many times as long as a silent worker keeps its partitions, a clock that stands still is waited for."""


def wall_clock_ms() -> int:
    """Unix ms."""
    return time.time_ns() // 1_000_000


def build_app(
    config: AppConfig,
    log: Log,
    *,
    name: str | None = None,
    ttl_ms: int = DEFAULT_TTL_MS,
    now_ms: Callable[[], int] = wall_clock_ms,
    build: BuildShard | None = None,
) -> LogApp:
    """A Faust app that runs ``config`` on ``log``; to be called within the event loop that will run it.

    Args:
        config: The application.
        log: Its event log; stays open when the app stops.
        name: Of this worker, for people; made unique with host and process.
        ttl_ms: How long after its last sign of life the worker is replaced.
        now_ms: Wall clock, Unix ms.
        build: Makes the shard of a partition; ``None`` makes the configured one.

    Raises:
        ExpressionError: If an expression of the configuration is wrong.
    """
    config = complete(config)
    made = plans(config)
    member = member_name(name)
    app = LogApp(
        config.name,
        broker="kafka://not-used",
        key_serializer="raw",
        value_serializer="raw",
        broker_commit_interval=config.commit_ms / 1000,
        broker_session_timeout=ttl_ms / 1000,
        stream_wait_empty=False,
        topic_disable_leader=True,
        web_enabled=False,
        TableManager=NoTables,
    )
    app.transport = LogTransport([], app)
    app.log_, app.specs = log, topic_specs(config)
    app.fences = {}
    app.failure = asyncio.get_running_loop().create_future()
    app.membership = log.join(config.name, member, ttl_ms=ttl_ms)
    app.keeper = Keeper(
        topics=made,
        sinks=Sinks(
            log=log,
            app=config.name,
            alerts_topic=config.alerts_topic,
            state_topic=lambda topic: state_topic(config, topic),
            now_ms=now_ms,
        ),
        build=build or (lambda source: Shard(made[source.topic], source.partition)),
        meter=lambda source: _meter(config, source, member),
        on_lost=app.membership.wake_up,
    )
    aligned = {topic: plan.partitions for topic, plan in made.items() if plan.repartitions}
    app.clocks = Clocks(clocks_topic(config.name), aligned, patience_s=_PATIENCE * ttl_ms / 1000)
    app.internal = {topic for topic, plan in made.items() if plan.repartitioned}
    app.watchdog = Watchdog(app.keeper, limit_s=max(LIMIT_S, 2 * config.commit_ms / 1000))
    for topic in made:
        _add_agent(app, topic)
    _add_timers(app, config, now_ms)
    return app


def _meter(config: AppConfig, source: TopicPartition, worker: str) -> UnitMeter | None:
    measured = config.health and source.topic != health_topic(config.name)
    return UnitMeter(source, worker) if measured else None


def _add_agent(app: LogApp, topic: str) -> None:
    async def apply_chunks(stream: Any) -> None:
        event: ChunkEvent
        async for event in stream:
            await event.apply()

    # Not acknowledged: the position is committed with what became of the records.
    app.agent(app.topic(topic, acks=False), name=f"{topic}-shards")(apply_chunks)


def _add_timers(app: LogApp, config: AppConfig, now_ms: Callable[[], int]) -> None:
    made = plans(config)
    idle_ms = {topic: plan.stream.idle_advance_ms for topic, plan in made.items()}

    async def advance_idle() -> None:
        app.keeper.advance_idle({topic: ms for topic, ms in idle_ms.items() if ms is not None}, now_ms())

    async def tidy() -> None:
        await app.log_.tidy()

    if any(plan.repartitions for plan in made.values()):
        app.task()(_telling_clocks(app))
    if any(ms is not None for ms in idle_ms.values()):
        _add_timer(app, _IDLE_EVERY_S, advance_idle)
    _add_timer(app, _TIDY_EVERY_S, tidy)
    _add_timer(app, _WATCH_EVERY_S, _watching(app, config, now_ms))
    _add_timer(app, _TELL_EVERY_S, _telling(app, config, now_ms))
    if config.incidents is not None:
        _add_timer(app, _LOOK_EVERY_S, add_incidents(app, config, config.incidents, now_ms))
    if config.health:
        _add_timer(app, _SAMPLE_EVERY_S, _sampling(app, config, now_ms, sorted(made)))


def _telling_clocks(app: LogApp) -> Callable[[], Awaitable[None]]:
    async def tell_clocks() -> None:
        news = app.clocks.news(app.keeper.units)
        if news is not None:
            await app.log_.append([news])

    async def run() -> None:
        committed = app.keeper.committed
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(committed.wait(), EVERY_S)
            committed.clear()
            await _tried(tell_clocks)
            await asyncio.sleep(_CLOCKS_APART_S)

    return run


def _telling(app: LogApp, config: AppConfig, now_ms: Callable[[], int]) -> Callable[[], Awaitable[None]]:
    async def tell_restores() -> None:
        report = app.keeper.opening.restores.report(asyncio.get_running_loop().time())
        if report is not None:
            _logger.info("%s", report)
            if config.health:
                await app.log_.append(restore_events(config.name, report, now_ms()))

    return tell_restores


def _watching(app: LogApp, config: AppConfig, now_ms: Callable[[], int]) -> Callable[[], Awaitable[None]]:
    looked_at = 0.0

    async def watch() -> None:
        nonlocal looked_at
        topics = {source.topic for source in app.keeper.units}
        ends = {
            TopicPartition(topic, number): info.end
            for topic in topics
            for number, info in (await app.log_.partitions(topic)).items()
        }
        now = asyncio.get_running_loop().time()
        if now - looked_at > _WATCH_GAP_S:  # the log did not answer, or the process was paused
            app.watchdog.excuse()
        looked_at = now
        found = app.watchdog.look(ends, now)
        for stuck in found:
            _logger.error("%s; %s", stuck, "opening it again" if stuck.strikes == 1 else "ending, to be started again")
        if config.health:
            await app.log_.append(stuck_events(config.name, found, now_ms()))
        for stuck in found:
            if stuck.strikes > 1:
                app.fail(StuckError(f"{stuck}, also after it was opened again"))

    return watch


def _sampling(
    app: LogApp, config: AppConfig, now_ms: Callable[[], int], topics: list[str]
) -> Callable[[], Awaitable[None]]:
    health = health_topic(config.name)
    sampler = LagSampler(commit_ms=config.commit_ms)
    sampled = [topic for topic in topics if topic != health]

    async def sample() -> None:
        units = app.keeper.units
        if TopicPartition(health, 0) not in units:  # whoever owns the health topic looks for all
            return
        processed = {source: unit.shard.position for source, unit in units.items() if unit.is_open}
        events = await sampler.sample(app.log_, config.name, sampled, now_ms(), processed)
        await app.log_.append(outgoing(config.name, events))

    return sample


def _add_timer(app: LogApp, interval_s: float, work: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await _tried(work)

    app.timer(interval_s, name=work.__name__)(run)


async def _tried(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except LogError as error:
        level = logging.DEBUG if isinstance(error, LogUnavailableError) else logging.WARNING
        _logger.log(level, "%s was skipped: %s", work.__name__, error)
