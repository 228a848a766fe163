"""The newest records of a partition, so that an alert can name those that contributed to it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agents.events import Batch, Int64, RecordRef, joined
from tables.slices import Column, Texts, compiled

ROWS = 65_536
"""Contributing records are searched among so many before the one that fired."""

_MERGED_ROWS = 4_096  # blocks of so many are not joined any more
_APART = 2  # the newest block, which records are searched from, and one to join with

CAP = 10
"""Most records that an alert names."""


@dataclass(frozen=True, slots=True)
class _Block:
    """One batch: its columns as they came, and the hash of each record's key."""

    batch: Batch
    positions: Int64
    hashes: Int64
    own_ms: Int64

    def newest(self, wanted: tuple[int, int, int, int, int], part: slice, most: int) -> list[int]:
        """The newest records of ``part`` that are wanted, newest first.

        Args:
            wanted: Hash of the key, start and end of the window, grace, and the position behind which they stand.
            part: Rows of the block.
            most: How many.
        """
        columns = (self.hashes, self.batch.time_ms, self.own_ms, self.positions)
        loops = compiled()
        if loops is not None:
            rows = np.empty(most, np.int64)
            count = loops.newest_rows(*columns, *wanted, part.start, part.stop, rows)
            return rows[:count].tolist() if count else []
        key_hash, start_ms, end_ms, grace_ms, position = wanted
        same = np.flatnonzero(self.hashes[part] == key_hash) + part.start  # few: the rest is asked of them alone
        _, time_ms, own_ms, positions = (column[same] for column in columns)
        in_window = (time_ms >= start_ms) & (time_ms < end_ms)
        chosen = same[in_window & (time_ms >= own_ms - grace_ms) & (positions > position)]
        return [int(row) for row in chosen[::-1][:most]]


class History:
    """Who contributed: the newest records of a key within a window.

    Columns are kept as they came, so adding a batch costs the same whatever its length; a search reads backwards and
    stops at the cap. Contributing records are searched among the ``ROWS`` before the one that fired, as far as they lie
    within ``reach`` offsets.

    Args:
        id_field: Field with the records' own ids, if there is one.
        reach: In offsets of the partition that is read.
    """

    def __init__(self, id_field: str | None, *, reach: int) -> None:
        self._id_field = id_field
        self._reach = reach
        self._blocks: deque[_Block] = deque()
        self._rows = 0

    def add(self, batch: Batch, positions: Int64, hashes: Int64, own_ms: Int64) -> None:
        """Take a batch in.

        Args:
            batch: In stream order, after all before it.
            positions: Offset of each record in the partition that is read, shape ``(n,)``.
            hashes: Hash of each record's key, shape ``(n,)``.
            own_ms: Clock by which each record's lateness is judged, shape ``(n,)``.
        """
        if not len(batch):
            return
        shown = {self._id_field: _kept(batch.columns[self._id_field])} if self._id_field else {}
        kept = replace(batch, columns=shown, time_ms=batch.time_ms.copy(), headers=None)
        self._blocks.append(_Block(kept, positions, hashes, own_ms))
        self._rows += len(batch)
        self._merge()
        while self._is_out_of_reach(self._blocks[0]):
            self._rows -= len(self._blocks.popleft().batch)

    def _merge(self) -> None:
        """Join small blocks before the newest, as they come in a trickle: a search must not walk over hundreds.

        A block is joined with one at least half its size, so each record is copied a few times at the most.
        """
        blocks = self._blocks
        while len(blocks) > _APART and len(blocks[-3].batch) < min(2 * len(blocks[-2].batch), _MERGED_ROWS):
            newest, second, first = blocks.pop(), blocks.pop(), blocks.pop()
            blocks.append(
                _Block(
                    joined([first.batch, second.batch]),
                    np.concatenate((first.positions, second.positions)),
                    np.concatenate((first.hashes, second.hashes)),
                    np.concatenate((first.own_ms, second.own_ms)),
                )
            )
            blocks.append(newest)

    def _is_out_of_reach(self, block: _Block) -> bool:
        newest = self._blocks[-1]
        enough = self._rows - len(block.batch) - len(newest.batch) >= ROWS
        return block is not newest and (enough or block.positions[-1] <= newest.positions[0] - self._reach)

    def contributors(self, key_hash: int, at: int, bounds_ms: tuple[int, int], grace_ms: int) -> list[RecordRef]:
        """The newest ``CAP`` records of a key with event time in ``bounds_ms``, oldest first.

        Args:
            key_hash: Hash of the key.
            at: The record that fired, in the batch added last; nothing after it contributed. Its offset would not tell:
                all rows of a packed record share one.
            bounds_ms: Start, inclusive, and end, exclusive, of the window.
            grace_ms: Of the table.
        """
        position = int(self._blocks[-1].positions[at])
        wanted = (key_hash, *bounds_ms, grace_ms, position - self._reach)
        found: list[RecordRef] = []
        rows = ROWS
        for block in reversed(self._blocks):
            stop = at + 1 if block is self._blocks[-1] else len(block.batch)
            part = slice(max(0, stop - rows), stop)
            rows -= stop
            newest = block.newest(wanted, part, CAP - len(found))
            if newest:
                found += self._refs(block.batch, newest)
            if rows <= 0 or len(found) == CAP:
                break
        return found[::-1]

    def ref(self, batch: Batch, at: int) -> RecordRef:
        """Where the record at ``at`` of ``batch`` stands."""
        return self._refs(batch, [at])[0]

    def _refs(self, batch: Batch, rows: Sequence[int]) -> list[RecordRef]:
        ids = batch.columns[self._id_field] if self._id_field else None
        topic, partition, offset = batch.topic, batch.partition.item, batch.offsets.item
        return [
            RecordRef(
                topic, partition(at), offset(at), None if ids is None else str(ids[at])
            )  # one by one: few at most
            for at in rows
        ]


def _kept(column: Column) -> Column:
    """A column that does not hold on to the bytes of whole records."""
    return column.compact() if isinstance(column, Texts) else column
