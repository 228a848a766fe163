"""Distinct values of each key in its window: exact while few, HyperLogLog once many.

A key counts exactly, by remembering when each of its values was last seen. At the start of a pane, which is a point of
the stream and not of a batch, keys with more than ``LIMIT`` values in their window are handed to sketches, one a pane,
until their window is empty.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tables.cells.pairs import FREE, Pairs
from tables.cells.panes import Placement
from tables.cells.sketches import Sketches, new_sketch
from tables.keys import grown
from tables.segments import running_sum
from tables.slab import Slab
from tables.text import mix

Int64 = NDArray[np.int64]
Cell = tuple[int, int]
"""A key's window (-1 for a sliding one), and its slot."""
LIMIT = 1024
_HEAD = -1 << 62  # stands for what is stored of a cell besides its panes


def sketched(slab: Slab) -> tuple[int, int, int] | None:
    """What a stored slab says of a key in sketches: its window (-1 for a sliding one), its slot, and the estimate.

    ``None`` for a slab of pairs, and for one of a pane.
    """
    if "union" not in slab.extra:
        return None
    group, slot = slab.extra["cell"]
    return group, slot, Sketches(union=new_sketch(slab.extra["union"])).estimate()


class Distinct:
    """Distinct values for each key, over a sliding window or for each open tumbling one.

    Args:
        rows: Panes in the window, or windows open at once.
        capacity: Slots.
        sliding: Which of the two.

    Cost: one look-up in a hash map of arrays a record; about 70 bytes for each live value of a key, at most about
    ``LIMIT`` of them (and a pane's more) before 8 kB a pane take their place.
    """

    def __init__(self, rows: int, capacity: int, *, sliding: bool) -> None:
        self._rows = rows
        self._sliding = sliding
        self._pairs = Pairs("last", "value")
        self._large: dict[Cell, Sketches] = {}
        self._changed: set[tuple[int, int, int]] = set()  # cells with a pane, or ``_HEAD``
        self.counts = np.zeros((1 if sliding else rows, capacity), np.int64)

    def update(self, at: Placement, values: Int64, panes: Int64, *, trailing: bool) -> Int64 | None:
        """Count ``values`` (hashes or whole numbers), shape ``(n,)``, seen in ``panes``; running counts if asked."""
        flat = self.counts.reshape(-1)
        cells = at.slots if self._sliding else at.cells
        added = np.zeros(len(values), np.int64)
        large = self._is_large(at, panes)
        exact = slice(None) if large is None else np.flatnonzero(~large)
        codes = mix(values[exact], at.slots[exact])
        if not self._sliding:
            codes = mix(codes, panes[exact])
        pair, first = self._pairs.intern(codes, at.slots[exact])
        added[exact] = first
        self._remember(pair, first, panes[exact], values[exact])
        running, sums = running_sum(at.groups, added, flat[at.groups.keys])
        flat[at.groups.keys] += sums
        if large is not None:
            self._sketch_records(at, values, panes, np.flatnonzero(large), running)
            flat[cells[large]] = running[large]  # the last assignment wins: the newest estimate
        return running if trailing else None

    def start_pane(self, first: int) -> None:
        """A pane begins; the window's oldest is now ``first``. Large keys change over to sketches here."""
        if self._sliding:
            self._expire(self._pairs.column("last") < first)
            for cell in list(self._large):
                self._leave(cell, first)
        crowded = np.argwhere(self.counts > LIMIT)
        for row, slot in crowded.tolist():
            self._promote(row, slot)

    def clear_row(self, row: int, pane: int) -> None:
        """The tumbling window ``pane`` in ``row`` is closed."""
        self._expire(self._pairs.column("last") == pane)
        self.counts[row] = 0
        for cell in [cell for cell in self._large if cell[0] == pane]:
            self._forget(cell)

    def clear_slots(self, slots: Int64) -> None:
        """The keys at ``slots`` are forgotten."""
        self._pairs.drop(self._pairs.of_slots(slots, self.counts.shape[1]))
        self.counts[:, slots] = 0
        gone = set(slots.tolist())
        for cell in [cell for cell in self._large if cell[1] in gone]:
            self._forget(cell)

    def grow(self, capacity: int) -> None:
        """Make room for more slots."""
        self.counts = grown(self.counts, capacity)

    def take_dirty(self, applied: int) -> dict[str, Slab | None]:
        """Changed slabs by name, ``None`` for one that is gone."""
        slabs: dict[str, Slab | None] = dict(self._pairs.take_dirty(applied))
        for group, slot, pane in sorted(self._changed):
            sketches = self._large.get((group, slot))
            if pane == _HEAD:
                name, sketch = f"sketch/{group}/{slot}", sketches and sketches.union
                extra = {"cell": (group, slot), "union": sketch and sketch.serialize_compact()}
            else:
                name, sketch = f"sketch-pane/{group}/{slot}/{pane}", sketches and sketches.panes.get(pane)
                extra = {"cell": (group, slot), "pane": sketch and sketch.serialize_compact()}
            slabs[name] = Slab(applied=applied, pane=max(pane, 0), extra=extra) if sketch else None
        self._changed.clear()
        return slabs

    def load(self, slab: Slab) -> None:
        """Take a stored slab in."""
        if not slab.extra:
            self._pairs.load(slab)
            return
        group, slot = slab.extra["cell"]
        if (group, slot) not in self._large:
            self._large[group, slot] = Sketches()
        sketches = self._large[group, slot]
        if "pane" in slab.extra:
            sketches.panes[slab.pane] = new_sketch(slab.extra["pane"])
            return
        sketches.union = new_sketch(slab.extra["union"])
        for pane, data in slab.extra.get("panes", ()):  # as they were stored before panes had slabs of their own
            sketches.panes[pane] = new_sketch(data)
            self._changed.add((group, slot, pane))

    def settle(self) -> None:
        """Counts from pairs and sketches, after slabs were loaded."""
        self._pairs.settle()
        self.counts[:] = 0
        used = self._pairs.used
        slot, last = self._pairs.column("slot")[:used], self._pairs.column("last")[:used]
        held = slot != FREE
        np.add.at(self.counts, (self._row_of(last[held]), slot[held]), 1)
        for (group, at), sketches in self._large.items():
            self.counts[0 if self._sliding else group % self._rows, at] = sketches.estimate()

    def _row_of(self, pane: Int64) -> Int64:
        return np.zeros_like(pane) if self._sliding else pane % self._rows

    def _is_large(self, at: Placement, panes: Int64) -> NDArray[np.bool_] | None:
        if not self._large:
            return None
        slots = np.array([slot for _, slot in self._large], np.int64)
        large = np.isin(at.slots, slots)
        if not self._sliding:
            for record in np.flatnonzero(large).tolist():
                large[record] = (int(panes[record]), int(at.slots[record])) in self._large
        return large if large.any() else None

    def _sketch_records(self, at: Placement, values: Int64, panes: Int64, records: Int64, running: Int64) -> None:
        slots, own = at.slots[records].tolist(), panes[records].tolist()
        groups = [-1] * len(own) if self._sliding else own
        running[records] = [
            self._large[cell].add(pane, value)
            for cell, pane, value in zip(zip(groups, slots, strict=True), own, values[records].tolist(), strict=True)
        ]
        self._changed.update(zip(groups, slots, own, strict=True))
        self._changed.update(zip(groups, slots, [_HEAD] * len(own), strict=True))

    def _remember(self, pair: Int64, first: NDArray[np.bool_], panes: Int64, values: Int64) -> None:
        last = self._pairs.column("last")
        last[pair[first]] = panes[first]
        changed = pair[first]
        newer = (panes > last[pair]).nonzero()[0]
        if len(newer):
            np.maximum.at(last, pair[newer], panes[newer])
            changed = np.concatenate((changed, pair[newer]))
        self._pairs.column("value")[pair[first]] = values[first]
        self._pairs.touch(changed)

    def _expire(self, gone: NDArray[np.bool_]) -> None:
        slot = self._pairs.column("slot")
        rows = np.flatnonzero(gone & (slot != FREE))
        if len(rows):
            if self._sliding:
                np.subtract.at(self.counts[0], slot[rows], 1)
            self._pairs.drop(rows)

    def _promote(self, row: int, slot: int) -> None:
        rows = np.flatnonzero(self._pairs.column("slot")[: self._pairs.used] == slot)
        last = self._pairs.column("last")
        if not self._sliding:
            rows = rows[last[rows] % self._rows == row]
        if not len(rows):
            return  # sketched already
        values = self._pairs.column("value")[rows]
        sketches = Sketches()
        for at in np.argsort(values, kind="stable").tolist():
            sketches.add(int(last[rows[at]]), int(values[at]))
        cell = (-1 if self._sliding else int(last[rows[0]]), slot)
        self._large[cell] = sketches
        self._note(cell, sketches.panes)
        self.counts[row, slot] = sketches.estimate()
        self._pairs.drop(rows)

    def _leave(self, cell: Cell, first: int) -> None:
        sketches = self._large[cell]
        if max(sketches.panes) < first:
            self._forget(cell)
            self.counts[0, cell[1]] = 0
            return
        gone = sketches.leave(first)
        if gone:
            self.counts[0, cell[1]] = sketches.estimate()
            self._note(cell, gone)

    def _forget(self, cell: Cell) -> None:
        self._note(cell, self._large.pop(cell).panes)

    def _note(self, cell: Cell, panes: Iterable[int]) -> None:
        """These panes of a cell have changed, or are gone."""
        self._changed.update((*cell, pane) for pane in (_HEAD, *panes))
