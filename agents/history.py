"""The newest records of a partition, so that an alert can name those that contributed to it."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from agents.events import Batch, Int64, RecordRef

REACH = 65_536
"""Contributing records are searched among so many offsets before the one that fired."""

CAP = 10
"""Most records that an alert names."""


@dataclass(frozen=True, slots=True)
class _Block:
    """One batch: its columns as they came, and the hash of each record's key."""

    batch: Batch
    positions: Int64
    hashes: Int64
    own_ms: Int64


class History:
    """Who contributed: the newest records of a key within a window.

    Columns are kept as they came, so adding a batch costs the same whatever its length; a search reads backwards and
    stops at the cap.

    Args:
        id_field: Field with the records' own ids, if there is one.
    """

    def __init__(self, id_field: str | None) -> None:
        self._id_field = id_field
        self._blocks: deque[_Block] = deque()

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
        self._blocks.append(_Block(batch, positions, hashes, own_ms))
        oldest = int(positions[-1]) - 2 * REACH
        while len(self._blocks) > 1 and self._blocks[0].positions[-1] < oldest:
            self._blocks.popleft()

    def contributors(self, key_hash: int, at: int, bounds_ms: tuple[int, int], grace_ms: int) -> list[RecordRef]:
        """The newest ``CAP`` records of a key with event time in ``bounds_ms``, oldest first.

        Args:
            key_hash: Hash of the key.
            at: The record that fired, in the batch added last; nothing after it contributed. Its offset would not tell:
                all rows of a packed record share one.
            bounds_ms: Start, inclusive, and end, exclusive, of the window.
            grace_ms: Of the table.
        """
        start_ms, end_ms = bounds_ms
        position = int(self._blocks[-1].positions[at])
        found: list[RecordRef] = []
        stop: int | None = at + 1
        for block in reversed(self._blocks):
            if block.positions[-1] <= position - REACH or len(found) == CAP:
                break
            time_ms = block.batch.time_ms[:stop]
            chosen = np.flatnonzero(
                (block.hashes[:stop] == key_hash)
                & (time_ms >= start_ms)
                & (time_ms < end_ms)
                & (time_ms >= block.own_ms[:stop] - grace_ms)
                & (block.positions[:stop] > position - REACH)
            )
            stop = None
            found.extend(self.ref(block.batch, at) for at in chosen[::-1][: CAP - len(found)].tolist())
        return found[::-1]

    def ref(self, batch: Batch, at: int) -> RecordRef:
        """Where the record at ``at`` of ``batch`` stands."""
        ids = batch.columns[self._id_field] if self._id_field else None
        own_id = str(ids[at]) if ids is not None else None
        return RecordRef(batch.topic, int(batch.partition[at]), int(batch.offsets[at]), own_id)
