"""A run of one configuration over recorded records: what it gives as it goes, and what is known at its end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import orjson

from agents.events import Alert
from pipeline.alerts import encode_alert
from pipeline.backtest.engine import Engine, Happened
from pipeline.backtest.lines import BadLine, Feed
from pipeline.backtest.outcomes import Collected
from pipeline.config.model import AppConfig

EXAMPLES: Final = 20
"""Bad records that are named one by one."""
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Sinks:
    """Where to write; ``None`` for nowhere.

    Args:
        scores: A line for each scored record.
        alerts: A line for each alert.
    """

    scores: BinaryIO | None = None
    alerts: BinaryIO | None = None


@dataclass(kw_only=True, slots=True)
class Bad:
    """Records that don't count: how many for each reason, and where the first of them stand."""

    counts: Counter[str] = field(default_factory=Counter)
    first: list[dict[str, Any]] = field(default_factory=list)

    def line(self, bad: BadLine) -> None:
        """Note a line that belongs to no stream."""
        self.note("no-record" if bad.reason.startswith("no JSON") else "no-stream", {"line": bad.line}, bad.reason)

    def note(self, kind: str, where: dict[str, Any], reason: str) -> None:
        """Note a record that was refused."""
        self.counts[kind] += 1
        if len(self.first) < EXAMPLES:
            self.first.append({**where, "reason": reason})


@dataclass(kw_only=True, slots=True)
class Run:
    """What is known at the end.

    Args:
        config: What was run.
        bad: Records that did not count.
        collected: To be compared with the truth, if there is one.
        alerts: Alerts in order, as they are told.
        records: Records that counted.
        late: Records that came after their window had closed.
        scores: How many scores there were.
        first_ms: Oldest event time; ``None`` without records.
        last_ms: Newest event time.
    """

    config: AppConfig
    bad: Bad
    collected: Collected | None = None
    alerts: list[Alert] = field(default_factory=list)
    records: int = 0
    late: int = 0
    scores: int = 0
    first_ms: int | None = None
    last_ms: int | None = None

    @property
    def days(self) -> float:
        """From the first record to the last, at least one."""
        if self.first_ms is None or self.last_ms is None:
            return 0.0
        return max(1.0, (self.last_ms - self.first_ms) / _DAY_MS)


async def run(
    made: Run, steps: AsyncIterator[list[Feed]], sinks: Sinks, *, by_line: bool, on_step: Callable[[Run], None]
) -> Run:
    """Run all steps.

    Args:
        made: Begins empty, and is filled.
        steps: What to run.
        sinks: Where to write.
        by_line: Whether the order of a record is the number of its line.
        on_step: Told how far it is.
    """
    engine = Engine(made.config)
    async for feeds in steps:
        happened = await asyncio.to_thread(engine.step, feeds)  # so that a signal is heard meanwhile
        _take(made, feeds, happened, sinks, by_line=by_line)
        on_step(made)
    _take(made, [], engine.finish(), sinks, by_line=by_line)
    return made


def _take(made: Run, feeds: list[Feed], happened: Happened, sinks: Sinks, *, by_line: bool) -> None:
    for refused in happened.refused:
        made.bad.note(refused.reason, {"line": refused.order} if by_line else refused.where, refused.message)
    made.alerts += [alert for _, alert in happened.alerts]
    made.records += happened.records
    made.late += happened.late
    made.scores += sum(len(scored.ids) for scored in happened.scored)
    if happened.first_ms is not None and happened.last_ms is not None:
        made.first_ms = min(happened.first_ms, happened.first_ms if made.first_ms is None else made.first_ms)
        made.last_ms = max(happened.last_ms, happened.last_ms if made.last_ms is None else made.last_ms)
    if made.collected is not None:
        made.collected.note(feeds, happened)
    if sinks.scores is not None:
        sinks.scores.write(b"".join(score_lines(happened)))
    if sinks.alerts is not None:
        sinks.alerts.writelines(alert_line(alert, made.config.name) for _, alert in happened.alerts)


def score_lines(happened: Happened) -> list[bytes]:
    """The scores of a step, a line each, in the order of their records."""
    rows = [
        (order, {"id": name, "score": score, "by": scored.by})
        for scored in happened.scored
        for order, name, score in zip(scored.order.tolist(), scored.ids, scored.score.tolist(), strict=True)
    ]
    rows.sort(key=lambda row: row[0])
    return [orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for _, row in rows]


def alert_line(alert: Alert, app: str) -> bytes:
    """An alert as on the alerts topic, with the id of the record that fired it.

    It counts as detected when its record was appended: the clock is a virtual one.
    """
    value = encode_alert(alert, detected_ms=alert.appended_ms, app=app).value
    told = orjson.dumps({"record_id": alert.source.id})
    return told[:-1] + b"," + value[1:] + b"\n"
