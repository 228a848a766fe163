"""From the records that fired rules to their alerts, all of a stretch at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.events import Alert, Batch, Int64, RecordRef
from agents.history import History, Sought
from agents.identity import alert_id
from agents.rules import Rule
from tables.group import Stretch
from tables.keys import KeyIndex
from tables.slices import taken


@dataclass(frozen=True, slots=True)
class Firing:
    """A rule, and the records of a stretch that fired it.

    Args:
        rule: Compiled.
        records: Which they are, ascending, shape ``(k,)``.
        shown: What the rule could read, by name, each of the stretch's length.
        window_start_ms: Start of the window at each, shape ``(k,)``.
    """

    rule: Rule
    records: Int64
    shown: Mapping[str, NDArray[Any]]
    window_start_ms: Int64


def alerts_of(
    firings: Sequence[Firing], batch: Batch, stretch: Stretch, index: KeyIndex, history: History
) -> list[tuple[int, Alert]]:
    """The alerts of a stretch and the record of the batch that each is about, by rule.

    Args:
        firings: At least one.
        batch: Of which the stretch is a part.
        stretch: Taken in by the history.
        index: Knows the keys.
        history: Knows who contributed.

    Cost: about 15 us an alert, and a pass over the history.
    """
    records = np.concatenate([firing.records for firing in firings])
    named = _named(firings, records, index.hashes[stretch.slots[records]], history)
    alerts: list[tuple[int, Alert]] = []
    for firing in firings:
        start = len(alerts)
        alerts += _alerts(firing, batch, stretch, index, (history, named[start : start + len(firing.records)]))
    return alerts


def _named(firings: Sequence[Firing], records: Int64, hashes: Int64, history: History) -> list[tuple[RecordRef, ...]]:
    """Who contributed to each of ``records``."""
    start_ms = np.concatenate([firing.window_start_ms for firing in firings])
    sizes = [len(firing.records) for firing in firings]
    size_ms = np.repeat([firing.rule.table.window.size_ms for firing in firings], sizes)
    grace_ms = np.repeat([firing.rule.table.window.grace_ms for firing in firings], sizes)
    order = np.argsort(records, kind="stable")
    columns = (records, hashes, start_ms, start_ms + size_ms, grace_ms)
    found = history.contributors(Sought(*(column[order] for column in columns)))
    named = np.empty(len(order), np.int64)
    named[order] = np.arange(len(order))
    return [found[at] for at in named.tolist()]


def _alerts(
    firing: Firing,
    batch: Batch,
    stretch: Stretch,
    index: KeyIndex,
    told: tuple[History, Sequence[tuple[RecordRef, ...]]],
) -> Iterator[tuple[int, Alert]]:
    rule, spec, window = firing.rule, firing.rule.spec, firing.rule.table.window
    version, thresholds = spec.version, rule.condition.thresholds
    history, named = told
    at = stretch.start + firing.records
    columns = zip(
        at.tolist(),
        [str(index.names[slot]) for slot in stretch.slots[firing.records].tolist()],
        history.refs(batch, at),
        batch.time_ms[at].tolist(),
        batch.appended_ms[at].tolist(),
        firing.window_start_ms.tolist(),
        _evidence(firing, batch, at),
        named,
        strict=True,
    )
    for record, key, source, time_ms, appended_ms, start_ms, values, contributors in columns:
        yield (
            record,
            Alert(
                id=alert_id(spec.name, version, key, source),
                rule=spec.name,
                version=version,
                severity=spec.severity,
                stream=batch.stream,
                table=rule.table.name,
                key=key,
                event_time_ms=time_ms,
                appended_ms=appended_ms,
                window_start_ms=start_ms,
                window_end_ms=start_ms + window.size_ms,
                condition=rule.condition.text,
                values=values,
                thresholds=dict(thresholds),
                source=source,
                records=contributors,
                trace=batch.trace(record),
            ),
        )


def _evidence(firing: Firing, batch: Batch, at: Int64) -> list[dict[str, Any]]:
    """What the condition read at each record that fired; NaN, which is no opinion, as ``None``."""
    condition, records = firing.rule.condition, firing.records
    hidden = {measure.name for measure in condition.hidden}
    read = {name: firing.shown[name][records] for name in condition.fields | condition.measures | hidden}
    told = condition.scores(read) | {name: read[name] for name in condition.measures | hidden}
    columns = {name: _opinions(column) for name, column in sorted(told.items())}
    columns |= {name: _plain(batch, name, at) for name in sorted(condition.fields)}
    rows = zip(*columns.values(), strict=True) if columns else [()] * len(at)  # a condition may read nothing
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _opinions(column: NDArray[Any]) -> list[Any]:
    values: list[Any] = column.tolist()
    if column.dtype.kind == "f":
        return [None if value != value else value for value in values]  # noqa: PLR0124 - NaN
    return values


def _plain(batch: Batch, name: str, at: Int64) -> list[Any]:
    """A field of the records at ``at``."""
    column = taken(batch.columns[name], at)
    return column.tolist() if isinstance(column, np.ndarray) else list(column)
