"""What goes into a table and what comes out of it, as columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tables.segments import Groups

Int64 = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Records for a table, in stream order, as columns of shape ``(n,)``.

    Args:
        slots: Slot of each record's key.
        time_ms: Event times.
        own_ms: The newest event time so far of the partition that the record came from first; lateness is judged by it.
        head_ms: The newest event time so far in this partition; never decreases, never below ``time_ms``.
        inputs: Every expression that a measure reads, evaluated.
        first_seen_ms: When each record's key was first seen.
        last_seen_ms: Newest event time of the key before the record; NaN if none.
        groups: Records by slot.
        began_ms: Event time of the first record of all keys.
    """

    slots: Int64
    time_ms: Int64
    own_ms: Int64
    head_ms: Int64
    inputs: Mapping[str, NDArray[Any]]
    first_seen_ms: NDArray[np.float64]
    last_seen_ms: NDArray[np.float64]
    groups: Groups
    began_ms: int


@dataclass(frozen=True, slots=True)
class Trailing:
    """What the table knew at each record.

    Args:
        live: Which records counted, shape ``(n,)``; the others were late.
        columns: The asked-for measures, each shape ``(n,)``; without meaning at late records.
        window_start_ms: Start of each record's window, shape ``(n,)``.
    """

    live: NDArray[np.bool_]
    columns: Columns
    window_start_ms: Int64


@dataclass(frozen=True, slots=True)
class Closed:
    """A tumbling window's final rows: one for each key that had records in it.

    Args:
        window_start_ms: Inclusive.
        keys: Of the rows.
        columns: The measures.
        partial: Rows of keys that were dropped while the window was open: what came after, if any, makes another row.
    """

    window_start_ms: int
    keys: list[str]
    columns: Columns
    partial: bool = False
