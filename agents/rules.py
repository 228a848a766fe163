"""Rules: conditions over columns, and which of the records for which they hold raise an alert."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.events import Int64
from agents.language.expression import Expression, Scope, compile_expression
from agents.spec import Field, RuleSpec
from tables.group import TableGroup
from tables.keys import NEVER
from tables.spec import TableSpec


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, compiled for its table.

    Args:
        spec: As configured.
        table: As configured, with the measures that the rule's function calls need.
        condition: Compiled.
        open_windows: How many windows of a tumbling table may be open at once; 0 if the rule fires by cool-down.
    """

    spec: RuleSpec
    table: TableSpec
    condition: Expression
    open_windows: int

    @property
    def marks(self) -> list[str]:
        """Names of the whole numbers that the rule keeps for each key."""
        name = f"{self.spec.name}@{self.spec.version}"
        return [f"{name}#{window}" for window in range(self.open_windows)] or [name]

    def candidates(self, values: Mapping[str, NDArray[Any]], live: NDArray[np.bool_]) -> Int64:
        """Records for which the condition is true, ascending; late ones can't be."""
        return np.asarray((self.condition.evaluate(values) & live).nonzero()[0])

    def fire(self, group: TableGroup, records: Int64, slots: Int64, stamps_ms: Int64) -> Int64:
        """Which candidates raise an alert, ascending; that they did is noted.

        Args:
            group: Keeps when each key fired last.
            records: Candidates, ascending.
            slots: Slot of each record of the batch.
            stamps_ms: For each record of the batch its window's start (once a window) or its event time (cool-down).
        """
        marks, fired = self.marks, []
        while len(records):
            records = records[self._may_fire(group, marks, slots[records], stamps_ms[records])]
            if not len(records):
                break
            _, first = np.unique(slots[records], return_index=True)
            chosen = records[first]
            fired.append(chosen)
            stamps = stamps_ms[chosen]
            rows = self._rows(stamps)
            for row in np.unique(rows).tolist():
                of_row = rows == row
                group.set_marks(marks[row], slots[chosen[of_row]], stamps[of_row])
            records = np.delete(records, first)
        return np.sort(np.concatenate(fired)) if fired else records

    def _may_fire(self, group: TableGroup, marks: list[str], slots: Int64, stamps_ms: Int64) -> NDArray[np.bool_]:
        if not self.open_windows:
            cooldown_ms = self.spec.cooldown_ms
            if cooldown_ms is None:
                cooldown_ms = self.table.window.size_ms
            last = group.mark(marks[0])[slots]
            ready: NDArray[np.bool_] = (last == NEVER) | (stamps_ms >= np.maximum(last, 0) + cooldown_ms)
            return ready
        rows = self._rows(stamps_ms)
        other = np.empty(len(rows), np.bool_)
        for row, mark in enumerate(marks):
            of_row = rows == row
            other[of_row] = group.mark(mark)[slots[of_row]] != stamps_ms[of_row]
        return other

    def _rows(self, stamps_ms: Int64) -> Int64:
        """Which of the marks each stamp stands in."""
        return stamps_ms // self.table.window.size_ms % max(self.open_windows, 1)


def with_hidden(
    table: TableSpec, rules: Iterable[RuleSpec], fields: Mapping[str, Field]
) -> tuple[TableSpec, dict[str, Expression]]:
    """The table with the measures that its rules' function calls need, and each rule's compiled condition.

    Raises:
        ExpressionError: If a condition is wrong.
    """
    measures = {measure.name: measure for measure in table.measures}
    scope = Scope(fields=fields, measures=measures)
    conditions = {rule.name: compile_expression(rule.when, scope) for rule in rules if rule.table == table.name}
    hidden = {measure.name: measure for condition in conditions.values() for measure in condition.hidden}
    added = tuple(measure for name, measure in sorted(hidden.items()) if name not in measures)
    return replace(table, measures=(*table.measures, *added)), conditions


def compile_rules(
    table: TableSpec, rules: Iterable[RuleSpec], conditions: Mapping[str, Expression], skew_ms: int
) -> list[Rule]:
    """Rules of a table, in the order given."""
    window = table.window
    compiled = []
    for rule in rules:
        if rule.table == table.name:
            once = window.kind == "tumbling" and rule.cooldown_ms is None
            windows = (window.grace_ms + skew_ms) // window.size_ms + 2 if once else 0
            compiled.append(Rule(rule, table, conditions[rule.name], windows))
    return compiled
