"""The loads: generated payments and replayed recordings."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from agents.events import Outgoing
from agents.spec import StreamSpec
from load import Load, OpenLoop, PaymentsConfig, PaymentsLoad, Replay, ReplayConfig, ReplayError, Together
from load.cells import CASTS, TimeUnit
from pipeline.cli.output import Output
from pipeline.cli.program import INTERRUPTED
from pipeline.cli.rows.load import reporting, show_summary
from pipeline.cli.runtime import now_ms, opened
from pipeline.cli.traffic.reading import ensure_topic
from pipeline.cli.traffic.sending import Tally, clock_ms, send_all, send_paced
from pipeline.config import AppConfig
from pipeline.errors import UsageError
from pipeline.log import TopicSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayPlan:
    """Which recordings to replay and how; see ``load.ReplayConfig``.

    Args:
        files: One or more, side by side, each from its own beginning.
        topic: Where records go.
        mapping: Field to column or ``=constant``; ``{name}`` in a constant is the file's name without its ending.
        unit: Of the times in the files.
        speed: Factor.
        rebase: Whether the first record claims the time of now, the others following.
        unpaced: Whether everything is sent as fast as it can be.
    """

    files: Sequence[Path]
    topic: str
    mapping: dict[str, str]
    unit: TimeUnit
    speed: float
    rebase: bool
    unpaced: bool


async def load_payments(
    config: AppConfig, payments: PaymentsConfig, output: Output, stop: asyncio.Event, *, duration_ms: int | None
) -> int:
    """Generate payments; the exit code."""
    async with opened(config, create=True) as log:
        await ensure_topic(config, log, payments.topic)
        if payments.campaigns and payments.truth_topic not in await log.topics():
            await log.create_topic(TopicSpec(name=payments.truth_topic, partitions=1, retention_ms=None))
        load = PaymentsLoad(payments)
        pace = OpenLoop(start_ms=payments.start_ms, wall_ms=clock_ms(), duration_ms=duration_ms)
        tally = Tally(truth_topic=payments.truth_topic)
        with reporting(output, payments.topic, duration_ms) as reporter:
            ended = await send_paced(log, load, pace, tally, reporter, stop)
    complete = ended or duration_ms is None
    show_summary(output, tally, complete=complete, sent=load.sent)
    return 0 if complete else INTERRUPTED


async def load_replay(config: AppConfig, plan: ReplayPlan, output: Output, stop: asyncio.Event) -> int:
    """Replay recordings; the exit code.

    Raises:
        UsageError: If a file can't be replayed.
    """
    replays = _replays(plan, next((stream for stream in config.streams.values() if stream.topic == plan.topic), None))
    tally = Tally()
    async with opened(config, create=True) as log:
        await ensure_topic(config, log, plan.topic)
        with reporting(output, plan.topic, None) as reporter:
            try:
                if plan.unpaced:
                    batches: Iterable[list[Outgoing]] = chain.from_iterable(replays)
                    complete = await send_all(log, batches, tally, reporter, stop)
                else:
                    load: Load = Together(replays)
                    pace = OpenLoop(start_ms=load.start_ms, wall_ms=clock_ms(), speed=plan.speed)
                    complete = await send_paced(log, load, pace, tally, reporter, stop)
            except ReplayError as error:  # a row further on
                raise UsageError(f"{error}; {tally.records:,} records were sent before") from error
    show_summary(output, tally, complete=complete)
    return 0 if complete else INTERRUPTED


def _replays(plan: ReplayPlan, stream: StreamSpec | None) -> list[Replay]:
    if stream is not None:
        _check_mapping(plan, stream)
    try:
        return [Replay(_replay_config(plan, path, stream)) for path in plan.files]
    except ValueError as error:
        raise UsageError(str(error)) from error


def _replay_config(plan: ReplayPlan, path: Path, stream: StreamSpec | None) -> ReplayConfig:
    mapping = {
        field: column.replace("{name}", path.stem) if column.startswith("=") else column
        for field, column in plan.mapping.items()
    }
    made = ReplayConfig(
        path=path,
        topic=plan.topic,
        mapping=mapping,
        time="ts" if stream is None else stream.time,
        unit=plan.unit,
        rebase_ms=now_ms() if plan.rebase else None,
        speed=plan.speed,
    )
    if stream is None:
        return made
    types = {name: field.type for name, field in stream.fields.items() if name in mapping and name != stream.time}
    key = stream.key if stream.key in mapping else None
    return replace(made, key=key, types={name: kind for name, kind in types.items() if kind in CASTS})


def _check_mapping(plan: ReplayPlan, stream: StreamSpec) -> None:
    """Refuse a replay whose records would all be rejected.

    Raises:
        UsageError: If a field that the stream needs is not mapped.
    """
    missing = [field.name for field in stream.fields.values() if not field.optional and field.name not in plan.mapping]
    if missing:
        raise UsageError(
            f"stream {stream.name!r} needs the fields {', '.join(missing)}: map each to a column, such as "
            f"--map {missing[0]}=COLUMN, or to a constant with two equals signs, --map {missing[0]}==TEXT"
        )
