"""Everything that one table holds: arrays of rows (panes or windows) and slots (keys), and their stored form."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tables.cells.distinct import Distinct
from tables.cells.measures import COUNT, Part, all_parts, finish, square_limb, whole
from tables.cells.newness import Newness
from tables.cells.panes import Accumulator, PaneExtremes, PaneLast, PaneSums, PaneVectors, Placement, window_value
from tables.cells.previous import Previous
from tables.keys import NEVER, KeyIndex
from tables.slab import BLOCK, Dirty, Slab
from tables.spec import TRAILING_ONLY, TableSpec

Int64 = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]
Inputs = Mapping[str, NDArray[Any]]


class TableState:
    """What a table holds for each pane and key.

    Args:
        spec: The table.
        index: Slots of its keys.
        rows: Panes in a sliding window, or tumbling windows open at once.
    """

    def __init__(self, spec: TableSpec, index: KeyIndex, rows: int) -> None:
        self.held = np.full(rows, NEVER, np.int64)
        """The pane or window in each row, shape ``(n_rows,)``; ``NEVER`` for none."""
        self.distinct: dict[str, Distinct] = {}
        self.newness: dict[str, Newness] = {}
        self.previous: dict[str, Previous] = {}
        self._spec, self._index = spec, index
        self._sliding = spec.window.kind == "sliding"
        self._dirty = Dirty(rows)
        self._parts = all_parts(spec.measures)
        self._sums: dict[Part, Accumulator] = {part: self._make(part) for part in self._parts if not part.rare}
        for measure in spec.measures:
            if measure.kind == "distinct":
                self.distinct[measure.name] = Distinct(rows, index.capacity, sliding=self._sliding)
            elif measure.kind == "is_new":
                self.newness[measure.name] = Newness(index.capacity, ttl_ms=spec.ttl_ms, max_keys=spec.max_keys)
            elif measure.kind == "previous":
                self.previous[measure.name] = Previous(index.capacity)

    def rows(self) -> list[int]:
        """Rows that hold a pane, oldest first."""
        return [int(row) for row in np.argsort(self.held, kind="stable") if self.held[row] != NEVER]

    def add(
        self, at: Placement, panes: Int64, inputs: Inputs, records: Int64 | None, wanted: set[Part]
    ) -> dict[Part, NDArray[Any]]:
        """Add records to every accumulator; running values of the wanted ones at each record, shape ``(n,)``.

        Args:
            at: Where the records go.
            panes: Pane of each record, shape ``(n,)``.
            inputs: Columns of the whole batch.
            records: Which of the batch's records these are; ``None`` for all.
            wanted: Parts whose running values are asked for.
        """
        self._enter(at)
        self.held[at.rows] = panes
        if at.row >= 0:
            self._dirty.mark(at.row, at.groups.keys % at.capacity)
        else:
            self._dirty.mark(at.rows, at.slots)
        running: dict[Part, NDArray[Any]] = {}
        for part in self._parts:
            values = _values(part, at, inputs[part.input] if part.input else None, records)
            accumulator = self._sums.get(part)
            if accumulator is None:
                if values is None or not values.any():
                    running[part] = np.zeros(1, np.int64)
                    continue
                accumulator = self._sums[part] = self._make(part)
            given = np.zeros(len(at.slots), np.int64) if values is None else values
            found = accumulator.update(at, given, trailing=part in wanted)  # type: ignore[arg-type]  # the part made both
            if found is not None:
                running[part] = found
        return running

    def _enter(self, at: Placement) -> None:
        """Make the rows ready that hold nothing yet."""
        rows = np.array([at.row]) if at.row >= 0 else np.unique(at.rows)
        for row in rows[self.held[rows] == NEVER].tolist():
            for accumulator in self._sums.values():
                accumulator.open(row)

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
            if accumulator is None or not rows:
                return np.zeros(len(slots), np.int64)
            return window_value(accumulator, rows, used)[slots]

        columns: Columns = {}
        for measure in self._spec.measures:
            if measure.kind == "distinct":
                counts = self.distinct[measure.name].counts
                columns[measure.name] = counts[0 if self._sliding or not rows else rows[0], slots]
            elif measure.kind in ("first_seen", "last_seen"):
                times = self._index.first_ms if measure.kind == "first_seen" else self._index.last_ms
                columns[measure.name] = times[slots].astype(np.float64)
            elif measure.kind not in TRAILING_ONLY:
                columns[measure.name] = finish(measure, read)
        return slots, columns

    def clear_row(self, row: int) -> None:
        """The pane left the window, or the window was closed."""
        pane, used = int(self.held[row]), self._index.used
        for accumulator in self._sums.values():
            accumulator.clear_row(row, used)
        if not self._sliding:
            for distinct in self.distinct.values():
                distinct.clear_row(row, pane)
        self.held[row] = NEVER

    def clear_slots(self, slots: Int64) -> None:
        """The keys at ``slots`` are forgotten."""
        self.fit()
        for member in self._members():
            member.clear_slots(slots)
        self._dirty.mark_blocks(np.unique(slots // BLOCK))

    def fit(self) -> None:
        """Make the arrays as long as the index's."""
        capacity = self._index.capacity
        if self._sums[COUNT].panes.shape[-1] < capacity:
            held = np.flatnonzero(self.held != NEVER)
            for accumulator in self._sums.values():
                accumulator.grow(capacity, held)
            for member in self._others():
                member.grow(capacity)

    def take_dirty(self, applied: int) -> dict[str, Slab | None]:
        """Slabs that changed since the last call, by name; ``None`` for one that is gone."""
        slabs: dict[str, Slab | None] = {}
        # In the order of their definition, not of their first use, which depends on how the stream was cut.
        named = {of.name: self._sums[of].panes for of in self._parts if of in self._sums}
        for row, block in self._dirty.take():
            part = slice(block * BLOCK, min((block + 1) * BLOCK, self._index.used))
            pane = int(self.held[row])
            if part.start < part.stop and pane != NEVER:
                arrays = {name: panes[row][..., part] for name, panes in named.items()}
                slabs[f"pane/{row}/{block}"] = Slab(applied=applied, pane=pane, start=part.start, arrays=arrays)
        members: dict[str, Mapping[str, Distinct | Newness | Previous]]
        members = {"distinct": self.distinct, "new": self.newness, "previous": self.previous}
        for kind, of_kind in members.items():
            for name, member in of_kind.items():
                for block_name, slab in member.take_dirty(applied).items():
                    slabs[f"{kind}/{name}/{block_name}"] = slab
        return slabs

    def load(self, slabs: Mapping[str, Slab], oldest: int) -> None:
        """Restore from the latest slabs, by the names that ``take_dirty`` gave; panes before ``oldest`` are over."""
        self.fit()
        by_name = {part.name: part for part in self._parts}
        for name, slab in slabs.items():
            kind, _, rest = name.partition("/")
            owner = rest.rpartition("/sketch/")[0] or rest.rpartition("/")[0]
            if kind == "distinct":
                self.distinct[owner.partition("/")[0]].load(slab)
            elif kind == "new":
                self.newness[owner].load(slab)
            elif kind == "previous":
                self.previous[owner].load(slab)
            elif slab.pane >= oldest:
                self._load_pane(int(owner), slab, by_name)
        for member in self._members():
            member.settle()

    def _load_pane(self, row: int, slab: Slab, by_name: Mapping[str, Part]) -> None:
        self.held[row] = slab.pane
        for name, array in slab.arrays.items():
            part = by_name[name]
            if part not in self._sums:
                self._sums[part] = self._make(part)
            self._sums[part].open(row)
            self._sums[part].panes[row][..., slab.start : slab.start + array.shape[-1]] = array

    def _members(self) -> list[Accumulator | Distinct | Newness | Previous]:
        return [*self._sums.values(), *self._others()]

    def _others(self) -> list[Distinct | Newness | Previous]:
        return [*self.distinct.values(), *self.newness.values(), *self.previous.values()]

    def _make(self, part: Part) -> Accumulator:
        rows, capacity = len(self.held), self._index.capacity
        if part.kind in ("min", "max"):
            extreme = np.fmin if part.kind == "min" else np.fmax
            return PaneExtremes(rows, capacity, extreme, sliding=self._sliding)
        if part.kind == "last":
            return PaneLast(rows, capacity)
        if part.kind == "histogram":
            return PaneVectors(rows, capacity, part.width)
        return PaneSums(rows, capacity, sliding=self._sliding)


def _values(part: Part, at: Placement, column: NDArray[Any] | None, records: Int64 | None) -> NDArray[Any] | None:
    """What ``part`` adds for each record; ``None`` when it adds nothing."""
    if column is None:
        return at.ones
    if part.kind == "missing" and column.dtype.kind != "f":
        return None
    values: NDArray[Any] = column if records is None else column[records]
    if part.kind in ("min", "max", "last"):
        return np.asarray(values, np.float64)
    if part.kind == "missing":
        return np.asarray(np.isnan(values), np.int64)
    scaled = whole(values, part.unit)
    limbs = part.kind not in ("count", "sum", "histogram")
    return square_limb(part.kind, scaled) if limbs else scaled
