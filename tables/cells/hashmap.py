"""A hash map from 64-bit codes to rows, in arrays, so that a column is looked up at once.

Open addressing with linear probing (Knuth, vol. 3, 6.4): each pass resolves all codes that meet their own entry or an
empty place; few are left after two passes, because at most half of the places are taken.
"""

from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from tables.slices import optional

Int64 = NDArray[np.int64]
MISSING = -1
_GONE = -2
_SMALLEST = 1024
_FEW = 32

compiled = optional(lambda: import_module("tables.cells.compiled"))


class CodeMap:
    """Codes, which are hashes already, to rows at least 0.

    Cost: about 30 ns a look-up, 5 where it is compiled; 32 bytes a code or more.
    """

    def __init__(self) -> None:
        self._codes = np.zeros(_SMALLEST, np.int64)
        self._rows = np.full(_SMALLEST, MISSING, np.int64)
        self._held = 0
        self._taken = 0  # held or gone: places at which a search goes on

    def __len__(self) -> int:
        return self._held

    def find(self, codes: Int64) -> Int64:
        """The row of each code, shape ``(n,)``; ``MISSING`` for codes not held."""
        return np.asarray(self._rows[self._places(codes)])

    def insert(self, codes: Int64, rows: Int64) -> None:
        """Add distinct codes that are not held, of rows at least 0."""
        if 2 * (self._taken + len(codes)) > len(self._rows):
            self._rebuild(self._held + len(codes))
        self._put(codes, rows)
        self._held += len(codes)

    def give(self, codes: Int64, found: Int64, free: Int64) -> NDArray[np.bool_]:
        """Give each code without a row one of ``free``, in turn and equal ones the same; which codes are the first.

        Args:
            codes: Shape ``(n,)``.
            found: Their rows as ``find`` gave them, to be completed.
            free: At least as many as there are codes without a row; those that are given come first.

        Returns:
            Shape ``(n,)``: as many as rows were given.
        """
        first = np.zeros(len(codes), np.bool_)
        missing = (found < 0).nonzero()[0]
        loops = compiled()
        if loops is not None:
            if 2 * (self._taken + len(missing)) > len(self._rows):
                self._rebuild(self._held + len(missing))
            given = loops.place_new_codes(self._codes, self._rows, codes, free, found, first)
            self._taken += given
            self._held += given
            return first
        _, earliest, inverse = np.unique(codes[missing], return_index=True, return_inverse=True)
        turn = np.empty(len(earliest), np.int64)
        turn[np.argsort(earliest, kind="stable")] = np.arange(len(earliest))  # in stream order, whatever the cut
        first[missing[earliest]] = True
        found[missing] = free[turn[inverse]]
        self.insert(codes[first], found[first])
        return first

    def remove(self, codes: Int64) -> None:
        """Forget distinct codes that are held."""
        self._rows[self._places(codes)] = _GONE
        self._held -= len(codes)

    def _places(self, codes: Int64) -> Int64:
        """Where each code stands, or the empty place at which its search ends."""
        loops = compiled()
        if loops is not None:
            found = np.empty(len(codes), np.int64)
            loops.find_places(self._codes, self._rows, codes, found)
            return found
        mask = len(self._rows) - 1
        places = codes & mask
        left = self._passes_by(codes, places).nonzero()[0]
        while len(left):
            places[left] = (places[left] + 1) & mask
            left = left[self._passes_by(codes[left], places[left])]
        return places

    def _passes_by(self, codes: Int64, places: Int64) -> NDArray[np.bool_]:
        rows = self._rows[places]
        by: NDArray[np.bool_] = (rows == _GONE) | ((rows != MISSING) & (self._codes[places] != codes))
        return by

    def _put(self, codes: Int64, rows: Int64) -> None:
        mask, loops = len(self._rows) - 1, compiled()
        if loops is not None:
            loops.place_codes(self._codes, self._rows, codes, rows)
            self._taken += len(codes)
            return
        if len(codes) <= _FEW:
            self._put_few(codes.tolist(), rows.tolist(), mask)
            return
        places = codes & mask
        while len(codes):
            at = (self._rows[places] == MISSING).nonzero()[0]
            self._rows[places[at]] = rows[at]  # of several that meet at a place, the last stays in both arrays
            self._codes[places[at]] = codes[at]
            rest = self._rows[places] != rows
            self._taken += len(codes) - int(rest.sum())
            codes, rows, places = codes[rest], rows[rest], (places[rest] + 1) & mask

    def _put_few(self, codes: list[int], rows: list[int], mask: int) -> None:
        """The same one by one, which is faster for a handful."""
        for code, row in zip(codes, rows, strict=True):
            place = code & mask
            while self._rows[place] != MISSING:
                place = (place + 1) & mask
            self._rows[place], self._codes[place] = row, code
        self._taken += len(codes)

    def _rebuild(self, room: int) -> None:
        held = self._rows >= 0
        codes, rows = self._codes[held], self._rows[held]
        capacity = _SMALLEST
        while capacity < 3 * room:
            capacity *= 2
        self._codes = np.zeros(capacity, np.int64)
        self._rows = np.full(capacity, MISSING, np.int64)
        self._taken = 0
        self._put(codes, rows)
