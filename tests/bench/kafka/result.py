"""What a measurement gave: a table for people, facts for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LEVELS = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a measurement gave.

    Args:
        tool: Its name.
        title: What was measured, one sentence.
        columns: Heads of the table.
        rows: Of the table.
        facts: The same and more, as JSON.
        notes: Sentences below the table.
    """

    tool: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    facts: Mapping[str, Any]
    notes: Sequence[str] = field(default_factory=tuple)

    def as_json(self) -> str:
        """One line."""
        return json.dumps({"tool": self.tool, **self.facts})

    def as_text(self) -> str:
        """A table with its title."""
        cells = [list(self.columns), *([_text(cell) for cell in row] for row in self.rows)]
        widths = [max(len(row[at]) for row in cells) for at in range(len(self.columns))]
        lines = [
            "  ".join(_padded(cell, width, at) for at, (cell, width) in enumerate(zip(row, widths, strict=True)))
            for row in cells
        ]
        body = [f"  {line.rstrip()}" for line in lines]
        return "\n".join([f"{self.tool}: {self.title}", "", *body, *(["", *self.notes] if self.notes else []), ""])


def quantiles(values: Iterable[float]) -> dict[str, float]:
    """p50 to the maximum, rounded to 0.1; empty without values."""
    found = np.fromiter(values, np.float64)
    if not len(found):
        return {}
    return {name: round(float(np.percentile(found, level)), 1) for name, level in LEVELS.items()}


def _text(cell: Any) -> str:
    if isinstance(cell, float):
        return f"{cell:,.1f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def _padded(cell: str, width: int, at: int) -> str:
    return cell.ljust(width) if at == 0 else cell.rjust(width)
