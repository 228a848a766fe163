"""From the slabs of a block of keys to the rows of its tables.

Panes, names and times of 1,024 neighbouring slots stand in slabs of their own, so a slab that changed touches one
block. Pairs of distinct values are the exception: a slab of them holds any keys, so they are counted here as they
come.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.events import Int64
from agents.keyed import KeyedPlan
from pipeline.shard_state import Meta
from tables.cells.distinct import sketched
from tables.cells.pairs import FREE
from tables.keys import NEVER, KeyIndex, grown
from tables.slab import BLOCK, Slab, decode_slab
from tables.spec import TableSpec
from tables.table import WindowTable, rows_of

_SLOT_BITS: Final = 28
_WINDOW_BITS: Final = 16


class BlockRows(NamedTuple):
    """Rows of a block, as columns of length ``n``.

    Args:
        places: Where they stand in the reader's order within the partition: by window, then by slot.
        keys: Of the rows.
        start_ms: Begin of each row's window.
        columns: The measures, as ``TableView`` has them.
    """

    places: Int64
    keys: list[str]
    start_ms: Int64
    columns: dict[str, NDArray[Any]]


class DistinctCounts:
    """How many distinct values each key has, by the slabs of a measure.

    Args:
        rows: Tumbling windows open at once; 1 for a sliding window.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._counts = np.zeros((rows, BLOCK), np.int64)
        self._pairs: dict[str, tuple[Int64, Int64]] = {}
        self._sketches: dict[int, dict[str, tuple[int, int, int]]] = {}

    def note(self, name: str, data: bytes | None) -> set[int]:
        """Take a slab in, or its end; the blocks of keys that it concerns."""
        if name.startswith("sketch-pane/"):
            return set()
        if name.startswith("sketch/"):
            slot = int(name.rpartition("/")[2])
            of_block = self._sketches.setdefault(slot // BLOCK, {})
            found = None if data is None else sketched(decode_slab(data))
            if found is None:
                of_block.pop(name, None)
            else:
                of_block[name] = found
            return {slot // BLOCK}
        before, after = self._pairs.pop(name, _NO_PAIRS), _NO_PAIRS
        if data is not None:
            after = self._pairs[name] = _held(decode_slab(data))
        self._add(before, -1)
        self._add(after, 1)
        return {*(np.unique(np.concatenate((before[0], after[0])) // BLOCK).tolist())}

    def of(self, block: int, row: int) -> Int64:
        """Counts of the block's keys in a window, shape ``(BLOCK,)``."""
        start = block * BLOCK
        counts = self._counts[row, start : start + BLOCK].copy()
        counts = counts if len(counts) == BLOCK else np.zeros(BLOCK, np.int64)
        for group, slot, estimate in self._sketches.get(block, {}).values():
            if self._rows == 1 or group % self._rows == row:
                counts[slot - start] = estimate
        return counts

    def _add(self, pairs: tuple[Int64, Int64], change: int) -> None:
        slots, panes = pairs
        if not len(slots):
            return
        needed = (int(slots.max()) // BLOCK + 1) * BLOCK
        if needed > self._counts.shape[1]:
            self._counts = grown(self._counts, max(needed, 2 * self._counts.shape[1]))
        np.add.at(self._counts, (panes % self._rows, slots), change)


_NO_PAIRS = (np.empty(0, np.int64), np.empty(0, np.int64))


def _held(slab: Slab) -> tuple[Int64, Int64]:
    slots = np.asarray(slab.arrays["slot"], np.int64)
    held = slots != FREE
    return slots[held], np.asarray(slab.arrays["last"], np.int64)[held]


class _Table:
    """A table: which slabs of panes each block has, and its distinct counts."""

    def __init__(self, spec: TableSpec, skew_ms: int) -> None:
        self.spec = spec
        self.panes: dict[int, set[str]] = {}
        self.sliding = spec.window.kind == "sliding"
        rows = 1 if self.sliding else rows_of(spec.window, skew_ms)
        self.distinct = {m.name: DistinctCounts(rows) for m in spec.measures if m.kind == "distinct"}
        self.needs_times = any(m.kind in ("first_seen", "last_seen") for m in spec.measures)
        # What is kept for pairs stands in slabs that hold any keys.
        self.bare = replace(spec, measures=tuple(m for m in spec.measures if m.kind not in ("distinct", "is_new")))


class KeyedBlocks:
    """The blocks of all tables with one key in one source partition.

    Args:
        plan: The tables.
    """

    def __init__(self, plan: KeyedPlan) -> None:
        self._prefix = f"by/{plan.by}/"
        self._skew_ms = plan.skew_ms
        self._tables = {table.name: _Table(table, plan.skew_ms) for table in plan.tables}
        self._index = KeyIndex(capacity=BLOCK)

    def note(self, name: str, data: bytes | None) -> list[tuple[str, int]]:
        """Take in that a slab, named without the key's prefix, changed or went; tables and blocks to make anew."""
        kind, _, rest = name.partition("/")
        if kind in {"keys", "seen"}:
            chosen = [each for each, table in self._tables.items() if kind == "keys" or table.needs_times]
            return [(each, int(rest)) for each in chosen]
        owner, _, inner = rest.partition("/")
        table_name, _, version = owner.rpartition("@")
        table = self._tables.get(table_name)
        if kind != "table" or table is None or table.spec.version != version:
            return []
        part, _, place = inner.partition("/")
        if part == "pane":
            block = int(place.rpartition("/")[2])
            names = table.panes.setdefault(block, set())
            (names.discard if data is None else names.add)(name)
            return [(table_name, block)]
        if part == "distinct":
            measure, _, place = place.partition("/")
            return [(table_name, block) for block in table.distinct[measure].note(place, data)]
        return []

    def blocks(self, table: str) -> list[int]:
        """Blocks of a table that hold anything."""
        return [block for block, names in self._tables[table].panes.items() if names]

    def rows(self, table: str, block: int, slabs: Mapping[bytes, bytes], meta: Meta) -> BlockRows:
        """The rows of a block.

        Args:
            table: Its name.
            block: Number of the block.
            slabs: The latest ones of the partition, by full name.
            meta: Where the shard stands.

        Cost: about 1 ms.
        """
        of = self._tables[table]
        names = of.panes.get(block)
        held = slabs.get(f"{self._prefix}keys/{block}".encode())
        if not names or held is None or meta.head_ms == NEVER:
            return BlockRows(np.empty(0, np.int64), [], np.empty(0, np.int64), {})
        self._load_keys(decode_slab(held).names or [], slabs.get(f"{self._prefix}seen/{block}".encode()))
        window = WindowTable(of.bare, self._index, trailing=(), skew_ms=self._skew_ms)
        panes = {name: decode_slab(slabs[f"{self._prefix}{name}".encode()]) for name in names}
        rebased = {name.partition("/")[2].partition("/")[2]: replace(slab, start=0) for name, slab in panes.items()}
        window.load(rebased, meta.head_ms, meta.closed_ms)
        return _joined([_window_rows(of, window, block, row) for row in ([None] if of.sliding else window.rows())])

    def _load_keys(self, names: list[str | None], seen: bytes | None) -> None:
        index = self._index
        index.names = names
        for times in (index.first_ms, index.last_ms):
            times[:] = NEVER
        if seen is not None:
            arrays = decode_slab(seen).arrays
            index.first_ms[: len(arrays["first_ms"])] = arrays["first_ms"]
            index.last_ms[: len(arrays["last_ms"])] = arrays["last_ms"]


def _window_rows(of: _Table, table: WindowTable, block: int, row: int | None) -> BlockRows:
    window = of.spec.window
    slots, columns = table.columns(row)
    for name, distinct in of.distinct.items():
        columns[name] = distinct.of(block, row or 0)[slots]
    if row is None:
        number, start_ms = 0, (table.head - window.n_panes + 1) * window.pane_ms
    else:
        number, start_ms = table.pane_in(row), table.pane_in(row) * window.size_ms
    places = ((number & ((1 << _WINDOW_BITS) - 1)) << _SLOT_BITS) + block * BLOCK + slots
    return BlockRows(places, table.names(slots), np.full(len(slots), start_ms), columns)


def _joined(parts: list[BlockRows]) -> BlockRows:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return BlockRows(np.empty(0, np.int64), [], np.empty(0, np.int64), {})
    return BlockRows(
        np.concatenate([part.places for part in parts]),
        [key for part in parts for key in part.keys],
        np.concatenate([part.start_ms for part in parts]),
        {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns},
    )
