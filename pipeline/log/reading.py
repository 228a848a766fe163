"""The reading side of a local log: one connection, one thread; each call sees one moment of the log."""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import numpy as np

from agents.events import Chunk, Headers, Int64, TopicPartition
from pipeline.errors import OffsetOutOfRangeError
from pipeline.log import groups
from pipeline.log.api import Committed, Lease, PartitionInfo, TopicSpec
from pipeline.log.blob import Columns, decode, decode_headers, sizes
from pipeline.log.catalog import Catalog
from pipeline.log.schema import connect, transaction

_PLAN_ROWS = 1_024
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

    def partitions(self, name: str) -> dict[int, PartitionInfo]:
        """See ``Log.partitions``."""
        topic = self._catalog.topic(name)
        query = _COMPACT_BOUNDS if topic.spec.cleanup == "compact" else _BOUNDS
        return {
            partition: PartitionInfo(start, end, size)
            for partition, start, end, size in self._connection.execute(query, (name,))
        }

    def fetch(self, positions: Mapping[TopicPartition, int], max_bytes: int) -> list[Chunk]:
        """See ``Log.fetch``, without the waiting."""
        chunks = []
        with transaction(self._connection):
            for source, position in positions.items():
                chunk = self._fetch(source, position, max_bytes)
                if chunk is not None:
                    chunks.append(chunk)
        return chunks

    def offset_at(self, source: TopicPartition, time_ms: int) -> int:
        """See ``Log.offset_at``; stamps need not be in order."""
        row = self._catalog.row(source)
        with transaction(self._connection):
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

    def _fetch(self, source: TopicPartition, position: int, max_bytes: int) -> Chunk | None:
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

    def _chunks(self, source: TopicPartition, row: int, position: int, max_bytes: int) -> Chunk:
        """Whole blobs as far as they fit; the first one is cut when it alone does not."""
        (first,) = self._connection.execute(
            "SELECT max(base_offset) FROM chunks WHERE partition = ? AND base_offset <= ?", (row, position)
        ).fetchone()
        last = self._last_within(_PLAN_CHUNKS, row, first, max_bytes)
        blobs = self._connection.execute(
            "SELECT base_offset, records FROM chunks WHERE partition = ? AND base_offset BETWEEN ? AND ?"
            " ORDER BY base_offset",
            (row, first, last),
        ).fetchall()
        parts = []
        for base, blob in blobs:
            low, high, place = max(position - base, 0), None, f"{source} at offset {base}"
            if first == last and len(blob) > max_bytes:
                fitting = np.searchsorted(np.cumsum(sizes(blob, place=place)[low:]), max_bytes, side="right")
                high = low + max(int(fitting), 1)
            parts.append(decode(blob, low, high, place=place))
        columns = parts[0] if len(parts) == 1 else _joined(parts)
        return _chunk(source, np.arange(position, position + len(columns.values)), columns)

    def _latest(self, source: TopicPartition, row: int, position: int, max_bytes: int) -> Chunk:
        last = self._last_within(_PLAN_LATEST, row, position, max_bytes)
        rows = self._connection.execute(
            "SELECT offset, timestamp_ms, key, headers, value FROM latest"
            " WHERE partition = ? AND offset BETWEEN ? AND ? ORDER BY offset",
            (row, position, last),
        ).fetchall()
        offsets, stamps, keys, packed, values = zip(*rows, strict=True)
        headers: list[Headers] | None = None
        if any(packed):
            headers = [decode_headers(item, 1)[0][0] if item else () for item in packed]
        return _chunk(source, np.array(offsets), Columns(values, keys, np.array(stamps), headers))

    def _last_within(self, plan: str, row: int, start: int, max_bytes: int) -> int:
        """The last offset such that all from ``start`` to there fits into ``max_bytes``, one stored row at least."""
        rows = self._connection.execute(plan, (row, start))
        block = rows.fetchmany(_PLAN_ROWS)
        last, room = int(block[0][0]), max_bytes
        while block:
            offsets, held = zip(*block, strict=True)
            fitting = int(np.searchsorted(np.cumsum(held), room, side="right"))
            if fitting:
                last = int(offsets[fitting - 1])
            if fitting < len(block):
                break
            room -= sum(held)
            block = rows.fetchmany(_PLAN_ROWS)
        rows.close()
        return last


def _joined(parts: list[Columns]) -> Columns:
    """Several runs of records as one."""
    keys = headers = None
    if any(part.keys is not None for part in parts):
        keys = list(chain.from_iterable(part.keys or [None] * len(part.values) for part in parts))
    if any(part.headers is not None for part in parts):
        headers = list(chain.from_iterable(part.headers or [()] * len(part.values) for part in parts))
    values = list(chain.from_iterable(part.values for part in parts))
    return Columns(values, keys, np.concatenate([part.timestamps_ms for part in parts]), headers)


def _chunk(source: TopicPartition, offsets: Int64, columns: Columns) -> Chunk:
    return Chunk(
        topic=source.topic,
        partition=source.partition,
        offsets=offsets,
        timestamps_ms=columns.timestamps_ms,
        keys=[None] * len(offsets) if columns.keys is None else columns.keys,
        values=columns.values,
        headers=columns.headers if columns.headers and any(columns.headers) else None,
        next_offset=int(offsets[-1]) + 1,
    )
