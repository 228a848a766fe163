"""Pairs of a key and a value, known by a 64-bit hash, as rows of arrays: what distinct counts and newness remember."""

import heapq

import numpy as np
from numpy.typing import NDArray

from tables.keys import grown
from tables.slab import BLOCK, Dirty, Slab

Int64 = NDArray[np.int64]
FREE = -1


class Pairs:
    """A set of pairs with whole-number columns.

    Two pairs are taken for one when their 64-bit hashes collide: for a million pairs the odds are 3 in 100 million.

    Args:
        columns: Names of what is kept for each pair besides ``code`` and ``slot``.

    Cost: one dictionary look-up a record; about 150 bytes a pair.
    """

    def __init__(self, *columns: str) -> None:
        self._index = _Index(self)
        self._free: list[int] = []
        self._used = 0
        self._columns = {name: np.zeros(BLOCK, np.int64) for name in ("code", *columns)}
        self._columns["slot"] = np.full(BLOCK, FREE, np.int64)
        self._scratch = np.zeros(BLOCK, np.int64)
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
        held = self._used
        free = len(self._free)
        rows = np.fromiter(map(self._index.__getitem__, codes.tolist()), np.int64, len(codes))
        first = np.zeros(len(codes), np.bool_)
        if self._used > held or len(self._free) < free:
            slot = self._columns["slot"]
            fresh = np.flatnonzero(slot[rows] == FREE)[::-1]
            self._scratch[rows[fresh]] = fresh  # the earliest record of a new pair is assigned last
            first[self._scratch[rows[fresh]]] = True
            slot[rows[fresh]] = slots[fresh]
            self._columns["code"][rows[fresh]] = codes[fresh]
        return rows, first

    def touch(self, rows: Int64) -> None:
        """Note that these rows changed."""
        self._dirty.mark(0, rows)

    def drop(self, rows: Int64) -> None:
        """Forget the pairs at ``rows``."""
        for code in self._columns["code"][rows].tolist():
            del self._index[code]
        for row in rows.tolist():
            heapq.heappush(self._free, row)
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
        codes = self._columns["code"][held]
        self._index.update(zip(codes.tolist(), held.tolist(), strict=True))
        self._free = np.flatnonzero(slot[: self._used] == FREE).tolist()

    def allocate(self) -> int:
        """A free row, the smallest one."""
        if self._free:
            return heapq.heappop(self._free)
        row = self._used
        self._reserve(row + 1)
        self._used += 1
        return row

    def _reserve(self, needed: int) -> None:
        capacity = len(self._scratch)
        if needed <= capacity:
            return
        while capacity < needed:
            capacity *= 2
        for name, column in self._columns.items():
            self._columns[name] = grown(column, capacity, FREE if name == "slot" else 0)
        self._scratch = np.zeros(capacity, np.int64)


class _Index(dict[int, int]):
    """Hash of a pair to its row; a missing pair gets one."""

    def __init__(self, pairs: Pairs) -> None:
        super().__init__()
        self._pairs = pairs

    def __missing__(self, code: int) -> int:
        row = self[code] = self._pairs.allocate()
        return row
