"""How keys went: a point each time the row of one changed, as many as time and room allow."""

from collections.abc import Hashable, Mapping
from typing import Any, Final

import numpy as np

from agents.events import Int64
from pipeline.readmodel.questions import KeyHistory
from pipeline.store.database import Column, Database, Writer, clean
from pipeline.store.rows.blocks import BlockRows
from pipeline.store.rows.layout import Layout
from pipeline.store.schema import take_number

POINTS_KEPT: Final = 2_000_000
"""Most points kept, over all tables; each table has an equal part of it."""
POINTS_PER_S: Final = 20_000
"""Most points written in a second; when more rows change, each key gets a point every few times only."""
ON_A_CHART: Final = 1_000

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


class PointWriter:
    """Finds rows that changed and writes points of them, within a budget.

    Cost: 16 bytes a row of memory.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[Int64, Int64]] = {}
        self._turn = 0
        self._credit = float(POINTS_PER_S)
        self._earned_s: float | None = None

    def earn(self, now_s: float) -> None:
        """Time went on, and with it the budget."""
        if self._earned_s is not None:
            self._credit = min(POINTS_PER_S, self._credit + (now_s - self._earned_s) * POINTS_PER_S)
        self._earned_s = now_s

    def learn(self, block: Hashable, rows: BlockRows) -> None:
        """Remember the rows of a block as they are now."""
        if len(rows.places):
            self._known[block] = (rows.places, row_hashes(rows))
        else:
            self._known.pop(block, None)

    def write(
        self, writer: Writer, layout: Layout, made: Mapping[Any, BlockRows], times_ms: Mapping[int, int], tables: int
    ) -> None:
        """Write points of the rows that are others than was learned.

        Args:
            writer: Of the transaction that writes the rows.
            layout: Of the table.
            made: Rows by block, before they are learned.
            times_ms: When the state of each partition was committed, Unix ms.
            tables: How many share the room.
        """
        changed = {block: self._changed(block, rows) for block, rows in made.items()}
        count = sum(map(len, changed.values()))
        every = max(1, -(-count // max(1, int(self._credit))))
        self._turn += 1
        if every > 1:
            for block, at in changed.items():
                turns = made[block].places[at] + self._turn
                changed[block] = at[turns % every == 0]
        chosen = {block: at for block, at in changed.items() if len(at)}
        count = sum(map(len, chosen.values()))
        if not count:
            return
        self._credit -= count
        first = take_number(writer, layout.points, count)
        columns: dict[str, Column] = {
            "number": np.arange(first, first + count),
            "time_ms": np.repeat([times_ms[block.part] for block in chosen], [len(at) for at in chosen.values()]),
            "part": np.repeat([block.part for block in chosen], [len(at) for at in chosen.values()]),
            "start_ms": np.concatenate([made[block].start_ms[at] for block, at in chosen.items()]),
            "key": [clean(made[block].keys[each]) for block, at in chosen.items() for each in at.tolist()],
        }
        for name in layout.cells:
            columns[name] = np.concatenate([made[block].columns[name][at] for block, at in chosen.items()])
        writer.insert(layout.points, columns)
        oldest = first + count - 1 - POINTS_KEPT // tables
        writer.run(f"DELETE FROM {layout.points} WHERE number <= $1", [oldest])  # noqa: S608 - a name of ours

    def _changed(self, block: Hashable, rows: BlockRows) -> Int64:
        """Which rows are new or others."""
        hashes = row_hashes(rows)
        if block not in self._known:
            return np.arange(len(hashes))
        places, before = self._known[block]
        at = np.minimum(np.searchsorted(places, rows.places), len(places) - 1)
        return np.flatnonzero((places[at] != rows.places) | (before[at] != hashes))


def row_hashes(rows: BlockRows) -> Int64:
    """A hash of each row's key and measures, shape ``(n,)``; the same within this process only."""
    summed = np.fromiter(map(hash, rows.keys), np.int64, len(rows.keys)).view(np.uint64)
    for column in rows.columns.values():
        summed = (summed ^ np.ascontiguousarray(column).view(np.uint64)) * _MIX
        summed ^= summed >> np.uint64(29)
    return summed.view(np.int64)


def key_history(database: Database, layout: Layout, key: str) -> KeyHistory:
    """How a key went: its newest points. Of several open windows the newest one counts."""
    names = ", ".join(layout.cells)
    sql = (
        f"SELECT time_ms, start_ms, number{', ' if names else ''}{names} FROM {layout.points} "  # noqa: S608 - ours
        f"WHERE key = $1 ORDER BY number DESC LIMIT {ON_A_CHART}"
    )
    newest: dict[int, tuple[Any, ...]] = {}
    for row in reversed(database.read(sql, [clean(key)])):
        held = newest.get(row[0])
        if held is None or row[1] >= held[1]:
            newest[row[0]] = row
    rows = [newest[time_ms] for time_ms in sorted(newest)]
    values = {
        info.name: [None if row[at] is None else float(row[at]) for row in rows]
        for at, info in enumerate(layout.columns, 3)
    }
    return KeyHistory(times_ms=[row[0] for row in rows], values=values)
