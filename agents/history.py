"""The newest records of a partition, so that an alert can name those that contributed to it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import repeat

import numpy as np

from agents.events import Batch, Int64, RecordRef, joined
from tables.slices import Column, Texts, compiled, taken

ROWS = 65_536
"""Contributing records are searched among so many before the one that fired."""

_MERGED_ROWS = 4_096  # blocks of so many are not joined any more
_LOOSE = 8  # small blocks that come before they are joined

CAP = 10
"""Most records that an alert names."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Whose records are sought, as columns of shape ``(k,)``, one for each record that fired, in stream order.

    Args:
        at: The record that fired, in the batch added last; nothing after it contributed. Its offset would not tell: all
            rows of a packed record share one.
        hashes: Hash of its key.
        start_ms: Start of the window, inclusive.
        end_ms: End of the window, exclusive.
        grace_ms: Of the table.
    """

    at: Int64
    hashes: Int64
    start_ms: Int64
    end_ms: Int64
    grace_ms: Int64

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True, slots=True)
class _Block:
    """One batch: its columns as they came, and the hash of each record's key."""

    batch: Batch
    positions: Int64
    hashes: Int64
    own_ms: Int64

    def newest(self, sought: Sought, bounds: tuple[Int64, Int64, Int64], rows: Int64, counts: Int64) -> None:
        """Put the newest records that are sought behind those in ``rows``, shape ``(k, CAP)``, newest first.

        Args:
            sought: Whose.
            bounds: First row, row after the last, and the position behind which they stand, each shape ``(k,)``.
            rows: To be filled.
            counts: How many there are for each, shape ``(k,)``.
        """
        columns = (self.hashes, self.batch.time_ms, self.own_ms, self.positions)
        loops = compiled()
        if loops is not None:
            wanted = (sought.hashes, sought.start_ms, sought.end_ms, sought.grace_ms)
            loops.newest_rows(columns, wanted, bounds, rows, counts)
            return
        for i, (first, stop, position) in enumerate(zip(*(bound.tolist() for bound in bounds), strict=True)):
            if first < stop and counts[i] < CAP:
                same = (
                    np.flatnonzero(self.hashes[first:stop] == sought.hashes[i]) + first
                )  # few: the rest for them alone
                _, time_ms, own_ms, positions = (column[same] for column in columns)
                in_window = (time_ms >= sought.start_ms[i]) & (time_ms < sought.end_ms[i])
                chosen = same[in_window & (time_ms >= own_ms - sought.grace_ms[i]) & (positions > position)]
                newest = chosen[::-1][: CAP - counts[i]]
                rows[i, counts[i] : counts[i] + len(newest)] = newest
                counts[i] += len(newest)


class History:
    """Who contributed: the newest records of a key within a window.

    Columns are kept as they came, so adding a batch costs the same whatever its length; a search reads backwards, for
    all records of a batch that fired at once. Contributing records are searched among the ``ROWS`` before the one that
    fired, as far as they lie within ``reach`` offsets.

    Args:
        id_field: Field with the records' own ids, if there is one.
        reach: In offsets of the partition that is read.
    """

    def __init__(self, id_field: str | None, *, reach: int) -> None:
        self._id_field = id_field
        self._reach = reach
        self._blocks: deque[_Block] = deque()
        self._rows = 0
        self._loose = 0  # blocks since the last joining

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

        Some are let come, then joined with all before them of at most twice their size together: so each record is
        copied a few times at the most.
        """
        self._loose += 1
        if self._loose < _LOOSE or len(self._blocks) < 3:  # the newest, which records are searched from, and two more
            return
        self._loose = 0
        blocks, newest = self._blocks, self._blocks.pop()
        parts, rows = [blocks.pop()], 0
        while blocks and len(blocks[-1].batch) < min(2 * (rows := rows + len(parts[-1].batch)), _MERGED_ROWS):
            parts.append(blocks.pop())
        parts.reverse()
        if len(parts) > 1:
            parts = [
                _Block(
                    joined([part.batch for part in parts]),
                    np.concatenate([part.positions for part in parts]),
                    np.concatenate([part.hashes for part in parts]),
                    np.concatenate([part.own_ms for part in parts]),
                )
            ]
        blocks += (*parts, newest)

    def _is_out_of_reach(self, block: _Block) -> bool:
        newest = self._blocks[-1]
        enough = self._rows - len(block.batch) - len(newest.batch) >= ROWS
        return block is not newest and (enough or block.positions[-1] <= newest.positions[0] - self._reach)

    def contributors(self, sought: Sought) -> list[tuple[RecordRef, ...]]:
        """For each record that fired the newest ``CAP`` of its key with event time in its window, oldest first.

        Cost: a pass over what is kept, 1 ns a record, however many fired; 1 us for each record that is named.
        """
        position = self._blocks[-1].positions[sought.at] - self._reach
        rows = np.empty((len(sought), CAP), np.int64)
        counts = np.zeros(len(sought), np.int64)
        ends, blocks = [counts.copy()], list(reversed(self._blocks))
        left = np.full_like(counts, ROWS)
        for block in blocks:
            stop = sought.at + 1 if block is blocks[0] else np.where(left > 0, len(block.batch), 0)
            stop[counts == CAP] = 0
            if not stop.any():
                break
            block.newest(sought, (np.maximum(stop - left, 0), stop, position), rows, counts)
            ends.append(counts.copy())
            left -= stop
        return self._named(blocks[: len(ends) - 1], np.array(ends), rows)

    def _named(self, blocks: Sequence[_Block], ends: Int64, rows: Int64) -> list[tuple[RecordRef, ...]]:
        """The records in ``rows``, of which those from ``ends[b]`` to ``ends[b + 1]`` stand in block ``b``."""
        refs = np.empty(rows.shape, np.object_)
        columns = np.arange(CAP)
        for number, block in enumerate(blocks):
            chosen = (columns >= ends[number][:, None]) & (columns < ends[number + 1][:, None])
            if chosen.any():
                refs[chosen] = np.fromiter(self.refs(block.batch, rows[chosen]), np.object_)
        return [tuple(own[:count][::-1]) for own, count in zip(refs.tolist(), ends[-1].tolist(), strict=True)]

    def refs(self, batch: Batch, rows: Int64) -> list[RecordRef]:
        """Where the records at ``rows`` of ``batch`` stand."""
        column = batch.columns[self._id_field] if self._id_field else None
        own = repeat(None) if column is None else taken(column, rows)
        ids = map(str, own) if isinstance(own, np.ndarray) else own
        parts = zip(repeat(batch.topic), batch.partition[rows].tolist(), batch.offsets[rows].tolist(), ids)
        return list(map(RecordRef._make, parts))


def _kept(column: Column) -> Column:
    """A column that does not hold on to the bytes of whole records."""
    return column.compact() if isinstance(column, Texts) else column
