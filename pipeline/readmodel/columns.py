"""What a table's measures look like to a reader: quantiles of histograms, and which numbers are times or sizes."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.views import TableView
from tables.histogram import maximum, quantile
from tables.spec import TRAILING_ONLY, Measure, TableSpec

ColumnKind = Literal["number", "ms", "bytes", "time"]

_PARTS: dict[str, Callable[[NDArray[np.int64]], NDArray[np.float64]]] = {
    "p50": partial(quantile, q=0.5),
    "p95": partial(quantile, q=0.95),
    "p99": partial(quantile, q=0.99),
    "max": maximum,
}


class ColumnInfo(NamedTuple):
    """A column that a reader sees.

    Args:
        name: The measure's name; ``measure.p99`` for a part of a histogram.
        measure: The measure that it comes from.
        part: Which part of a histogram; ``None`` for a plain measure.
        kind: How its values are to be read.
        meaning: The measure's definition, for people.
    """

    name: str
    measure: str
    part: str | None
    kind: ColumnKind
    meaning: str


def columns_of(spec: TableSpec, *, time: str | None = None) -> list[ColumnInfo]:
    """The columns of a table, in the order of its measures; those that only rules need are left out.

    Args:
        spec: The table, with hidden measures.
        time: Field of its stream that holds the event time.
    """
    columns: list[ColumnInfo] = []
    for measure in spec.measures:
        if measure.kind in TRAILING_ONLY or not measure.name.isidentifier():
            continue
        meaning = f"{measure.kind}({measure.input or ''})"
        if measure.kind == "histogram":
            columns.extend(
                ColumnInfo(f"{measure.name}.{part}", measure.name, part, "ms", f"{part} of {meaning}")
                for part in _PARTS
            )
        else:
            columns.append(ColumnInfo(measure.name, measure.name, None, _kind(measure, time), meaning))
    return columns


def _kind(measure: Measure, time: str | None) -> ColumnKind:
    if measure.kind in {"first_seen", "last_seen"}:
        return "time"
    if measure.input == time and measure.kind in {"min", "max", "mean", "last"}:
        return "time"
    if measure.kind in {"count", "distinct"}:
        return "number"
    names = (measure.name, measure.input or "")
    if any(name.endswith("_ms") for name in names):
        return "ms"
    return "bytes" if any(name.endswith("bytes") for name in names) else "number"


def is_whole(spec: TableSpec, info: ColumnInfo) -> bool:
    """Whether a column of a table holds whole numbers only."""
    (measure,) = (each for each in spec.measures if each.name == info.measure)
    return info.part is None and (
        measure.kind in {"count", "distinct"} or (measure.kind == "sum" and measure.unit == 1.0)
    )


def values_of(
    view: TableView, column: ColumnInfo, *, rows: NDArray[np.int64] | None = None
) -> NDArray[np.float64] | NDArray[np.int64]:
    """Values of a column, shape ``(n,)``; of all rows, or of the chosen ones in their order.

    Cost: a view or a copy for plain measures, a pass over the chosen histograms for their parts.
    """
    values = np.asarray(view.columns[column.measure])
    return cells_of(values if rows is None else values[rows], column)


def cells_of(values: NDArray[Any], column: ColumnInfo) -> NDArray[np.float64] | NDArray[np.int64]:
    """What a reader sees of a measure, shape ``(n,)``."""
    if column.part is not None and not len(values):
        return np.empty(0)  # without any window the width of a histogram is not told
    if column.part is not None:
        return _PARTS[column.part](values.astype(np.int64, copy=False))
    return values.astype(np.int64) if values.dtype.kind in "bui" else values.astype(np.float64, copy=False)
