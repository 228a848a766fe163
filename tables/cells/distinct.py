"""Distinct values of each key in its window: exact while few, HyperLogLog once many.

A key counts exactly, by remembering when each of its values was last seen. At the start of a pane, which is a point of
the stream and not of a batch, keys with more than ``LIMIT`` values in their window are handed to sketches, one a pane,
until their window is empty. Reference: Flajolet et al. (2007); Apache DataSketches' HLL, 1.6 % standard error.
"""

from dataclasses import dataclass, field

import datasketches
import numpy as np
from numpy.typing import NDArray

from tables.cells.pairs import FREE, Pairs
from tables.cells.panes import Placement
from tables.keys import grown
from tables.segments import running_sum
from tables.slab import Slab
from tables.text import mix

Int64 = NDArray[np.int64]
LIMIT = 1024
_LG_K = 12


def _sketch(data: bytes | None = None) -> datasketches.hll_sketch:
    if data is not None:
        return datasketches.hll_sketch.deserialize(data)
    return datasketches.hll_sketch(_LG_K, datasketches.HLL_8, True)  # no sparse mode: its estimate depends on order


@dataclass(slots=True)
class _Sketches:
    """A key's window in sketches: one for each pane, and their union."""

    panes: dict[int, datasketches.hll_sketch] = field(default_factory=dict)
    union: datasketches.hll_sketch = field(default_factory=_sketch)

    def add(self, pane: int, value: int) -> int:
        """Take a value in; the estimate over the window."""
        if pane not in self.panes:
            self.panes[pane] = _sketch()
        self.panes[pane].update(value)
        self.union.update(value)
        return self.estimate()

    def leave(self, first: int) -> None:
        """Panes before ``first`` have left the window."""
        if min(self.panes) >= first:
            return
        self.panes = {pane: sketch for pane, sketch in self.panes.items() if pane >= first}
        union = datasketches.hll_union(_LG_K)
        for pane in sorted(self.panes):
            union.update(self.panes[pane])
        self.union = union.get_result(datasketches.HLL_8)

    def estimate(self) -> int:
        """Distinct values in the window."""
        estimate: float = self.union.get_estimate()
        return round(estimate)


def sketched(slab: Slab) -> tuple[int, int, int] | None:
    """What a stored slab says of a key in sketches: its window (-1 for a sliding one), its slot, and the estimate.

    ``None`` for a slab of pairs.
    """
    if not slab.extra:
        return None
    group, slot = slab.extra["cell"]
    return group, slot, round(_sketch(slab.extra["union"]).get_estimate())


class Distinct:
    """Distinct values for each key, over a sliding window or for each open tumbling one.

    Args:
        rows: Panes in the window, or windows open at once.
        capacity: Slots.
        sliding: Which of the two.

    Cost: one look-up in a hash map of arrays a record; about 70 bytes for each live value of a key, at most about
    ``LIMIT`` of them (and a pane's more) before 4 kB a pane take their place.
    """

    def __init__(self, rows: int, capacity: int, *, sliding: bool) -> None:
        self._rows = rows
        self._sliding = sliding
        self._pairs = Pairs("last", "value")
        self._large: dict[tuple[int, int], _Sketches] = {}
        self._changed: set[tuple[int, int]] = set()
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
        for cell in sorted(self._changed):
            sketches = self._large.get(cell)
            name = f"sketch/{cell[0]}/{cell[1]}"
            if sketches is None:
                slabs[name] = None
                continue
            panes = [(pane, sketch.serialize_compact()) for pane, sketch in sorted(sketches.panes.items())]
            extra = {"cell": cell, "panes": panes, "union": sketches.union.serialize_compact()}
            slabs[name] = Slab(applied=applied, extra=extra)
        self._changed.clear()
        return slabs

    def load(self, slab: Slab) -> None:
        """Take a stored slab in."""
        if not slab.extra:
            self._pairs.load(slab)
            return
        panes = {pane: _sketch(data) for pane, data in slab.extra["panes"]}
        group, slot = slab.extra["cell"]
        self._large[group, slot] = _Sketches(panes, _sketch(slab.extra["union"]))

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
        for record in records.tolist():
            pane, slot = int(panes[record]), int(at.slots[record])
            cell = (-1 if self._sliding else pane, slot)
            running[record] = self._large[cell].add(pane, int(values[record]))
            self._changed.add(cell)

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
        sketches = _Sketches()
        for at in np.argsort(values, kind="stable").tolist():
            sketches.add(int(last[rows[at]]), int(values[at]))
        cell = (-1 if self._sliding else int(last[rows[0]]), slot)
        self._large[cell] = sketches
        self._changed.add(cell)
        self.counts[row, slot] = sketches.estimate()
        self._pairs.drop(rows)

    def _leave(self, cell: tuple[int, int], first: int) -> None:
        sketches = self._large[cell]
        if max(sketches.panes) < first:
            self._forget(cell)
            self.counts[0, cell[1]] = 0
        elif min(sketches.panes) < first:
            sketches.leave(first)
            self.counts[0, cell[1]] = sketches.estimate()
            self._changed.add(cell)

    def _forget(self, cell: tuple[int, int]) -> None:
        del self._large[cell]
        self._changed.add(cell)
