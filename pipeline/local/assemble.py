"""From stored rows to the chunk that a fetch returns."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from agents.events import Chunk, Headers, Int64, TopicPartition
from pipeline.local.blob import Columns, decode, decode_headers, sizes
from tables.slices import Payloads, payloads_of, shifted

Blob = tuple[int, bytes]
Row = tuple[int, int, bytes, bytes | None, bytes | None]


def chunk_of_blobs(source: TopicPartition, position: int, blobs: Sequence[Blob], max_bytes: int) -> Chunk:
    """Records from ``position`` on, out of neighbouring blobs; a single blob that is too large is cut.

    Args:
        source: Where they stand.
        position: An offset within the first blob.
        blobs: Base offset and content of each.
        max_bytes: Bound of keys and values when a blob is cut.
    """
    parts = []
    for base, blob in blobs:
        low, high, place = max(position - base, 0), None, f"{source} at offset {base}"
        if len(blobs) == 1 and len(blob) > max_bytes:
            fitting = np.searchsorted(np.cumsum(sizes(blob, place=place)[low:]), max_bytes, side="right")
            high = low + max(int(fitting), 1)
        parts.append(decode(blob, low, high, place=place))
    columns = parts[0] if len(parts) == 1 else _joined(parts)
    return _chunk(source, np.arange(position, position + len(columns.values)), columns)


def chunk_of_rows(source: TopicPartition, rows: Sequence[Row]) -> Chunk:
    """Records of a compacted partition.

    Args:
        source: Where they stand.
        rows: Offset, stamp, key, packed headers and value of each.
    """
    offsets, stamps, keys, packed, values = zip(*rows, strict=True)
    headers: list[Headers] | None = None
    if any(packed):
        headers = [decode_headers(item, 1)[0][0] if item else () for item in packed]
    return _chunk(source, np.array(offsets), Columns(values, keys, np.array(stamps), headers))


def _joined(parts: list[Columns]) -> Columns:
    """Several runs of records as one; their keys and values stand in one stretch of bytes, as those of each run do."""
    values = [payloads_of(part.values) for part in parts]
    data = b"".join(column.data for column in values)

    def column(runs: list[Payloads]) -> Payloads:
        return Payloads(data, shifted(runs), np.concatenate([run.sizes for run in runs]))

    keys = headers = None
    if any(part.keys is not None for part in parts):
        keys = column([payloads_of(part.keys or _missing(run)) for part, run in zip(parts, values, strict=True)])
    if any(part.headers is not None for part in parts):
        headers = list(chain.from_iterable(part.headers or [()] * len(part.values) for part in parts))
    return Columns(column(values), keys, np.concatenate([part.timestamps_ms for part in parts]), headers)


def _missing(run: Payloads) -> Payloads:
    """No item for each of those of ``run``, in the same bytes."""
    return Payloads(run.data, np.zeros_like(run.starts), np.full_like(run.sizes, -1))


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
