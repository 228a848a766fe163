"""Accumulators: what a windowed table holds for each pane and key, as arrays of shape ``(n_rows, capacity)``.

A row holds one pane (sliding) or one open window (tumbling). A sliding accumulator also keeps each key's total over its
window, from which trailing values come; entering a pane takes the leaving one off the total.
"""

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tables.keys import grown
from tables.segments import Groups, running_extreme, running_sum, sums_by_group
from tables.slices import optional

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
_NO_SUMS = np.empty(0, np.int64)
_NO_VALUES = np.empty(0)

compiled = optional(lambda: import_module("tables.cells.compiled"))


@dataclass(frozen=True)
class Placement:
    """Where the records of one call go.

    Args:
        slots: Slot of each record, shape ``(n,)``.
        rows: Row of each record, shape ``(n,)``.
        row: The row of all records if they share one, else -1.
        groups: Records by slot (sliding) or by ``row * capacity + slot`` (tumbling).
        capacity: Slots in a row.
        sliding: Which of the two.
    """

    slots: Int64
    rows: Int64
    row: int
    groups: Groups
    capacity: int
    sliding: bool

    @cached_property
    def cells(self) -> Int64:
        """Flat index of each record's place, shape ``(n,)``."""
        return self.rows * self.capacity + self.slots

    @cached_property
    def ones(self) -> Int64:
        """What a count adds for each record, shape ``(n,)``."""
        return np.ones(len(self.slots), np.int64)


class PaneSums:
    """Whole-number sums (and counts) for each pane and key, exact up to 2**63.

    Args:
        rows: Panes, or windows open at once.
        capacity: Slots.
        sliding: Keep totals over all rows.
    """

    def __init__(self, rows: int, capacity: int, *, sliding: bool) -> None:
        self.panes = np.zeros((rows, capacity), np.int64)
        self.total = np.zeros(capacity if sliding else 0, np.int64)
        self._sliding = sliding

    def update(self, at: Placement, values: Int64, *, trailing: bool) -> Int64 | None:
        """Add ``values``; running totals at each record, each included, if asked for."""
        flat = self.panes.reshape(-1)
        target = self.total if self._sliding else flat
        loops, groups, keys = compiled(), at.groups, at.groups.keys
        running = None
        if loops is not None:
            given = np.ascontiguousarray(values)
            found = np.empty_like(given) if trailing else _NO_SUMS
            panes = flat if self._sliding else _NO_SUMS
            placed = (panes, at.rows, at.capacity)
            loops.add_sums(groups.order, groups.starts, groups.sizes, keys, given, target, found, *placed)
            return found if trailing else None
        if trailing:
            running, sums = running_sum(at.groups, values, target[keys])
        else:
            sums = sums_by_group(at.groups, values)
        target[keys] += sums
        if self._sliding:
            if at.row >= 0:
                self.panes[at.row, keys] += sums
            else:
                np.add.at(flat, at.cells, values)
        return running

    def clear_row(self, row: int, used: int) -> None:
        """The pane in ``row`` leaves the window."""
        if self._sliding:
            self.total[:used] -= self.panes[row, :used]
        self.panes[row, :used] = 0

    def clear_slots(self, slots: Int64) -> None:
        """The keys at ``slots`` are forgotten."""
        self.panes[:, slots] = 0
        if self._sliding:
            self.total[slots] = 0

    def grow(self, capacity: int, rows: Int64) -> None:
        """Make room for more slots; only ``rows`` hold anything."""
        self.panes = _with_room(self.panes, capacity, rows)
        if self._sliding:
            self.total = grown(self.total, capacity)

    def open(self, row: int) -> None:
        """A pane or window enters ``row``: it holds zeros already."""

    def settle(self) -> None:
        """Totals from rows, after rows were loaded."""
        if self._sliding:
            self.total = self.panes.sum(axis=0)


class PaneExtremes:
    """Smallest (``np.fmin``) or largest (``np.fmax``) value for each pane and key; NaN where there is none."""

    def __init__(self, rows: int, capacity: int, extreme: np.ufunc, *, sliding: bool) -> None:
        self.panes = np.full((rows, capacity), np.nan)
        self.total = np.full(capacity if sliding else 0, np.nan)
        self._is_ready = np.ones(rows, np.bool_)  # rows that hold NaN where they hold nothing
        self._extreme = extreme
        self._sign = 1.0 if extreme is np.fmax else -1.0
        self._sliding = sliding

    def update(self, at: Placement, values: Float64, *, trailing: bool) -> Float64 | None:
        """Take ``values`` in; running extremes at each record, each included, if asked for."""
        flat = self.panes.reshape(-1)
        target = self.total if self._sliding else flat
        loops, groups, keys = compiled(), at.groups, at.groups.keys
        running = None
        if loops is not None:
            given = np.ascontiguousarray(values)
            found = np.empty_like(given) if trailing else _NO_VALUES
            placed = (flat if self._sliding else _NO_VALUES, at.rows, at.capacity, self._sign)
            loops.add_extremes(groups.order, groups.starts, groups.sizes, keys, given, target, found, *placed)
            return found if trailing else None
        if trailing:
            running, last = running_extreme(at.groups, values, target[keys], self._extreme)
        else:
            last = self._extreme(target[keys], self._extreme.reduceat(values[at.groups.order], at.groups.starts))
        target[keys] = last
        if self._sliding:
            self._extreme.at(flat, at.cells, values)
        return running

    def clear_row(self, row: int, used: int) -> None:
        """The pane in ``row`` leaves; only keys whose extreme stood there are searched anew."""
        leaving = self.panes[row, :used].copy()
        self.panes[row, :used] = np.nan
        if self._sliding:
            lost = np.flatnonzero(leaving == self.total[:used])
            self.total[lost] = self._extreme.reduce(self.panes[np.ix_(self._is_ready, lost)], axis=0)

    def clear_slots(self, slots: Int64) -> None:
        """The keys at ``slots`` are forgotten."""
        self.panes[:, slots] = np.nan
        if self._sliding:
            self.total[slots] = np.nan

    def grow(self, capacity: int, rows: Int64) -> None:
        """Make room for more slots; only ``rows`` hold anything."""
        self.panes, self._is_ready = _with_room_of_nan(self.panes, capacity, rows)
        if self._sliding:
            self.total = grown(self.total, capacity, np.nan)

    def open(self, row: int) -> None:
        """A pane or window enters ``row``."""
        _open(self.panes, row, self._is_ready)

    def settle(self) -> None:
        """Totals from rows, after rows were loaded."""
        if self._sliding and self._is_ready.any():
            self.total = self._extreme.reduce(self.panes[self._is_ready], axis=0)


