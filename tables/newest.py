"""The newest transfer of each account, as it was before any transfer of a batch."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tables.cells.hashmap import MISSING, CodeMap, compiled
from tables.slab import BLOCK

Int64 = NDArray[np.int64]
NONE = -1


class Ends(NamedTuple):
    """The newest transfers to accounts, and from accounts."""

    into: "Newest"
    out_of: "Newest"

    def settle(self) -> None:
        """Let the transfers just added be what is newest from now on."""
        self.into.settle()
        self.out_of.settle()


class Newest:
    """The newest transfer of an account before another one, among those of a batch and those before it.

    Args:
        accounts: Of the batch, in stream order, shape ``(n,)``.
        start: Number of the first of the batch.
        heads: Newest number of each account before the batch.

    Cost: a sort of the batch, and 0.1 us a look-up; 50 ns of both where it is compiled.
    """

    def __init__(self, accounts: Int64, start: int, heads: "Heads") -> None:
        self._start, self._heads, self._n = start, heads, len(accounts)
        self._loops = compiled()
        if self._loops is None:
            self._known, rank = np.unique(accounts, return_inverse=True)
            self._places = np.sort(rank * (self._n + 1) + np.arange(self._n))  # by account, then in stream order
            return
        self._table = np.full(1 << (2 * self._n).bit_length(), NONE)
        self._known, self._places, self._starts = (np.empty(self._n + more, np.int64) for more in (0, 0, 1))
        groups = (self._table, self._known, self._starts, self._places)
        self._count = self._loops.group_codes(accounts, *groups)

    def before(self, accounts: Int64, numbers: Int64) -> Int64:
        """Number of each account's newest transfer before ``numbers``, shape ``(m,)``; ``NONE`` if there is none.

        Args:
            accounts: Shape ``(m,)``.
            numbers: Of transfers of the batch, shape ``(m,)``.
        """
        if not len(accounts):
            return np.empty(0, np.int64)
        place = self._before(accounts, numbers - self._start)
        found = np.where(place >= 0, self._start + place, NONE)
        missing = np.flatnonzero(place < 0)
        found[missing] = self._heads.find(accounts[missing])
        return found

    def _before(self, accounts: Int64, numbers: Int64) -> Int64:
        """The same among the batch alone, counted in it."""
        if self._loops is not None:
            place = np.empty(len(accounts), np.int64)
            groups = (self._table, self._known, self._starts, self._places)
            self._loops.newest_before(*groups, accounts, numbers, place)
            return place
        rank = np.minimum(np.searchsorted(self._known, accounts), len(self._known) - 1)
        low = rank * (self._n + 1)
        at = np.searchsorted(self._places, low + numbers) - 1
        place = self._places[np.maximum(at, 0)] - low
        return np.where((self._known[rank] == accounts) & (at >= 0) & (place >= 0), place, NONE)

    def settle(self) -> None:
        """Let the batch be what is newest from now on."""
        if self._loops is not None:
            last = self._places[self._starts[1 : self._count + 1] - 1]
            self._heads.put(self._known[: self._count], self._start + last)
        else:
            last = np.append(np.flatnonzero(np.diff(self._places // (self._n + 1))), self._n - 1)
            self._heads.put(self._known, self._start + self._places[last] % (self._n + 1))


class Heads:
    """The newest transfer of each account."""

    def __init__(self) -> None:
        self._rows = CodeMap()
        self._accounts = np.empty(0, np.int64)
        self._newest = np.empty(0, np.int64)
        self._used = 0

    def find(self, accounts: Int64) -> Int64:
        """Number of each account's newest transfer, shape ``(m,)``; ``NONE`` if there is none."""
        if not len(accounts) or not self._used:
            return np.full(len(accounts), NONE)
        rows = self._rows.find(accounts)
        return np.where(rows == MISSING, NONE, self._newest[np.maximum(rows, 0)])

    def move(self, accounts: Int64, numbers: Int64) -> None:
        """Take in transfers in stream order, both arguments of shape ``(m,)``."""
        known, last = np.unique(accounts[::-1], return_index=True)
        self.put(known, numbers[::-1][last])

    def put(self, known: Int64, newest: Int64) -> None:
        """Set the newest number of each account, none of them twice."""
        rows = self._rows.find(known)
        fresh = np.flatnonzero(rows == MISSING)
        rows[fresh] = np.arange(self._used, self._used + len(fresh))
        self._fit(self._used + len(fresh))
        self._rows.insert(known[fresh], rows[fresh])
        self._used += len(fresh)
        self._accounts[rows], self._newest[rows] = known, newest

    def forget(self, first: int) -> None:
        """Drop accounts without a transfer from number ``first`` on."""
        held = self._newest[: self._used] >= first
        if held.sum() * 2 > self._used:
            return
        accounts, newest = self._accounts[: self._used][held], self._newest[: self._used][held]
        self._rows, self._used = CodeMap(), 0
        self.move(accounts, newest)

    def _fit(self, needed: int) -> None:
        if needed > len(self._newest):
            more = max(needed, 2 * len(self._newest), BLOCK) - len(self._newest)
            self._accounts = np.concatenate((self._accounts, np.zeros(more, np.int64)))
            self._newest = np.concatenate((self._newest, np.zeros(more, np.int64)))
