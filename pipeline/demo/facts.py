"""What came of the demonstration, read from its log by the same means as any other reader has."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import orjson

from load import Report, match
from pipeline.alerts import decode_alert
from pipeline.cli.runtime import now_ms
from pipeline.cli.traffic.reading import find_span, read_span
from pipeline.config import AppConfig
from pipeline.health import health_topic, read_lag
from pipeline.log import Log
from pipeline.plan import source_topics, state_topic
from pipeline.views import TableReader

_PAYMENTS: Final = "payments"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lag:
    """What waits in the source topics, those of the health measurement left out: it measures on.

    Args:
        records: Records not covered by a commit.
        worst_ms: How long the oldest of them has been waiting.
        owned: Whether each partition has an owner.
    """

    records: int
    worst_ms: int
    owned: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class TableSize:
    """How many keys a table holds, and the bytes of state of all tables that are fed from its topic."""

    table: str
    keys: int
    topic: str
    state_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What came of it.

    Args:
        app: Name of the application.
        load_s: How long records were produced.
        caught_up_ms: How long after the last of them everything had been processed.
        records: By topic of a stream.
        size_bytes: Of the log.
        latency_ms: From the append of the record that fired to the append of its alert, each alert, sorted.
        alerts: By rule or detector.
        score: Alerts on payments against the ground truth.
        complete: The same without campaigns that the end of the run cut short; for recall.
        cut_short: How many those are.
        lag: At the end.
        tables: Their sizes.
        send_delay_ms: How late payments were sent: p50, p99, max.
        processes: What each process was and used.
    """

    app: str
    load_s: float
    caught_up_ms: int
    records: Mapping[str, int]
    size_bytes: int
    latency_ms: Sequence[int]
    alerts: Mapping[str, int]
    score: Report
    complete: Report
    cut_short: int
    lag: Lag
    tables: Sequence[TableSize]
    send_delay_ms: Mapping[str, float] = field(default_factory=dict)
    processes: Sequence[Mapping[str, Any]] = ()

    @property
    def total(self) -> int:
        """Records in all streams."""
        return sum(self.records.values())

    @property
    def records_per_s(self) -> float:
        """Records a second from the first one produced until all were processed."""
        return self.total / (self.load_s + self.caught_up_ms / 1_000)

    def latency_quantile(self, q: float) -> float | None:
        """The latency that a share ``q`` of the alerts does not exceed, ms; ``None`` without alerts."""
        return float(np.quantile(self.latency_ms, q)) if self.latency_ms else None


async def look_at_lag(log: Log, config: AppConfig) -> Lag:
    """What waits now."""
    topics = sorted(set(source_topics(config)) - {health_topic(config.name)})
    rows = [row for row in await read_lag(log, config.name, now_ms(), topics) if row.topic in topics]
    return Lag(
        records=sum(row.lag_records for row in rows),
        worst_ms=max((row.lag_ms for row in rows), default=0),
        owned=bool(rows) and all(row.lease == "held" for row in rows),
    )


async def count_records(log: Log, topics: Sequence[str]) -> dict[str, int]:
    """Records ever appended to each topic."""
    return {topic: sum(info.end for info in (await log.partitions(topic)).values()) for topic in topics}


async def summarize(
    log: Log, config: AppConfig, *, started_ms: int, ended_ms: int, caught_up_ms: int, longest_ms: int, **more: Any
) -> Summary:
    """Read everything that the summary tells.

    Args:
        log: The log.
        config: The application.
        started_ms: When producing started, Unix ms.
        ended_ms: When it ended.
        caught_up_ms: When everything had been processed.
        longest_ms: How long a campaign can take.
        more: What the log does not tell: ``send_delay_ms`` and ``processes``.
    """
    stamped = [(record.timestamp_ms, decode_alert(record.value)) for record in await _all(log, config.alerts_topic)]
    measured = [(time_ms, alert) for time_ms, alert in stamped if alert["stream"] in config.streams]
    scored = [alert for _, alert in measured if alert["stream"] == _PAYMENTS]
    truth = [orjson.loads(record.value or b"") for record in await _all(log, f"{_PAYMENTS}.truth")]
    whole = _finished(truth, ended_ms - longest_ms)
    topics = sorted({stream.topic for stream in config.streams.values()})
    return Summary(
        app=config.name,
        load_s=(ended_ms - started_ms) / 1_000,
        caught_up_ms=max(0, caught_up_ms - ended_ms),
        records=await count_records(log, topics),
        size_bytes=await _size(log),
        latency_ms=sorted(max(0, time_ms - alert["appended_ms"]) for time_ms, alert in measured),
        alerts=dict(Counter(alert["rule"] for _, alert in stamped).most_common()),
        score=match(scored, truth),
        complete=match(scored, whole),
        cut_short=len({label["campaign"] for label in truth} - {label["campaign"] for label in whole}),
        lag=await look_at_lag(log, config),
        tables=await _tables(log, config),
        **more,
    )


def _finished(truth: Sequence[Mapping[str, Any]], begun_before_ms: int) -> list[Mapping[str, Any]]:
    """Labels of campaigns that had the time to come to their end."""
    first_ms: dict[str, int] = {}
    for label in truth:
        first_ms[label["campaign"]] = min(label["ts"], first_ms.get(label["campaign"], label["ts"]))
    return [label for label in truth if first_ms[label["campaign"]] < begun_before_ms]


async def _all(log: Log, topic: str) -> list[Any]:
    if topic not in await log.topics():
        return []
    span = await find_span(log, topic, "start", now_ms())
    return [record async for records in read_span(log, span) for record in records]


async def _size(log: Log) -> int:
    bounds = [await log.partitions(topic) for topic in await log.topics()]
    return sum(info.size_bytes for partitions in bounds for info in partitions.values())


async def _tables(log: Log, config: AppConfig) -> list[TableSize]:
    reader = TableReader(log, config)
    await reader.refresh()
    sizes = []
    for name in config.tables:
        topic = reader.source(name)
        state = await log.partitions(state_topic(config, topic))
        bytes_ = sum(info.size_bytes for info in state.values())
        sizes.append(TableSize(table=name, keys=len(reader.view(name)), topic=topic, state_bytes=bytes_))
    return sizes
