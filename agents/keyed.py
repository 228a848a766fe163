"""The keyed agent: all tables of a stream with one key, and the rules over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.events import Alert, Batch, Int64
from agents.firing import Firing, alerts_of
from agents.hashes import ColumnHashes
from agents.history import ROWS, History
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
        firings: list[Firing] = []
        for rule in self.plan.rules:
            trailing = stretch.trailing[rule.table.name]
            shown = fields | trailing.columns
            records = rule.candidates(shown, trailing.live)
            if rule.spec.name in allowed:
                records = records[~allowed[rule.spec.name][part][records]]
            if not len(records):
                continue
            stamps = trailing.window_start_ms if rule.open_windows else batch.time_ms[part]
            fired = rule.fire(self.group, records, stretch.slots, stamps)
            if len(fired):
                firings.append(Firing(rule, fired, shown, trailing.window_start_ms[fired]))
        if firings:
            found.alerts += alerts_of(firings, batch, stretch, self.group.index, self._history)
