"""Pairs of a key and a value, known by a 64-bit hash, as rows of arrays: what distinct counts and newness remember."""

import numpy as np
from numpy.typing import NDArray

from tables.cells.hashmap import MISSING, CodeMap
from tables.keys import grown
from tables.slab import BLOCK, Dirty, Slab

Int64 = NDArray[np.int64]
FREE = -1


class Pairs:
    """A set of pairs with whole-number columns.

    Two pairs are taken for one when their 64-bit hashes collide: for a million pairs the odds are 3 in 100 million.

    Args:
        columns: Names of what is kept for each pair besides ``code`` and ``slot``.

    Cost: one look-up in a hash map of arrays a record; about 70 bytes a pair.
    """

    def __init__(self, *columns: str) -> None:
        self._index = CodeMap()
        self._free = np.empty(0, np.int64)
        self._used = 0
        self._columns = {name: np.zeros(BLOCK, np.int64) for name in ("code", *columns)}
        self._columns["slot"] = np.full(BLOCK, FREE, np.int64)
        self._dirty = Dirty(1)

    def __len__(self) -> int:
        """Pairs held."""
        return len(self._index)

    def column(self, name: str) -> Int64:
        """A column, shape ``(capacity,)``; free rows have slot -1."""
        return self._columns[name]

    @property
    def used(self) -> int:
        """Rows ever in use: all held pairs lie below."""
        return self._used

    def intern(self, codes: Int64, slots: Int64) -> tuple[Int64, NDArray[np.bool_]]:
        """Rows of the pairs, shape ``(n,)``, and which records are the first of a pair that was not held before."""
        rows = self._index.find(codes)
        missing = int((rows == MISSING).sum())
        if not missing:
            return rows, np.zeros(len(codes), np.bool_)
        reused = self._free[:missing]  # the smallest free rows, in stream order, so that they do not depend on the cut
        free = np.concatenate((reused, np.arange(self._used, self._used + missing - len(reused))))
        first = self._index.give(codes, rows, free)
        records = first.nonzero()[0]
        new = rows[records]
        self._free = self._free[len(new) :]
        self._used = max(self._used, int(new[-1]) + 1)
        self._reserve(self._used)
        self._columns["code"][new] = codes[records]
        self._columns["slot"][new] = slots[records]
        return rows, first

    def touch(self, rows: Int64) -> None:
        """Note that these rows changed."""
        self._dirty.mark(0, rows)

    def drop(self, rows: Int64) -> None:
        """Forget the pairs at ``rows``, ascending."""
        self._index.remove(self._columns["code"][rows])
        self._free = np.sort(np.concatenate((self._free, rows)))
        self._columns["slot"][rows] = FREE
        self.touch(rows)

    def of_slots(self, slots: Int64, capacity: int) -> Int64:
        """Rows of all pairs of the keys at ``slots``."""
        wanted = np.zeros(capacity + 1, np.bool_)  # the last place stands for FREE
        wanted[slots] = True
        return np.flatnonzero(wanted[self._columns["slot"][: self._used]])

    def take_dirty(self, applied: int) -> dict[str, Slab]:
        """Changed blocks by name; forgets that they changed."""
        slabs = {}
        for _, block in self._dirty.take():
            part = slice(block * BLOCK, min((block + 1) * BLOCK, self._used))
            arrays = {name: column[part] for name, column in self._columns.items()}
            slabs[str(block)] = Slab(applied=applied, start=block * BLOCK, arrays=arrays)
        return slabs

    def load(self, slab: Slab) -> None:
        """Take a stored block in."""
        stop = slab.start + len(slab.arrays["code"])
        self._reserve(stop)
        for name, column in self._columns.items():
            column[slab.start : stop] = slab.arrays[name]
        self._used = max(self._used, stop)

    def settle(self) -> None:
        """To be called once after the last ``load``."""
        slot = self._columns["slot"][: self._used]
        held = np.flatnonzero(slot != FREE)
        self._used = int(held[-1]) + 1 if len(held) else 0
        self._index.insert(self._columns["code"][held], held)
        self._free = np.flatnonzero(slot[: self._used] == FREE)

    def _reserve(self, needed: int) -> None:
        capacity = len(self._columns["slot"])
        if needed <= capacity:
            return
        while capacity < needed:
            capacity *= 2
        for name, column in self._columns.items():
            self._columns[name] = grown(column, capacity, FREE if name == "slot" else 0)
