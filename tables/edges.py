"""Transfers from account to account, newest last, each linked to the ones before it at either end.

::

    number   7        8        9        10
             a -> b   c -> b   b -> d   a -> b
    in               <-7               <-8          the transfer before to the same receiver
    out                                <-7          the transfer before from the same sender
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from tables.cells.hashmap import MISSING, CodeMap
from tables.keys import grown
from tables.slab import BLOCK, Slab
from tables.textlog import TextLog

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
NONE = -1
_WORTH = 4
_NUMBERS = ("source", "target", "time_ms", "partition", "offset", "into", "out_of")


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfers:
    """Transfers in stream order, as columns of length ``n``.

    Args:
        source: Hash of the account that pays, shape ``(n,)``.
        target: Hash of the account that is paid, shape ``(n,)``.
        time_ms: Event times, shape ``(n,)``.
        amount: Shape ``(n,)``.
        partition: Of the record, shape ``(n,)``.
        offset: Of the record, shape ``(n,)``.
        names: Accounts that pay, as text.
        ids: The records' own ids; empty texts if they have none.
    """

    source: Int64
    target: Int64
    time_ms: Int64
    amount: Float64
    partition: Int64
    offset: Int64
    names: Sequence[str]
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.source)


class Edges:
    """The newest transfers, and for each account its newest ones in and out.

    Args:
        most: Transfers that are remembered; of older ones nothing is seen.

    Cost: about 0.5 us a transfer; 150 bytes and two texts each.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._first = 0  # number of the oldest in the arrays
        self._held = 0
        self._columns: dict[str, Int64] = {name: np.empty(BLOCK, np.int64) for name in _NUMBERS}
        self._amount = np.empty(BLOCK)
        self._names = TextLog()
        self._ids = TextLog()
        self._heads = {"target": _Heads(), "source": _Heads()}
        self._stored = 0  # number up to which (exclusive) they are stored
        self._gone: list[int] = []

    @property
    def count(self) -> int:
        """Transfers ever taken, which is the number of the next one."""
        return self._first + self._held

    @property
    def first(self) -> int:
        """Number of the oldest that is held."""
        return self._first

    def column(self, name: str, numbers: Int64) -> Int64:
        """A column of the transfers with these numbers, all of them held."""
        return np.asarray(self._columns[name][numbers - self._first])

    def amount(self, numbers: Int64) -> Float64:
        """Their amounts."""
        return np.asarray(self._amount[numbers - self._first])

    def texts(self, number: int) -> tuple[str, str]:
        """Who paid, and the record's own id."""
        return self._names[number - self._first], self._ids[number - self._first]

    def add(self, transfers: Transfers) -> tuple[Int64, "Ends"]:
        """Take transfers in; their numbers, and what was newest before each of them."""
        start = self.count
        numbers = np.arange(start, start + len(transfers))
        into = Newest(transfers.target, start, self._heads["target"])
        out_of = Newest(transfers.source, start, self._heads["source"])
        given = {
            "source": transfers.source,
            "target": transfers.target,
            "time_ms": transfers.time_ms,
            "partition": transfers.partition,
            "offset": transfers.offset,
            "into": into.before(transfers.target, numbers),
            "out_of": out_of.before(transfers.source, numbers),
        }
        self._append(given, transfers.amount)
        self._names.append(transfers.names)
        self._ids.append(transfers.ids)
        return numbers, Ends(into, out_of)

    def added(self, since: int) -> None:
        """To be called when all is said about the transfers from number ``since`` on: they become what is newest."""
        part = slice(since - self._first, self._held)
        for name, heads in self._heads.items():
            heads.move(self._columns[name][part], np.arange(since, self.count))

    def oldest(self, numbers: Int64) -> Int64:
        """Number of the oldest transfer that each of these may see."""
        return np.maximum(numbers - self._most, 0)

    def forget(self) -> None:
        """Drop blocks from the front of which no transfer can be seen any more; what remains is copied, so rarely."""
        gone = (self.count - self._most - self._first) // BLOCK
        if gone <= 0 or gone * _WORTH * BLOCK < self._held:
            return
        self._gone += range(self._first // BLOCK, self._first // BLOCK + gone)
        cut = gone * BLOCK
        columns = {name: column[cut : self._held] for name, column in self._columns.items()}
        amount = self._amount[cut : self._held]
        self._first, self._held = self._first + cut, 0
        self._columns = {name: np.empty(BLOCK, np.int64) for name in _NUMBERS}
        self._amount = np.empty(BLOCK)
        self._append(columns, amount)
        for texts in (self._names, self._ids):
            texts.drop(cut)
        for heads in self._heads.values():
            heads.forget(self._first)

    def _append(self, columns: Mapping[str, Int64], amount: Float64) -> None:
        held = self._held + len(amount)
        if held > len(self._amount):
            capacity = max(held, 2 * len(self._amount))
            self._columns = {name: grown(column, capacity) for name, column in self._columns.items()}
            self._amount = grown(self._amount, capacity)
        for name, column in columns.items():
            self._columns[name][self._held : held] = column
        self._amount[self._held : held] = amount
        self._held = held

    # ---- stored form ------------------------------------------------------------------------------------------------

    def take_dirty(self, applied: int) -> Iterator[tuple[str, Slab | None]]:
        """Blocks that changed since the last call, by name; ``None`` for one that is gone."""
        for block in self._gone:
            yield str(block), None
        self._gone = []
        if self._stored == self.count:
            return
        for block in range(max(self._stored, self._first) // BLOCK, -(-self.count // BLOCK)):
            start = max(block * BLOCK, self._first)
            part = slice(start - self._first, min((block + 1) * BLOCK - self._first, self._held))
            arrays = {name: column[part] for name, column in self._columns.items()}
            yield (
                str(block),
                Slab(
                    applied=applied,
                    start=start,
                    arrays={**arrays, "amount": self._amount[part]},
                    names=cast("list[str | None]", self._names.packed(part)),  # is written, and never read
                    extra={"ids": self._ids.packed(part)},
                ),
            )
        self._stored = self.count

    def load(self, slabs: Mapping[str, Slab]) -> None:
        """Restore from the latest blocks, by the names that ``take_dirty`` gave."""
        ordered = sorted(slabs.values(), key=lambda slab: slab.start)
        if not ordered:
            return
        self._first = ordered[0].start
        for slab in ordered:
            self._append({name: slab.arrays[name] for name in _NUMBERS}, slab.arrays["amount"])
        for slab in ordered:
            self._names.append([str(name) for name in slab.names or ()])
            self._ids.append([str(each) for each in slab.extra["ids"]])
        self._stored = self.count
        self.added(self._first)


class Ends(NamedTuple):
    """The newest transfers to accounts, and from accounts."""

    into: "Newest"
    out_of: "Newest"


class Newest:
    """The newest transfer of an account before another one, among those of a batch and those before it.

    Args:
        accounts: Of the batch, in stream order, shape ``(n,)``.
        start: Number of the first of the batch.
        heads: Newest number of each account before the batch.
    """

    def __init__(self, accounts: Int64, start: int, heads: "_Heads") -> None:
        self._start, self._heads, self._n = start, heads, len(accounts)
        self._known, rank = np.unique(accounts, return_inverse=True)
        self._places = np.sort(rank * (self._n + 1) + np.arange(self._n))  # by account, then in stream order

    def before(self, accounts: Int64, numbers: Int64) -> Int64:
        """Number of each account's newest transfer before ``numbers``, shape ``(m,)``; ``NONE`` if there is none.

        Args:
            accounts: Shape ``(m,)``.
            numbers: Of transfers of the batch, shape ``(m,)``.
        """
        if not len(accounts):
            return np.empty(0, np.int64)
        rank = np.minimum(np.searchsorted(self._known, accounts), len(self._known) - 1)
        low = rank * (self._n + 1)
        at = np.searchsorted(self._places, low + numbers - self._start) - 1
        place = self._places[np.maximum(at, 0)] - low
        inside = (self._known[rank] == accounts) & (at >= 0) & (place >= 0)
        found = np.where(inside, self._start + place, NONE)
        missing = np.flatnonzero(~inside)
        found[missing] = self._heads.find(accounts[missing])
        return found


class _Heads:
    """The newest transfer of each account."""

    def __init__(self) -> None:
        self._rows = CodeMap()
        self._accounts = np.empty(0, np.int64)
        self._newest = np.empty(0, np.int64)
        self._used = 0

    def find(self, accounts: Int64) -> Int64:
        if not len(accounts) or not self._used:
            return np.full(len(accounts), NONE)
        rows = self._rows.find(accounts)
        return np.where(rows == MISSING, NONE, self._newest[np.maximum(rows, 0)])

    def move(self, accounts: Int64, numbers: Int64) -> None:
        known, last = np.unique(accounts[::-1], return_index=True)
        newest = numbers[::-1][last]
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
