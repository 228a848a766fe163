"""The keyed agent: all tables of a stream with one key, and the rules over them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.events import Alert, Batch, Int64
from agents.hashes import ColumnHashes
from agents.history import ROWS, History
from agents.identity import alert_id
from agents.language.expression import Expression, Scope, compile_expression
from agents.rules import Rule, compile_rules, with_hidden
from agents.spec import RuleSpec, StreamSpec
from tables.group import Stretch, TableGroup
from tables.spec import TableSpec

PACKED_REACH = 4_096
Values = dict[str, NDArray[Any]]
Allowed = Mapping[str, NDArray[np.bool_]]


@dataclass(slots=True)
class Found:
    """What a batch gave, by record of the batch.

    Args:
        alerts: Record and alert, in the order of records, then of rules.
        late: For each table the records that came too late for it, shape ``(k,)``.
    """

    alerts: list[tuple[int, Alert]] = field(default_factory=list)
    late: dict[str, Int64] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyedPlan:
    """What a keyed agent does, compiled once and shared by the agents of all partitions.

    Args:
        stream: What the records are.
        by: Field that is the key.
        tables: With the measures that rules need.
        rules: Compiled.
        inputs: Every expression that a measure reads, compiled.
        skew_ms: How far the partitions that feed the agent may lie apart; 0 for a source partition.
    """

    stream: StreamSpec
    by: str
    tables: tuple[TableSpec, ...]
    rules: tuple[Rule, ...]
    inputs: Mapping[str, Expression]
    skew_ms: int

    @property
    def reach(self) -> int:
        """Among how many offsets the evidence of an alert is searched; a repartitioned one holds many rows."""
        return PACKED_REACH if self.skew_ms else ROWS

    @property
    def computed(self) -> frozenset[str]:
        """Fields that conditions and measures read."""
        read = {name for expression in self.inputs.values() for name in expression.fields}
        return frozenset(read | {name for rule in self.rules for name in rule.condition.fields})

    @property
    def fields(self) -> frozenset[str]:
        """Fields that the agent reads at all."""
        return self.computed | {self.by, *([self.stream.id] if self.stream.id else [])}

    @property
    def texts(self) -> frozenset[str]:
        """Fields of which the agent wants the text itself: the key, the id, and what conditions read, as evidence."""
        shown = {name for rule in self.rules for name in rule.condition.fields}
        return frozenset(shown | {self.by, *([self.stream.id] if self.stream.id else [])})

    @property
    def bounded(self) -> frozenset[str]:
        """Fields that are added up."""
        summed = {m.input for table in self.tables for m in table.measures if m.kind in ("sum", "mean", "std")}
        return frozenset(name for text in summed if text for name in self.inputs[text].fields)

    def trailing(self, table: TableSpec) -> set[str]:
        """Measures that the rules of ``table`` want at each record."""
        conditions = [rule.condition for rule in self.rules if rule.table.name == table.name]
        return {name for condition in conditions for name in condition.measures} | {
            measure.name for condition in conditions for measure in condition.hidden
        }


def plan_keyed(
    stream: StreamSpec, by: str, tables: Sequence[TableSpec], rules: Sequence[RuleSpec], *, skew_ms: int = 0
) -> KeyedPlan:
    """Compile tables of ``stream`` with the key ``by``, and those of ``rules`` that are theirs.

    Raises:
        ExpressionError: If an expression is wrong.
    """
    specs: list[TableSpec] = []
    compiled: list[Rule] = []
    for table in tables:
        spec, conditions = with_hidden(table, rules, stream.fields)
        specs.append(spec)
        compiled += compile_rules(spec, rules, conditions, skew_ms)
    scope = Scope(fields=stream.fields, measures={})
    texts = sorted({measure.input for spec in specs for measure in spec.measures if measure.input})
    inputs = {text: compile_expression(text, scope) for text in texts}
    return KeyedPlan(stream, by, tuple(specs), tuple(compiled), inputs, skew_ms)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Firing:
    """A record that fired a rule, and what was known at it: ``at`` counts in the batch, ``record`` in the stretch."""

    batch: Batch
    at: int
    record: int
    slot: int
    window_start_ms: int
    measures: dict[str, Any]
    scores: dict[str, Any]


class KeyedAgent:
    """Keeps the tables of one key in one partition, and evaluates their rules at each record.

    Args:
        plan: What to do.
        hashes: Shared with others that read the same batches.
    """

    def __init__(self, plan: KeyedPlan, hashes: ColumnHashes) -> None:
        self.plan = plan
        self._hashes = hashes
        self._history = History(plan.stream.id, reach=plan.reach)
        self.group = TableGroup(
            plan.by,
            plan.tables,
            trailing={table.name: plan.trailing(table) for table in plan.tables},
            marks=[mark for rule in plan.rules for mark in rule.marks],
            skew_ms=plan.skew_ms,
        )

    def process(
        self, batch: Batch, positions: Int64, own_ms: Int64, head_ms: Int64, allowed: Allowed | None = None
    ) -> Found:
        """Take a batch in.

        Args:
            batch: In stream order.
            positions: Offset of each record in the partition that is read, shape ``(n,)``.
            own_ms: Newest event time of the partition that each record came from first, shape ``(n,)``.
            head_ms: Newest event time so far in this partition, shape ``(n,)``.
            allowed: By rule, the records at which it does not fire, each shape ``(n,)``.
        """
        found = Found()
        if not len(batch):
            return found
        values = {name: self._hashes.of(batch, name) for name in self.plan.computed}
        inputs = {text: np.asarray(expression.evaluate(values)) for text, expression in self.plan.inputs.items()}
        keys = self._keys(batch)
        live: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in self.group.tables}
        key_hashes: list[Int64] = []
        for stretch in self.group.update(keys, batch.time_ms, own_ms, head_ms, inputs):
            key_hashes.append(self.group.index.hashes[stretch.slots])
            if self.plan.rules:
                self._note(batch, positions, own_ms, stretch, key_hashes[-1])
                self._evaluate(batch, values, stretch, found, allowed or {})
            for name, trailing in stretch.trailing.items():
                live[name].append(trailing.live)
        self._hashes.learn(batch, self.plan.by, key_hashes[0] if len(key_hashes) == 1 else np.concatenate(key_hashes))
        for name, parts in live.items():
            counted = parts[0] if len(parts) == 1 else np.concatenate(parts)
            if not counted.all():
                found.late[name] = np.flatnonzero(~counted)
        found.alerts.sort(key=lambda pair: pair[0])
        return found

    def _note(self, batch: Batch, positions: Int64, own_ms: Int64, stretch: Stretch, key_hashes: Int64) -> None:
        """Take a stretch in as evidence."""
        part = slice(stretch.start, stretch.stop)
        rows = batch if stretch.stop - stretch.start == len(batch) else batch.take(stretch.start, stretch.stop)
        self._history.add(rows, positions[part], key_hashes, own_ms[part])

    def remember(self, batch: Batch, positions: Int64, own_ms: Int64) -> None:
        """Take records in that the restored state holds already, as evidence for alerts to come."""
        if self.plan.rules and len(batch):
            self._history.add(batch, positions, np.asarray(self._hashes.of(batch, self.plan.by)), own_ms)

    def _keys(self, batch: Batch) -> Sequence[str]:
        keys = batch.columns[self.plan.by]
        return [str(key) for key in keys.tolist()] if isinstance(keys, np.ndarray) else keys

    def _evaluate(self, batch: Batch, values: Values, stretch: Stretch, found: Found, allowed: Allowed) -> None:
        part = slice(stretch.start, stretch.stop)
        fields = {name: column[part] for name, column in values.items()}
        for rule in self.plan.rules:
            trailing = stretch.trailing[rule.table.name]
            records = rule.candidates(fields | trailing.columns, trailing.live)
            if rule.spec.name in allowed:
                records = records[~allowed[rule.spec.name][part][records]]
            if not len(records):
                continue
            stamps = trailing.window_start_ms if rule.open_windows else batch.time_ms[part]
            fired = rule.fire(self.group, records, stretch.slots, stamps)
            if len(fired):
                found.alerts += self._alerts(rule, batch, stretch, fired, fields)

    def _alerts(
        self, rule: Rule, batch: Batch, stretch: Stretch, fired: Int64, fields: Values
    ) -> Iterator[tuple[int, Alert]]:
        """The alerts of a rule, ``fired`` counting in the stretch; what they show is looked up for all at once."""
        trailing = stretch.trailing[rule.table.name]
        measures = {name: column[fired].tolist() for name, column in trailing.columns.items()}
        shown = {name: column[fired] for name, column in (fields | trailing.columns).items()}
        scores = {name: score.tolist() for name, score in rule.condition.scores(shown).items()}
        slots, starts_ms = stretch.slots[fired].tolist(), trailing.window_start_ms[fired].tolist()
        for number, record in enumerate(fired.tolist()):
            at = stretch.start + record
            firing = _Firing(
                batch=batch,
                at=at,
                record=record,
                slot=slots[number],
                window_start_ms=starts_ms[number],
                measures={name: column[number] for name, column in measures.items()},
                scores={name: column[number] for name, column in scores.items()},
            )
            yield at, self._alert(rule, firing)

    def _alert(self, rule: Rule, firing: _Firing) -> Alert:
        index, window, batch, at = self.group.index, rule.table.window, firing.batch, firing.at
        key = str(index.names[firing.slot])
        source = self._history.ref(batch, at)
        bounds_ms = (firing.window_start_ms, firing.window_start_ms + window.size_ms)
        key_hash = int(index.hashes[firing.slot])
        return Alert(
            id=alert_id(rule.spec.name, rule.spec.version, key, source),
            rule=rule.spec.name,
            version=rule.spec.version,
            severity=rule.spec.severity,
            stream=batch.stream,
            table=rule.table.name,
            key=key,
            event_time_ms=int(batch.time_ms[at]),
            appended_ms=int(batch.appended_ms[at]),
            window_start_ms=bounds_ms[0],
            window_end_ms=bounds_ms[1],
            condition=rule.condition.text,
            values=_evidence(rule, firing),
            thresholds=dict(rule.condition.thresholds),
            source=source,
            records=tuple(self._history.contributors(key_hash, firing.record, bounds_ms, window.grace_ms)),
            trace=batch.trace(at),
        )


def _evidence(rule: Rule, firing: _Firing) -> dict[str, Any]:
    """What the condition read at the record that fired; NaN, which is no opinion, as ``None``."""
    evidence: dict[str, Any] = {}
    read = firing.measures.keys() & (rule.condition.measures | {measure.name for measure in rule.condition.hidden})
    for name, value in sorted((firing.scores | {name: firing.measures[name] for name in read}).items()):
        evidence[name] = None if isinstance(value, float) and math.isnan(value) else value
    for name in sorted(rule.condition.fields):
        column = firing.batch.columns[name]
        evidence[name] = column[firing.at].item() if isinstance(column, np.ndarray) else column[firing.at]
    return evidence
