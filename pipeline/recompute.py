"""An alert once more: found in the log, and computed again from the records that the log holds."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from agents.events import Alert, TopicPartition
from agents.spec import DetectorSpec, RuleSpec
from pipeline.alerts import DetectedAlert, encode_alert, read_alert
from pipeline.backtest.lane import Lane
from pipeline.config.model import AppConfig
from pipeline.errors import StateError, UsageError
from pipeline.log import Log, follow
from pipeline.plan import SourcePlan, complete, plans
from pipeline.shard_output import partition_of
from pipeline.worker.units import chunks

SHORTEST: Final = 6
"""An alert is found by the first digits of its id, if there are so many."""
_END_MS: Final = 253_402_300_800_000  # the year 10000, after every event time


@dataclass(frozen=True, kw_only=True, slots=True)
class Recomputed:
    """What came of computing an alert again.

    Args:
        source: Whose records were processed again; ``None`` if none were.
        records: How many.
        alert: As it is now; ``None`` if it was not raised again.
        note: Why that is, as far as it is known, or what makes it uncertain; empty if nothing is to be said.
        differences: Fields that are not as they were, with what they were and are.
    """

    source: TopicPartition | None = None
    records: int = 0
    alert: Alert | None = None
    note: str = ""
    differences: tuple[tuple[str, Any, Any], ...] = ()

    @property
    def matches(self) -> bool:
        """Whether the alert was raised again exactly as it was."""
        return self.alert is not None and not self.differences


async def find_alert(log: Log, topic: str, alert_id: str) -> DetectedAlert:
    """The alert of an id, or of its first digits.

    Raises:
        UsageError: If there is none, or several begin so.
        UnknownTopicError: If there is no topic of alerts.
    """
    if len(alert_id) < SHORTEST:
        raise UsageError(f"{alert_id!r} is too short; give at least the first {SHORTEST} digits of an alert's id")
    found: dict[str, DetectedAlert] = {}
    wanted = b'"' + alert_id.encode()
    async for chunk in follow(log, topic, start="start", until_end=True):
        for value in chunk.values:
            if value is None or wanted not in value:
                continue
            try:
                read = read_alert(value)
            except StateError:  # anybody can write to a topic
                continue
            if read.alert.id.startswith(alert_id):
                found.setdefault(read.alert.id, read)
    if not found:
        raise UsageError(f"no alert {alert_id} on {topic}; `streamgauge alerts --format json` shows their ids")
    if len(found) > 1:
        raise UsageError(f"{len(found)} alerts begin with {alert_id}, such as {', '.join(sorted(found)[:3])}; say more")
    return next(iter(found.values()))


async def recompute(
    config: AppConfig, log: Log, alert: Alert, *, on_progress: Callable[[int, int], None] = lambda *_: None
) -> Recomputed:
    """Process the records before an alert again, and compare what comes of them.

    Args:
        config: The configuration.
        log: The log.
        alert: As it was raised.
        on_progress: Told how many records are done, and how many there are at most.

    Cost: that of a worker for all records of the alert's partition that stand before it.
    """
    config = complete(config)
    changed = _changed(config, alert)
    if changed:
        return Recomputed(note=changed)
    made = plans(config)
    plan = _plan(made, alert)
    if plan is None:
        return Recomputed(note=f"the configuration has no {alert.table or alert.stream} any more")
    source = TopicPartition(plan.topic, _partition(plan, alert))
    return await _replay(log, Lane(plan, source.partition), alert, on_progress)


async def _replay(log: Log, lane: Lane, alert: Alert, on_progress: Callable[[int, int], None]) -> Recomputed:
    source = lane.shard.source
    bounds = (await log.partitions(source.topic))[source.partition]
    position, records = bounds.start, 0
    end = min(bounds.end, alert.source.offset + 1) if _ends_at_its_record(lane, alert) else bounds.end
    note = f"{source} begins at offset {position}: what stood before is gone" if position else ""
    while position < end:
        for chunk in await log.fetch({source: position}, wait_ms=1_000):
            position = chunk.next_offset
            before = chunks.head(chunk, int(np.searchsorted(chunk.offsets, end)))
            records += len(before)
            for output in lane.process(before):
                again = next((each for each in output.alerts if each.id == alert.id), None)
                if again is not None:
                    return _compared(alert, again, source, records, note)
        on_progress(position - bounds.start, end - bounds.start)
    for output in lane.wait(_END_MS):
        again = next((each for each in output.alerts if each.id == alert.id), None)
        if again is not None:
            return _compared(alert, again, source, records, note)
    return Recomputed(source=source, records=records, note=note or "the records of today don't raise it")


def _ends_at_its_record(lane: Lane, alert: Alert) -> bool:
    """Whether nothing after the alert's record can raise it; a window may close while its partition is idle."""
    is_window = alert.table is not None and "threshold" in alert.thresholds and "score" in alert.values
    return alert.source.topic == lane.shard.source.topic and not is_window


def _compared(alert: Alert, again: Alert, source: TopicPartition, records: int, note: str) -> Recomputed:
    again = read_alert(encode_alert(again, detected_ms=0, app="").value).alert  # as a reader of the topic would see it
    pairs = ((field.name, getattr(alert, field.name), getattr(again, field.name)) for field in fields(Alert))
    differences = tuple((name, was, now) for name, was, now in pairs if was != now)
    return Recomputed(source=source, records=records, alert=again, note=note, differences=differences)


def _changed(config: AppConfig, alert: Alert) -> str:
    """What makes computing again pointless."""
    spec: RuleSpec | DetectorSpec | None = config.rules.get(alert.rule) or config.detectors.get(alert.rule)
    if spec is None:
        return f"the configuration has no rule or detector {alert.rule} any more"
    if spec.version != alert.version:
        return f"{alert.rule} was changed since: its version was {alert.version} and is {spec.version}"
    return ""


def _plan(made: dict[str, SourcePlan], alert: Alert) -> SourcePlan | None:
    """Whose shards raise the alert."""
    for plan in made.values():
        if alert.table is None and plan.stream.name == alert.stream and not plan.repartitioned:
            return plan
        if alert.table is not None and alert.table in plan.tables:
            return plan
    return None


def _partition(plan: SourcePlan, alert: Alert) -> int:
    if alert.source.topic == plan.topic:
        return alert.source.partition
    field = plan.stream.fields.get(plan.keyed[0].by)
    is_text = field is None or field.type == "str"
    return partition_of(alert.key if is_text else int(alert.key), plan.partitions)
