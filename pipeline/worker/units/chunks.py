"""Cutting chunks, and gathering what goes out."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from agents.events import Chunk, Headers, Outgoing, Records
from tables.slices import Payloads


def head(chunk: Chunk, count: int) -> Chunk:
    """The first ``count`` records; the next offset is that of the record after them."""
    if count >= len(chunk):
        return chunk
    return _part(chunk, 0, count, int(chunk.offsets[count]))


def tail(chunk: Chunk, count: int) -> Chunk:
    """What follows the first ``count`` records."""
    return _part(chunk, min(count, len(chunk)), len(chunk), chunk.next_offset)


def nothing(topic: str, partition: int, next_offset: int) -> Chunk:
    """No records, only the news that the log goes on at ``next_offset``: how a shard is moved past lost records."""
    empty = np.empty(0, np.int64)
    return Chunk(
        topic=topic,
        partition=partition,
        offsets=empty,
        timestamps_ms=empty,
        keys=[],
        values=[],
        next_offset=next_offset,
    )


def detached(chunk: Chunk) -> Chunk:
    """The same records, without holding on to the rest of the answer that they came in: to be kept for a while."""
    columns = [column for column in (chunk.keys, chunk.values) if isinstance(column, Payloads)]
    if not len(chunk) or not columns or any(column.data is not columns[0].data for column in columns):
        return chunk
    first = min(int(column.starts.min()) for column in columns)
    last = max(int((column.starts + column.sizes).max()) for column in columns)
    data = columns[0].data[first:last]
    if len(data) == len(columns[0].data):
        return chunk

    def moved(column: Sequence[bytes | None]) -> Sequence[bytes | None]:
        return Payloads(data, column.starts - first, column.sizes) if isinstance(column, Payloads) else column

    return replace(chunk, keys=moved(chunk.keys), values=moved(chunk.values))


def _part(chunk: Chunk, start: int, stop: int, next_offset: int) -> Chunk:
    return Chunk(
        topic=chunk.topic,
        partition=chunk.partition,
        offsets=chunk.offsets[start:stop],
        timestamps_ms=chunk.timestamps_ms[start:stop],
        keys=chunk.keys[start:stop],
        values=chunk.values[start:stop],
        headers=None if chunk.headers is None else chunk.headers[start:stop],
        next_offset=next_offset,
    )


def merged(outgoing: Sequence[Outgoing]) -> list[Outgoing]:
    """One entry for each topic and partition, order kept within it: a commit writes few large blobs, not many small."""
    groups: dict[tuple[str, int | None, bool], list[Records]] = {}
    for topic, partition, records in outgoing:
        if len(records):  # records that the log stamps can't share an entry with stamped ones
            groups.setdefault((topic, partition, records.timestamps_ms is None), []).append(records)
    return [Outgoing(topic, partition, _joined(parts)) for (topic, partition, _), parts in groups.items()]


def _joined(parts: list[Records]) -> Records:
    if len(parts) == 1:
        return parts[0]
    values: list[bytes | None] = []
    keys: list[bytes | None] = []
    stamps: list[int] = []
    headers: list[Headers] = []
    for part in parts:
        values.extend(part.values)
        keys.extend([None] * len(part) if part.keys is None else part.keys)
        stamps.extend([] if part.timestamps_ms is None else np.asarray(part.timestamps_ms).tolist())
        headers.extend([()] * len(part) if part.headers is None else part.headers)
    return Records(
        values=values,
        keys=keys if any(part.keys is not None for part in parts) else None,
        timestamps_ms=stamps or None,
        headers=headers if any(headers) else None,
    )
