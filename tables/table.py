"""A windowed table of one partition: what each key did, by event time.

Records arrive in the stream order of their partition. The newest event time so far is the *head*; it only moves forward.

::

    sliding 60 s, panes of 10 s, head in pane 9          tumbling 60 s, grace 5 s
    pane    3   4   5   6   7   8   9                    [0,60)    closed when the head reaches 65
            |   |___________________|                    [60,120)  open
            |          window
            left when the head entered pane 9

A record counts in the pane of its own event time. It is late, and left out, when it is more than the grace behind the
newest event time of the partition it came from, or when its window is closed already. Trailing values are those of the
window of the head (sliding) or of the record's own window (tumbling), the record included, as known at that point of the
stream; so they do not depend on how the stream was cut into batches.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tables.distinct import Distinct
from tables.keys import NEVER, KeyIndex
from tables.measures import COUNT, Part, all_parts, finish, parts_of, square_limb, whole
from tables.newness import Newness
from tables.panes import Accumulator, PaneExtremes, PaneLast, PaneSums, PaneVectors, Placement, window_value
from tables.segments import Groups, group_by
from tables.slab import BLOCK, Dirty, Slab
from tables.spec import Measure, TableSpec

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]
Columns = dict[str, NDArray[Any]]
_TICKS_IN_WINDOW = 60


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Records for a table, in stream order, as columns of shape ``(n,)``.

    Args:
        slots: Slot of each record's key.
        time_ms: Event times.
        own_ms: The newest event time so far of the partition that the record came from first; lateness is judged by it.
        head_ms: The newest event time so far in this partition; never decreases, never below ``time_ms``.
        inputs: Every expression that a measure reads, evaluated.
        first_seen_ms: When each record's key was first seen; NaN if never before.
        last_seen_ms: Newest event time of the key before the record; NaN if none.
        groups: Records by slot.
    """

    slots: Int64
    time_ms: Int64
    own_ms: Int64
    head_ms: Int64
    inputs: Mapping[str, NDArray[Any]]
    first_seen_ms: NDArray[np.float64]
    last_seen_ms: NDArray[np.float64]
    groups: Groups


@dataclass(frozen=True, slots=True)
class Trailing:
    """What the table knew at each record.

    Args:
        live: Which records counted, shape ``(n,)``; the others were late.
        columns: The asked-for measures, each shape ``(n,)``; 0 or NaN at late records.
        window_start_ms: Start of each record's window, shape ``(n,)``.
    """

    live: Bool
    columns: Columns
    window_start_ms: Int64


@dataclass(frozen=True, slots=True)
class Closed:
    """A tumbling window's final rows: one for each key that had records in it."""

    window_start_ms: int
    keys: list[str]
    columns: Columns