class PaneLast:
    """The newest value by stream order, for each pane and key; NaN where there is none."""

    def __init__(self, rows: int, capacity: int) -> None:
        self.panes = np.full((rows, capacity), np.nan)
        self._is_ready = np.ones(rows, np.bool_)  # as in extremes

    def update(self, at: Placement, values: Float64, *, trailing: bool) -> Float64 | None:
        """Take ``values`` in; a record's own value is the newest at that record."""
        known = np.flatnonzero(~np.isnan(values))
        self.panes.reshape(-1)[at.cells[known]] = values[known]  # the last assignment to a repeated place wins
        return values if trailing else None

    def clear_row(self, row: int, used: int) -> None:
        """The window in ``row`` leaves."""
        self.panes[row, :used] = np.nan

    def clear_slots(self, slots: Int64) -> None:
        """The keys at ``slots`` are forgotten."""
        self.panes[:, slots] = np.nan

    def grow(self, capacity: int, rows: Int64) -> None:
        """Make room for more slots; only ``rows`` hold anything."""
        self.panes, self._is_ready = _with_room_of_nan(self.panes, capacity, rows)

    def open(self, row: int) -> None:
        """A pane or window enters ``row``."""
        _open(self.panes, row, self._is_ready)

    def settle(self) -> None:
        """Nothing to do: there are no totals."""


class PaneVectors:
    """Sums of vectors (histogram buckets) for each window and key; tumbling only, no trailing values.

    Args:
        rows: Windows open at once.
        capacity: Slots.
        width: Length of a vector.
    """

    def __init__(self, rows: int, capacity: int, width: int) -> None:
        self.panes = np.zeros((rows, width, capacity), np.int64)

    def update(self, at: Placement, values: Int64, *, trailing: bool) -> None:
        """Add vectors of shape ``(n, width)``."""
        if trailing:
            raise ValueError("a histogram has no trailing value")
        np.add.at(self.panes.transpose(0, 2, 1), (at.rows, at.slots), values)

    def clear_row(self, row: int, used: int) -> None:
        """The window in ``row`` leaves."""
        self.panes[row, :, :used] = 0

    def clear_slots(self, slots: Int64) -> None:
        """The keys at ``slots`` are forgotten."""
        self.panes[:, :, slots] = 0

    def grow(self, capacity: int, rows: Int64) -> None:
        """Make room for more slots; only ``rows`` hold anything."""
        self.panes = _with_room(self.panes, capacity, rows)

    def open(self, row: int) -> None:
        """A window enters ``row``: it holds zeros already."""

    def settle(self) -> None:
        """Nothing to do: there are no totals."""


def _with_room(panes: NDArray[Any], capacity: int, rows: Int64) -> NDArray[Any]:
    """The same with more slots. Zeros are left to the operating system, which gives memory once it is written to."""
    larger = np.zeros((*panes.shape[:-1], capacity), panes.dtype)
    for row in rows.tolist():
        larger[row, ..., : panes.shape[-1]] = panes[row]
    return larger


def _with_room_of_nan(panes: Float64, capacity: int, rows: Int64) -> tuple[Float64, NDArray[np.bool_]]:
    """The same for rows of NaN, and which rows are: no others are made before something enters them."""
    larger, have = np.empty((len(panes), capacity)), panes.shape[-1]
    is_ready = np.zeros(len(panes), np.bool_)
    is_ready[rows] = True
    for row in rows.tolist():
        larger[row, :have], larger[row, have:] = panes[row], np.nan
    return larger, is_ready


def _open(panes: Float64, row: int, is_ready: NDArray[np.bool_]) -> None:
    if not is_ready[row]:
        panes[row], is_ready[row] = np.nan, True


Accumulator = PaneSums | PaneExtremes | PaneLast | PaneVectors


def window_value(accumulator: Accumulator, rows: list[int], used: int) -> NDArray[Any]:
    """Each key's value over the window whose panes stand in ``rows``, oldest first; shape ``(used,)``.

    A vector's shape is ``(used, width)``. A sliding ``last`` is the newest pane's.
    """
    if isinstance(accumulator, PaneVectors):
        return np.ascontiguousarray(accumulator.panes[rows].sum(axis=0)[:, :used].T)
    if len(rows) == 1:
        return accumulator.panes[rows[0], :used].copy()
    if isinstance(accumulator, PaneLast):
        newest = np.full(used, np.nan)
        for row in rows:
            newest = np.where(np.isnan(accumulator.panes[row, :used]), newest, accumulator.panes[row, :used])
        return newest
    return accumulator.total[:used].copy()
