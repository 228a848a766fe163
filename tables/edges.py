"""Transfers from account to account, newest last, each linked to the ones before it at either end.

::

    number   7        8        9        10
             a -> b   c -> b   b -> d   a -> b
    in               <-7               <-8          the transfer before to the same receiver
    out                                <-7          the transfer before from the same sender
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tables.keys import grown
from tables.newest import Ends, Heads, Newest
from tables.slab import BLOCK, Slab
from tables.textlog import TextLog

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
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
        self._heads = {"target": Heads(), "source": Heads()}
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

    def add(self, transfers: Transfers) -> tuple[Int64, Ends]:
        """Take transfers in; their numbers, and what was newest before each of them, to be settled when all is said."""
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
        for name, heads in self._heads.items():
            heads.move(self._columns[name][: self._held], np.arange(self._first, self.count))
