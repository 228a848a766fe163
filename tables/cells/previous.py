"""What each key's record before this one said."""

import numpy as np
from numpy.typing import NDArray

from tables.keys import grown
from tables.segments import Groups
from tables.slab import BLOCK, Dirty, Slab

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


class Previous:
    """The value of each key's record before, in stream order; NaN is no value, and passed over.

    Kept as long as the key is, whatever the window.

    Args:
        capacity: Slots.

    Cost: 40 ns a record; 8 bytes a key.
    """

    def __init__(self, capacity: int) -> None:
        self._values = np.full(capacity, np.nan)
        self._dirty = Dirty(1)

    def update(self, groups: Groups, slots: Int64, values: Float64) -> Float64:
        """Take ``values`` in; the one before each, shape ``(n,)``, NaN where there is none.

        Args:
            groups: Records by slot, or by row and slot.
            slots: Slot of each record, shape ``(n,)``.
            values: Shape ``(n,)``.
        """
        order = groups.order if _is_by_slot(groups, slots) else np.argsort(slots, kind="stable")
        held, given = slots[order], values[order]
        place = np.arange(len(order))
        begins = np.empty(len(order), np.bool_)
        begins[0] = True
        np.not_equal(held[1:], held[:-1], out=begins[1:])
        start = np.maximum.accumulate(np.where(begins, place, 0))
        latest = np.maximum.accumulate(np.where(np.isnan(given), -1, place))
        before = np.concatenate(([-1], latest[:-1]))
        found = np.empty(len(order))
        found[order] = np.where(before >= start, given[before], self._values[held])
        ends = np.append(np.flatnonzero(begins)[1:] - 1, len(order) - 1)
        named = ends[latest[ends] >= start[ends]]
        self._values[held[named]] = given[latest[named]]
        self._dirty.mark(0, held[named])
        return found

    def clear_slots(self, slots: Int64) -> None:
        """The keys at ``slots`` are forgotten."""
        self._values[slots] = np.nan
        self._dirty.mark(0, slots)

    def grow(self, capacity: int) -> None:
        """Make room for more slots."""
        self._values = grown(self._values, capacity, np.nan)

    def take_dirty(self, applied: int) -> dict[str, Slab]:
        """Changed blocks by name; forgets that they changed."""
        slabs = {}
        for _, block in self._dirty.take():
            part = slice(block * BLOCK, (block + 1) * BLOCK)
            slabs[str(block)] = Slab(applied=applied, start=part.start, arrays={"value": self._values[part]})
        return slabs

    def load(self, slab: Slab) -> None:
        """Take a stored slab in."""
        stored = slab.arrays["value"][: len(self._values) - slab.start]
        self._values[slab.start : slab.start + len(stored)] = stored

    def settle(self) -> None:
        """To be called once after the last ``load``."""


def _is_by_slot(groups: Groups, slots: Int64) -> bool:
    """Whether the groups are those of the slots, rather than of slots in several rows."""
    return bool((slots[groups.order[groups.starts]] == groups.keys).all())
