"""A windowed table of one partition: what each key did, by event time.

Records arrive in the stream order of their partition. The newest event time so far is the *head*; it only moves
forward.

::

    sliding 60 s, panes of 10 s, head in pane 9          tumbling 60 s, grace 5 s
    pane    3   4   5   6   7   8   9                    [0,60)    closed when the head reaches 65
            |   |___________________|                    [60,120)  open
            |          window
            left when the head entered pane 9

A record counts in the pane of its own event time. It is late, and left out, when it is more than the grace behind the
newest event time of the partition it came from, or when its window is closed already. Trailing values are those of the
window of the head (sliding) or of the record's own window (tumbling), the record included, as known at that point of
the stream; so they do not depend on how the stream was cut into batches.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tables.arrivals import Arrivals, Closed, Columns, Trailing
from tables.cells.measures import finish, parts_of
from tables.cells.panes import Placement
from tables.cells.state import TableState
from tables.keys import NEVER, KeyIndex
from tables.segments import Groups, group_by
from tables.slab import Slab
from tables.spec import Measure, TableSpec, Window

Int64 = NDArray[np.int64]
_TICKS_IN_WINDOW = 60


class WindowTable:
    """One table in one partition.

    Args:
        spec: What it is.
        index: Slots of its keys, shared with other tables of the same key.
        trailing: Measures wanted at each record; others are only kept.
        skew_ms: How far partitions that feed this one may lie apart (0 unless repartitioned); windows close that much
            later.

    Cost: for each record about 10 ns a plain sum and 40 ns a trailing one, and a sort shared by all tables of the key;
    ``8 * n_rows`` bytes a key for each accumulator.
    """

    def __init__(self, spec: TableSpec, index: KeyIndex, *, trailing: Collection[str], skew_ms: int = 0) -> None:
        window = spec.window
        self.spec = spec
        self._index = index
        self._sliding = window.kind == "sliding"
        self._skew_ms = skew_ms
        self._n_rows = rows_of(window, skew_ms)
        self._head = self._tick = self._first_open = NEVER
        self._tick_ms = window.pane_ms if self._sliding else max(1, window.size_ms // _TICKS_IN_WINDOW)
        self._closed: list[Closed] = []
        self._wanted = [measure.name for measure in spec.measures if measure.name in trailing]
        self._measures = [
            (measure, measure.name in trailing)
            for measure in spec.measures
            if measure.name in trailing or measure.kind in ("distinct", "is_new")
        ]
        self._wanted_parts = {part for measure, wanted in self._measures for part in parts_of(measure) if wanted}
        self._state = TableState(spec, index, self._n_rows)

    # ---- records in -------------------------------------------------------------------------------------------------

    def update(self, arrivals: Arrivals) -> Trailing:
        """Take records in; the wanted measures at each of them."""
        self._state.fit()
        window = self.spec.window
        n = len(arrivals.slots)
        live = np.ones(n, np.bool_)
        columns: Columns = {}
        panes = arrivals.time_ms // window.pane_ms
        late = arrivals.time_ms < arrivals.own_ms - window.grace_ms
        for start, stop in self._slices(arrivals.head_ms):
            self._advance(int(arrivals.head_ms[start]))
            live[start:stop] = ~late[start:stop] & (panes[start:stop] >= self._oldest)
            self._take(arrivals, panes, live[start:stop].nonzero()[0] + start, columns)
        for name in self._wanted:
            if name not in columns:
                columns[name] = np.full(n, np.nan)
        return Trailing(live, columns, self._window_start_ms(arrivals.head_ms, panes))

    def close(self, now_ms: int) -> None:
        """Close tumbling windows whose end and grace lie at or before ``now_ms`` of event time."""
        if self._sliding:
            return
        window = self.spec.window
        first_open = (now_ms - window.grace_ms) // window.size_ms
        if first_open > self._first_open:
            self._first_open = first_open
            for row in self._state.rows():
                if self._state.held[row] < first_open:
                    self._emit(row)
                    self._state.clear_row(row)

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
        ticks = head_ms // (self._tick_ms if self._state.distinct else window.pane_ms)
        moved = ticks[1:] != ticks[:-1]
        if not self._sliding:
            closed = (head_ms - window.grace_ms - self._skew_ms) // window.size_ms
            moved |= closed[1:] != closed[:-1]
        cuts = (moved.nonzero()[0] + 1).tolist()
        yield from zip([0, *cuts], [*cuts, len(head_ms)], strict=True)

    def _advance(self, head_ms: int) -> None:
        self._head = max(self._head, head_ms // self.spec.window.pane_ms)
        self.close(head_ms - self._skew_ms)
        if self._sliding:
            held = self._state.held
            for row in ((held != NEVER) & (held < self._oldest)).nonzero()[0].tolist():
                self._state.clear_row(row)
        tick = head_ms // self._tick_ms
        if tick > self._tick:
            self._tick = tick
            for distinct in self._state.distinct.values():
                distinct.start_pane(self._oldest)

    def _take(self, arrivals: Arrivals, panes: Int64, records: Int64, columns: Columns) -> None:
        """Add ``records`` and put the wanted measures at their places in ``columns``."""
        if not len(records):
            return
        n = len(panes)
        chosen = None if len(records) == n else records
        pane = panes if chosen is None else panes[records]
        at = self._place(arrivals, pane, chosen)
        parts = self._state.add(at, pane, arrivals.inputs, chosen, self._wanted_parts)
        found: NDArray[Any] | None
        for measure, wanted in self._measures:
            if measure.kind == "distinct":
                values = arrivals.inputs[str(measure.input)][records]
                found = self._state.distinct[measure.name].update(at, values, pane, trailing=wanted)
            elif measure.kind == "is_new":
                found = self._is_new(measure, arrivals, at, pane, records)
            elif measure.kind in ("first_seen", "last_seen"):
                times = arrivals.first_seen_ms if measure.kind == "first_seen" else arrivals.last_seen_ms
                found = times[records]
            else:
                found = finish(measure, parts.__getitem__)
            if wanted and found is not None:
                _scatter(columns, measure.name, found, records, n)

    def _is_new(
        self, measure: Measure, arrivals: Arrivals, at: Placement, pane: Int64, records: Int64
    ) -> NDArray[np.bool_]:
        head_ms = arrivals.head_ms[records]
        start_ms = self._window_start_ms(head_ms, pane)
        values = arrivals.inputs[str(measure.input)][records]
        return self._state.newness[measure.name].update(at, values, arrivals.time_ms[records], head_ms, start_ms)

    def _place(self, arrivals: Arrivals, pane: Int64, chosen: Int64 | None) -> Placement:
        slots = arrivals.slots if chosen is None else arrivals.slots[chosen]
        rows = pane % self._n_rows
        row = int(rows[0]) if (rows == rows[0]).all() else -1
        capacity = self._index.capacity
        shared = arrivals.groups
        if self._sliding:
            groups = shared if chosen is None else group_by(slots)
        elif row >= 0 and chosen is None:
            groups = Groups(shared.order, shared.starts, shared.keys + row * capacity, shared.sizes)
        else:
            groups = group_by(rows * capacity + slots)
        return Placement(slots, rows, row, groups, capacity, self._sliding)

    def _window_start_ms(self, head_ms: Int64, pane: Int64) -> Int64:
        window = self.spec.window
        newest = head_ms // window.pane_ms if self._sliding else pane
        return (newest - window.n_panes + 1) * window.pane_ms

    # ---- what is known now ------------------------------------------------------------------------------------------

    @property
    def head(self) -> int:
        """Number of the newest pane or window entered."""
        return self._head

    def columns(self, row: int | None = None) -> tuple[Int64, Columns]:
        """Slots with records in the window, and every measure; see ``TableState.columns``."""
        return self._state.columns(row)

    def rows(self) -> list[int]:
        """Rows that hold a pane or window, oldest first."""
        return self._state.rows()

    def pane_in(self, row: int) -> int:
        """Number of the pane or window in ``row``."""
        return int(self._state.held[row])

    def names(self, slots: Int64) -> list[str]:
        """Keys at ``slots``."""
        return [str(self._index.names[slot]) for slot in slots.tolist()]

    # ---- keys come and go -------------------------------------------------------------------------------------------

    def sweep(self, before_ms: int) -> None:
        """Forget values of keys not seen since ``before_ms`` of stream time."""
        for newness in self._state.newness.values():
            newness.sweep(before_ms)

    def forget(self, slots: Int64) -> None:
        """The keys at ``slots`` are forgotten; what open tumbling windows hold of them is emitted first."""
        if not self._sliding:
            for row in self.rows():
                self._emit(row, slots)
        self._state.clear_slots(slots)

    def _emit(self, row: int, only: Int64 | None = None) -> None:
        slots, columns = self.columns(row)
        for measure in self.spec.measures:
            if measure.kind in ("first_seen", "last_seen"):
                del columns[measure.name]  # facts of the key, not of the window: they may have moved on already
        if only is not None:
            chosen = np.flatnonzero(np.isin(slots, only))
            slots, columns = slots[chosen], {name: column[chosen] for name, column in columns.items()}
        if len(slots):
            start_ms = self.pane_in(row) * self.spec.window.size_ms
            self._closed.append(Closed(start_ms, self.names(slots), columns, partial=only is not None))

    # ---- stored form ------------------------------------------------------------------------------------------------

    def take_dirty(self, applied: int) -> dict[str, Slab | None]:
        """Slabs that changed since the last call, by name; ``None`` for one that is gone."""
        return self._state.take_dirty(applied)

    def load(self, slabs: Mapping[str, Slab], head_ms: int, closed_ms: int) -> None:
        """Restore from the latest slabs.

        Args:
            slabs: By the names that ``take_dirty`` gave.
            head_ms: Newest event time that had been seen.
            closed_ms: Event time up to which windows had been closed.
        """
        window = self.spec.window
        self._head = head_ms // window.pane_ms
        self._tick = head_ms // self._tick_ms
        self._first_open = (closed_ms - window.grace_ms) // window.size_ms
        self._state.load(slabs, self._oldest)


def rows_of(window: Window, skew_ms: int) -> int:
    """Panes in a sliding window, or tumbling windows that may be open at once."""
    return window.n_panes if window.kind == "sliding" else (window.grace_ms + skew_ms) // window.size_ms + 2


def _scatter(columns: Columns, name: str, found: NDArray[Any], records: Int64, n: int) -> None:
    """Put a slice's values in their places of a column of all ``n`` records."""
    if len(records) == n:
        columns[name] = found
        return
    if name not in columns:
        columns[name] = np.full(n, np.nan if found.dtype.kind == "f" else 0, found.dtype)
    columns[name][records] = found
