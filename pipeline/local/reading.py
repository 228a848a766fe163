"""The reading side of a local log: one connection, one thread; each call sees one moment of the log."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from agents.events import Chunk, TopicPartition
from pipeline.errors import OffsetOutOfRangeError
from pipeline.local import groups, mending
from pipeline.local.assemble import chunk_of_blobs, chunk_of_rows
from pipeline.local.blob import decode
from pipeline.local.catalog import Catalog
from pipeline.local.schema import connect, transaction
from pipeline.log.api import Committed, Difference, Lease, PartitionInfo, TopicSpec

Decoding = Callable[[], Chunk]

_PLAN_ROWS = 16
_BOUNDS = (
    "SELECT partition, start_offset, end_offset, bytes FROM partitions"
    " WHERE topic = (SELECT id FROM topics WHERE name = ?) ORDER BY partition"
)
_COMPACT_BOUNDS = (
    "SELECT partition, start_offset, end_offset,"
    " (SELECT coalesce(sum(bytes), 0) FROM latest WHERE latest.partition = partitions.id) FROM partitions"
    " WHERE topic = (SELECT id FROM topics WHERE name = ?) ORDER BY partition"
)
_PLAN_CHUNKS = (
    "SELECT base_offset, bytes FROM chunks INDEXED BY chunks_by_offset WHERE partition = ? AND base_offset >= ?"
    " ORDER BY base_offset"
)
_PLAN_LATEST = (
    "SELECT offset, bytes FROM latest INDEXED BY latest_by_offset WHERE partition = ? AND offset >= ? ORDER BY offset"
)


class Reader:
    """Everything that reads a local log.

    Args:
        path: A prepared log.
    """

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._catalog = Catalog(self._connection)

    def topics(self) -> dict[str, TopicSpec]:
        """See ``Log.topics``."""
        return {name: topic.spec for name, topic in self._catalog.all().items()}

    def differences(self, specs: Collection[TopicSpec]) -> list[Difference]:
        """See ``Log.differences``."""
        return mending.differences(self._catalog.all(), specs)

    def partitions(self, name: str) -> dict[int, PartitionInfo]:
        """See ``Log.partitions``."""
        self._catalog.look()
        topic = self._catalog.topic(name)
        query = _COMPACT_BOUNDS if topic.spec.cleanup == "compact" else _BOUNDS
        return {
            partition: PartitionInfo(start, end, size)
            for partition, start, end, size in self._connection.execute(query, (name,))
        }

    def fetch(self, positions: Mapping[TopicPartition, int], max_bytes: int) -> list[Chunk]:
        """See ``Log.fetch``, without the waiting."""
        with transaction(self._connection):
            self._catalog.look()
            found = [self._fetch(source, position, max_bytes) for source, position in positions.items()]
        # decoded after the transaction: an open one keeps writers from starting their write-ahead log over
        return [decoding() for decoding in found if decoding is not None]

    def offset_at(self, source: TopicPartition, time_ms: int) -> int:
        """See ``Log.offset_at``; stamps need not be in order."""
        with transaction(self._connection):
            self._catalog.look()
            row = self._catalog.row(source)
            if self._catalog.topic(source.topic).spec.cleanup == "compact":
                query = "SELECT offset FROM latest WHERE partition = ? AND timestamp_ms >= ? ORDER BY offset LIMIT 1"
                found = self._connection.execute(query, (row, time_ms)).fetchone()
                return int(found[0]) if found else self._bounds(row)[1]
            query = "SELECT base_offset FROM chunks WHERE partition = ? AND max_ms >= ? ORDER BY base_offset LIMIT 1"
            found = self._connection.execute(query, (row, time_ms)).fetchone()
            if not found:
                return self._bounds(row)[1]
            (base,) = found
            (blob,) = self._connection.execute(
                "SELECT records FROM chunks WHERE partition = ? AND base_offset = ?", (row, base)
            ).fetchone()
        return int(base) + int(np.argmax(decode(blob, place=str(source)).timestamps_ms >= time_ms))

    def committed(self, group: str) -> dict[TopicPartition, Committed]:
        """See ``Log.committed``."""
        return groups.committed(self._connection, group)

    def leases(self, group: str) -> list[Lease]:
        """See ``Log.leases``."""
        return groups.leases(self._connection, group)

    def members(self, group: str, now_ms: int) -> list[str]:
        """See ``Log.members``."""
        return groups.members(self._connection, group, now_ms)

    def groups(self) -> list[str]:
        """See ``Log.groups``."""
        return groups.names(self._connection)

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()

    def _bounds(self, row: int) -> tuple[int, int]:
        query = "SELECT start_offset, end_offset FROM partitions WHERE id = ?"
        start, end = self._connection.execute(query, (row,)).fetchone()
        return start, end

    def _fetch(self, source: TopicPartition, position: int, max_bytes: int) -> Decoding | None:
        row = self._catalog.row(source)
        start, end = self._bounds(row)
        if not start <= position <= end:
            raise OffsetOutOfRangeError(
                f"offset {position} of {source} is out of range: it holds {start} to {end}; "
                + ("retention removed what came before" if position < start else "it was never written")
            )
        if position == end:
            return None
        if self._catalog.topic(source.topic).spec.cleanup == "compact":
            return self._latest(source, row, position, max_bytes)
        return self._chunks(source, row, position, max_bytes)

    def _chunks(self, source: TopicPartition, row: int, position: int, max_bytes: int) -> Decoding:
        """Whole blobs as far as they fit, one at least."""
        (first,) = self._connection.execute(
            "SELECT max(base_offset) FROM chunks WHERE partition = ? AND base_offset <= ?", (row, position)
        ).fetchone()
        last = self._last_within(_PLAN_CHUNKS, row, first, max_bytes)
        blobs = self._connection.execute(
            "SELECT base_offset, records FROM chunks WHERE partition = ? AND base_offset BETWEEN ? AND ?"
            " ORDER BY base_offset",
            (row, first, last),
        ).fetchall()
        return partial(chunk_of_blobs, source, position, blobs, max_bytes)

    def _latest(self, source: TopicPartition, row: int, position: int, max_bytes: int) -> Decoding:
        last = self._last_within(_PLAN_LATEST, row, position, max_bytes)
        rows = self._connection.execute(
            "SELECT offset, timestamp_ms, key, headers, value FROM latest"
            " WHERE partition = ? AND offset BETWEEN ? AND ? ORDER BY offset",
            (row, position, last),
        ).fetchall()
        return partial(chunk_of_rows, source, rows)

    def _last_within(self, plan: str, row: int, start: int, max_bytes: int) -> int:
        """The last offset such that all from ``start`` to there fits into ``max_bytes``, one stored row at least."""
        rows = self._connection.execute(plan, (row, start))
        ahead = _PLAN_ROWS
        block = rows.fetchmany(ahead)
        last, room = int(block[0][0]), max_bytes
        while block:
            offsets, held = zip(*block, strict=True)
            fitting = int(np.searchsorted(np.cumsum(held), room, side="right"))
            if fitting:
                last = int(offsets[fitting - 1])
            if fitting < len(block):
                break
            room -= sum(held)
            ahead *= 4
            block = rows.fetchmany(ahead)
        rows.close()
        return last
