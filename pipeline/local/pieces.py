"""From what is to be appended to what is stored: partitioned, cut to size and encoded before any lock is taken."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple, TypeVar

import numpy as np

from agents.events import Headers, Int64, Outgoing
from pipeline.errors import UsageError
from pipeline.local.blob import Columns, encode, lengths_of
from pipeline.local.catalog import Topic
from pipeline.log.partitioner import partition_column

BLOB_BYTES = 1 << 19  # reading a part of a blob means reading all of it, so blobs stay well below a usual fetch

Item = TypeVar("Item")


class Piece(NamedTuple):
    """A run of records of one partition: one row of ``chunks``."""

    row: int
    n: int
    min_ms: int
    max_ms: int
    blob: bytearray


class KeyedPiece(NamedTuple):
    """Records of one partition of a compacted topic: one row of ``latest`` each."""

    row: int
    columns: Columns
    keys: Sequence[bytes]


def pieces(outgoing: Outgoing, topic: Topic, *, now_ms: int, turn: int) -> Iterator[Piece | KeyedPiece]:
    """What to store for ``outgoing``, in its order within each partition.

    Args:
        outgoing: Records bound for ``topic``.
        topic: Where they go.
        now_ms: Stamp of records that bring none, Unix ms.
        turn: Counts appends, so that records without a key take turns over the partitions.

    Raises:
        UsageError: If the columns differ in length, or a record of a compacted topic has no key.

    Cost: about 0.4 µs a record of 200 bytes.
    """
    columns = _columns(outgoing, now_ms)
    if not len(columns.values):
        return
    if outgoing.partition is not None:
        row = topic.row(outgoing.partition)
        yield from _cut(row, columns, topic)
    elif len(topic.rows) == 1:
        yield from _cut(topic.rows[0], columns, topic)
    else:
        for partition, part in _partitioned(columns, len(topic.rows), turn % len(topic.rows)):
            yield from _cut(topic.rows[partition], part, topic)


def _columns(outgoing: Outgoing, now_ms: int) -> Columns:
    records = outgoing.records
    stamps = records.timestamps_ms
    n = len(records.values)
    columns = Columns(
        records.values,
        records.keys,
        np.full(n, now_ms, np.int64) if stamps is None else np.asarray(stamps, np.int64),
        records.headers if records.headers is not None and any(records.headers) else None,
    )
    for name, column in zip(("keys", "timestamps", "headers"), columns[1:], strict=True):
        if column is not None and len(column) != n:
            raise UsageError(f"records for {outgoing.topic!r} have {n} values but {len(column)} {name}")
    return columns


def _partitioned(columns: Columns, partitions: int, keyless: int) -> Iterator[tuple[int, Columns]]:
    """The records of each partition that gets any, order kept."""
    if columns.keys is None:
        yield keyless, columns
        return
    chosen = partition_column(columns.keys, partitions, keyless)
    narrow = chosen.astype(np.min_scalar_type(partitions))  # up to 16 bits are sorted by radix, ten times as fast
    order = np.argsort(narrow, kind="stable")
    edges = np.searchsorted(chosen[order], np.arange(partitions + 1))
    for partition, (start, stop) in enumerate(pairwise(edges.tolist())):
        if stop > start:
            yield partition, _take(columns, order[start:stop])


def _take(columns: Columns, indices: Int64) -> Columns:
    pick = itemgetter(*indices.tolist())
    single = len(indices) == 1

    def column(items: Sequence[Item]) -> Sequence[Item]:
        picked: Sequence[Item] = (pick(items),) if single else pick(items)
        return picked

    headers: Sequence[Headers] | None = None if columns.headers is None else column(columns.headers)
    keys = None if columns.keys is None else column(columns.keys)
    return Columns(column(columns.values), keys, columns.timestamps_ms[indices], headers)


def _cut(row: int, columns: Columns, topic: Topic) -> Iterator[Piece | KeyedPiece]:
    if topic.spec.cleanup == "compact":
        keys = columns.keys
        if keys is None or None in keys:
            raise UsageError(f"topic {topic.spec.name!r} is compacted by key: each of its records needs a key")
        yield KeyedPiece(row, columns, keys)  # type: ignore[arg-type]
        return
    total = np.maximum(lengths_of(columns.values), 0).cumsum(dtype=np.int64)
    cuts = [0, *(np.flatnonzero(np.diff(total // BLOB_BYTES)) + 1).tolist(), len(total)]
    for start, stop in pairwise(cuts):
        part = columns if len(cuts) == 2 else columns.part(start, stop)
        stamps = part.timestamps_ms
        yield Piece(row, stop - start, int(stamps.min()), int(stamps.max()), encode(part))