class WindowTable:
    """State of one table in one partition.

    Args:
        spec: What it is.
        index: Slots of its keys, shared with other tables of the same key.
        trailing: Measures wanted at each record; others are only kept.
        skew_ms: How far partitions that feed this one may lie apart (0 unless repartitioned): windows close so much later.

    Cost: for each record about 10 ns a plain sum and 40 ns a trailing one, and a sort shared by all tables of the key;
    ``8 * n_rows`` bytes a key for each accumulator.
    """

    def __init__(self, spec: TableSpec, index: KeyIndex, *, trailing: Collection[str], skew_ms: int = 0) -> None:
        window = spec.window
        self.spec = spec
        self._index = index
        self._sliding = window.kind == "sliding"
        self._skew_ms = skew_ms
        self._n_rows = window.n_panes if self._sliding else (window.grace_ms + skew_ms) // window.size_ms + 2
        self._held = np.full(self._n_rows, NEVER, np.int64)  # the pane in each row
        self._head = NEVER
        self._tick = NEVER
        self._tick_ms = window.pane_ms if self._sliding else max(1, window.size_ms // _TICKS_IN_WINDOW)
        self._first_open = NEVER
        self._dirty = Dirty(self._n_rows)
        self._closed: list[Closed] = []
        self._parts = all_parts(spec.measures)
        self._wanted = [measure for measure in spec.measures if measure.name in trailing]
        self._wanted_parts = {part for measure in self._wanted for part in parts_of(measure)}
        self._sums: dict[Part, Accumulator] = {part: self._make(part) for part in self._parts if not part.rare}
        self._distinct = {m.name: self._make_distinct() for m in spec.measures if m.kind == "distinct"}
        self._newness = {m.name: self._make_newness() for m in spec.measures if m.kind == "is_new"}

    # ---- records in -------------------------------------------------------------------------------------------------

    def update(self, arrivals: Arrivals) -> Trailing:
        """Take records in; the wanted measures at each of them."""
        self._fit()
        window = self.spec.window
        n = len(arrivals.slots)
        live = np.ones(n, np.bool_)
        columns: Columns = {}
        panes = arrivals.time_ms // window.pane_ms
        late = arrivals.time_ms < arrivals.own_ms - window.grace_ms
        for start, stop in self._slices(arrivals.head_ms):
            self._advance(int(arrivals.head_ms[start]))
            live[start:stop] = ~late[start:stop] & (panes[start:stop] >= self._oldest)
            self._take(arrivals, panes, np.flatnonzero(live[start:stop]) + start, columns)
        for measure in self._wanted:
            columns.setdefault(measure.name, np.full(n, np.nan))
        if self._sliding:
            starts = (arrivals.head_ms // window.pane_ms + 1) * window.pane_ms - window.size_ms
        else:
            starts = panes * window.size_ms
        return Trailing(live, columns, starts)

    def close(self, now_ms: int) -> None:
        """Close tumbling windows whose end and grace lie at or before ``now_ms`` of event time."""
        if self._sliding:
            return
        window = self.spec.window
        first_open = (now_ms - window.grace_ms) // window.size_ms
        if first_open <= self._first_open:
            return
        self._first_open = first_open
        for row in np.argsort(self._held, kind="stable").tolist():
            pane = int(self._held[row])
            if pane != NEVER and pane < first_open:
                self._emit(row, pane)
                self._clear_row(row)

    def take_closed(self) -> list[Closed]:
        """Windows closed since the last call, oldest first."""
        closed, self._closed = self._closed, []
        return closed

    @property
    def _oldest(self) -> int:
        """The oldest pane that a record may still count in."""
        return self._head - self._n_rows + 1 if self._sliding else self._first_open

    def _slices(self, head_ms: Int64) -> Iterator[tuple[int, int]]:
        """Stretches of records between which the window moves, one closes, or keys may change over to sketches."""
        window = self.spec.window
        ticks = head_ms // (self._tick_ms if self._distinct else window.pane_ms)
        moved = ticks[1:] != ticks[:-1]
        if not self._sliding:
            closed = (head_ms - window.grace_ms - self._skew_ms) // window.size_ms
            moved |= closed[1:] != closed[:-1]
        cuts = (np.flatnonzero(moved) + 1).tolist()
        yield from zip([0, *cuts], [*cuts, len(head_ms)], strict=True)

    def _advance(self, head_ms: int) -> None:
        window = self.spec.window
        head = head_ms // window.pane_ms
        if self._sliding and head > self._head:
            self._head = head
            for row in np.flatnonzero((self._held != NEVER) & (self._held < self._oldest)).tolist():
                self._clear_row(row)
        elif not self._sliding:
            self._head = max(head, self._head)
            self.close(head_ms - self._skew_ms)
        tick = head_ms // self._tick_ms
        if tick > self._tick:
            self._tick = tick
            for distinct in self._distinct.values():
                distinct.start_pane(self._oldest)

    def _take(self, arrivals: Arrivals, panes: Int64, records: Int64, columns: Columns) -> None:
        if not len(records):
            return
        every = len(records) == len(panes)
        pane = panes if every else panes[records]
        at = self._place(arrivals, pane, records, every=every)
        window_ms = self._window_start(arrivals, pane, records)
        self._held[at.rows] = pane
        self._dirty.mark(at.rows if at.row < 0 else at.row, at.slots if at.row < 0 else at.groups.keys % at.capacity)
        parts = self._update_parts(at, arrivals.inputs, records, every=every)
        n = len(panes)
        for measure in self.spec.measures:
            if measure.kind in ("distinct", "is_new"):
                values = arrivals.inputs[str(measure.input)][records]
                if measure.kind == "distinct":
                    wanted = measure in self._wanted
                    found = self._distinct[measure.name].update(at, values, pane, trailing=wanted)
                else:
                    time_ms, head_ms = arrivals.time_ms[records], arrivals.head_ms[records]
                    found = self._newness[measure.name].update(at, values, time_ms, head_ms, window_ms)
            elif measure not in self._wanted:
                continue
            elif measure.kind == "first_seen":
                found = arrivals.first_seen_ms[records]
            elif measure.kind == "last_seen":
                found = arrivals.last_seen_ms[records]
            else:
                found = finish(measure, parts.__getitem__)
            if measure in self._wanted:
                _scatter(columns, measure.name, found, records, n)

    def _place(self, arrivals: Arrivals, pane: Int64, records: Int64, *, every: bool) -> Placement:
        slots = arrivals.slots if every else arrivals.slots[records]
        rows = pane % self._n_rows
        row = int(rows[0]) if (rows == rows[0]).all() else -1
        capacity = self._index.capacity
        if self._sliding:
            groups = arrivals.groups if every else group_by(slots)
        elif row >= 0 and every:
            shared = arrivals.groups
            groups = Groups(shared.order, shared.starts, shared.keys + row * capacity, shared.sizes)
        else:
            groups = group_by(rows * capacity + slots)
        return Placement(slots, rows, row, groups, capacity, self._sliding)

    def _window_start(self, arrivals: Arrivals, pane: Int64, records: Int64) -> Int64:
        window = self.spec.window
        newest = arrivals.head_ms[records] // window.pane_ms if self._sliding else pane
        return (newest - window.n_panes + 1) * window.pane_ms

    def _update_parts(
        self, at: Placement, inputs: Mapping[str, NDArray[Any]], records: Int64, *, every: bool
    ) -> Columns:
        running: dict[Any, NDArray[Any]] = {}
        for part in self._parts:
            values = _part_values(part, at, None if not part.input else inputs[part.input], records, every=every)
            accumulator = self._sums.get(part)
            if accumulator is None:
                if values is None or not values.any():
                    running[part] = np.zeros(1, np.int64)
                    continue
                accumulator = self._sums[part] = self._make(part)
            wanted = part in self._wanted_parts
            given = np.zeros(len(at.slots), np.int64) if values is None else values
            found = accumulator.update(at, given, trailing=wanted)  # type: ignore[arg-type]  # each kind its own dtype
            if found is not None:
                running[part] = found
        return running

    # ---- what is known now ------------------------------------------------------------------------------------------

    def columns(self, row: int | None = None) -> tuple[Int64, Columns]:
        """Slots with records in the window of ``row`` (tumbling) or in the whole window (sliding), and every measure.

        Returns:
            Slots, shape ``(k,)``, ascending, and columns, shape ``(k,)`` each (``(k, width)`` for a histogram).
        """
        used = self._index.used
        rows = self.rows() if row is None else [row]
        counts = window_value(self._sums[COUNT], rows, used) if rows else np.zeros(used, np.int64)
        slots = np.flatnonzero(counts)

        def read(part: Part) -> NDArray[Any]:
            accumulator = self._sums.get(part)
            if accumulator is None:
                return np.zeros(len(slots), np.int64)
            return window_value(accumulator, rows, used)[slots]

        columns: Columns = {}
        for measure in self.spec.measures:
            if measure.kind == "distinct":
                counts = self._distinct[measure.name].counts
                columns[measure.name] = counts[0 if self._sliding else rows[0], slots] if rows else counts[0, slots]
            elif measure.kind in ("first_seen", "last_seen"):
                times = self._index.first_ms if measure.kind == "first_seen" else self._index.last_ms
                columns[measure.name] = times[slots].astype(np.float64)
            elif measure.kind != "is_new":
                columns[measure.name] = finish(measure, read)
        return slots, columns

    def rows(self) -> list[int]:
        """Rows that hold a pane, oldest first."""
        return [int(row) for row in np.argsort(self._held, kind="stable") if self._held[row] != NEVER]

    def pane_in(self, row: int) -> int:
        """Number of the pane or window in ``row``."""
        return int(self._held[row])

    # ---- keys come and go -------------------------------------------------------------------------------------------

    def sweep(self, before_ms: int) -> None:
        """Forget values of keys not seen since ``before_ms`` of stream time."""
        for newness in self._newness.values():
            newness.sweep(before_ms)

    def clear_slots(self, slots: Int64) -> None:
        """The keys at ``slots`` are forgotten; what tumbling windows held of them is emitted first."""
        self._fit()
        for accumulator in self._sums.values():
            accumulator.clear_slots(slots)
        for distinct in self._distinct.values():
            distinct.clear_slots(slots)
        for newness in self._newness.values():
            newness.clear_slots(slots)
        self._dirty.mark_blocks(np.unique(slots // BLOCK))

    def emit_slots(self, slots: Int64) -> None:
        """Emit what open tumbling windows hold of the keys at ``slots``, which are about to be evicted."""
        if not self._sliding:
            for row in self.rows():
                self._emit(row, self.pane_in(row), slots)

    # ---- stored form ------------------------------------------------------------------------------------------------

    def take_dirty(self, applied: int) -> dict[str, Slab | None]:
        """Slabs that changed since the last call, by name; ``None`` for one that is gone."""
        slabs: dict[str, Slab | None] = {}
        for row, block in self._dirty.take():
            part = slice(block * BLOCK, min((block + 1) * BLOCK, self._index.used))
            pane = int(self._held[row])
            if part.start >= part.stop or pane == NEVER:
                continue
            arrays = {of.name: sums.panes[row][..., part] for of, sums in self._sums.items()}
            slabs[f"pane/{row}/{block}"] = Slab(applied=applied, pane=pane, start=part.start, arrays=arrays)
        for kind, members in (("distinct", self._distinct), ("new", self._newness)):
            for name, member in members.items():
                for block_name, slab in member.take_dirty(applied).items():
                    slabs[f"{kind}/{name}/{block_name}"] = slab
        return slabs

    def load(self, slabs: Mapping[str, Slab], head_ms: int, closed_ms: int) -> None:
        """Restore from the latest slabs.

        Args:
            slabs: By the names that ``take_dirty`` gave.
            head_ms: Newest event time that had been seen.
            closed_ms: Event time up to which windows had been closed.
        """
        self._fit()
        window = self.spec.window
        self._head = head_ms // window.pane_ms
        self._tick = head_ms // self._tick_ms
        self._first_open = (closed_ms - window.grace_ms) // window.size_ms
        by_name = {part.name: part for part in self._parts}
        for name, slab in slabs.items():
            kind, _, rest = name.partition("/")
            if kind == "pane":
                self._load_pane(int(rest.partition("/")[0]), slab, by_name)
            elif kind == "distinct":
                self._distinct[rest.partition("/")[0]].load(slab)
            else:
                self._newness[rest.partition("/")[0]].load(slab)
        for member in (*self._sums.values(), *self._distinct.values(), *self._newness.values()):
            member.settle()

    def _load_pane(self, row: int, slab: Slab, by_name: Mapping[str, Part]) -> None:
        if slab.pane < self._oldest:
            return  # left the window, or was closed, after it was written
        self._held[row] = slab.pane
        for name, array in slab.arrays.items():
            part = by_name[name]
            if part not in self._sums:
                self._sums[part] = self._make(part)
            self._sums[part].panes[row][..., slab.start : slab.start + array.shape[-1]] = array

    # ---- helpers ----------------------------------------------------------------------------------------------------

    def _emit(self, row: int, pane: int, only: Int64 | None = None) -> None:
        slots, columns = self.columns(row)
        for measure in self.spec.measures:
            if measure.kind in ("first_seen", "last_seen"):
                del columns[measure.name]  # facts of the key, not of the window: they may have moved on already
        if only is not None:
            chosen = np.flatnonzero(np.isin(slots, only))
            slots, columns = slots[chosen], {name: column[chosen] for name, column in columns.items()}
        if len(slots):
            keys = [str(self._index.names[slot]) for slot in slots.tolist()]
            self._closed.append(Closed(pane * self.spec.window.size_ms, keys, columns))

    def _clear_row(self, row: int) -> None:
        pane, used = int(self._held[row]), self._index.used
        for accumulator in self._sums.values():
            accumulator.clear_row(row, used)
        if not self._sliding:
            for distinct in self._distinct.values():
                distinct.clear_row(row, pane)
        self._held[row] = NEVER

    def _fit(self) -> None:
        """Make the arrays as long as the index's."""
        capacity = self._index.capacity
        if self._sums[COUNT].panes.shape[-1] < capacity:
            for member in (*self._sums.values(), *self._distinct.values(), *self._newness.values()):
                member.grow(capacity)

    def _make(self, part: Part) -> Accumulator:
        rows, capacity = self._n_rows, self._index.capacity
        if part.kind in ("min", "max"):
            extreme = np.fmin if part.kind == "min" else np.fmax
            return PaneExtremes(rows, capacity, extreme, sliding=self._sliding)
        if part.kind == "last":
            return PaneLast(rows, capacity)
        if part.kind == "histogram":
            return PaneVectors(rows, capacity, part.width)
        return PaneSums(rows, capacity, sliding=self._sliding)

    def _make_distinct(self) -> Distinct:
        return Distinct(self._n_rows, self._index.capacity, sliding=self._sliding)

    def _make_newness(self) -> Newness:
        return Newness(self._index.capacity, ttl_ms=self.spec.ttl_ms, max_keys=self.spec.max_keys)


def _part_values(
    part: Part, at: Placement, column: NDArray[Any] | None, records: Int64, *, every: bool
) -> NDArray[Any] | None:
    """What ``part`` adds for each record; ``None`` when it adds nothing."""
    if column is None:
        return at.ones
    if part.kind == "missing" and column.dtype.kind != "f":
        return None
    values = column if every else column[records]
    if part.kind == "count":
        return values.astype(np.int64)
    if part.kind == "missing":
        return np.isnan(values).astype(np.int64)
    if part.kind in ("min", "max", "last"):
        return values.astype(np.float64)
    if part.kind in ("sum", "histogram"):
        return whole(values, part.unit)
    return square_limb(part.kind, whole(values, part.unit))


def _scatter(columns: Columns, name: str, found: NDArray[Any], records: Int64, n: int) -> None:
    """Put a slice's values in their places of a column of all ``n`` records."""
    if len(records) == n:
        columns[name] = found
        return
    if name not in columns:
        columns[name] = np.full(n, np.nan if found.dtype.kind == "f" else 0, found.dtype)
    columns[name][records] = found


def measure_named(spec: TableSpec, name: str) -> Measure | None:
    """The measure called ``name``, if the table has it."""
    return next((measure for measure in spec.measures if measure.name == name), None)
