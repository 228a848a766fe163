"""The writing side of a local log: one connection, one thread, one transaction a call."""

import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

import numpy as np

from agents.events import Outgoing, TopicPartition
from pipeline.errors import UnknownTopicError
from pipeline.local import groups, mending, retention
from pipeline.local.blob import encode_headers, lengths_of
from pipeline.local.catalog import Catalog
from pipeline.local.pieces import KeyedPiece, Piece, pieces
from pipeline.local.schema import WAL_BYTES, Sync, connect, transaction
from pipeline.local.writers import WriterQueue
from pipeline.log.api import Difference, Fence, TopicSpec

_READERS_MS = 200  # how long a writer waits for readers when the write-ahead log has grown too long


class Store:
    """Everything that changes a local log.

    Args:
        path: A prepared log.
        queue: Where its writers queue up.
        sync: See ``schema.connect``.
        clock: Unix ms.
    """

    def __init__(self, path: Path, queue: WriterQueue, *, sync: Sync, clock: Callable[[], int]) -> None:
        self._queue = queue
        self._clock = clock
        self._connection = connect(path, sync=sync)
        self._catalog = Catalog(self._connection)
        self._turn = os.getpid()
        self._wal = path.with_name(path.name + "-wal")
        self._wal_limit = WAL_BYTES

    def create_topic(self, spec: TopicSpec) -> None:
        """See ``Log.create_topic``."""
        with self._writing():
            self._catalog.create(spec)

    def mend(self, spec: TopicSpec, differences: Collection[Difference]) -> None:
        """See ``Log.mend``."""
        with self._writing():
            mending.mend(self._catalog, spec, differences)

    def delete_topic(self, name: str) -> None:
        """See ``Log.delete_topic``."""
        with self._writing():
            self._catalog.delete(name)

    def append(self, outgoing: Sequence[Outgoing]) -> None:
        """See ``Log.append``."""
        self._catalog.look()
        prepared = self._prepare(outgoing)
        if prepared:
            with self._writing():
                self._write(prepared)

    def commit(self, fence: Fence, offset: int, outgoing: Sequence[Outgoing]) -> None:
        """See ``Log.commit``."""
        self._catalog.look()
        row = self._catalog.row(fence.source)
        prepared = self._prepare(outgoing)
        with self._writing():
            groups.check(self._connection, fence, row)
            groups.move(self._connection, fence.group, {row: offset}, self._clock())
            self._write(prepared)

    def commit_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """See ``Log.commit_offsets``."""
        self._catalog.look()
        rows = {self._catalog.row(source): offset for source, offset in offsets.items()}
        with self._writing():
            groups.move(self._connection, group, rows, self._clock())

    def renew(self, group: str, member: str, topics: Sequence[str], ttl_ms: int) -> list[Fence]:
        """See ``Log.renew``."""
        self._catalog.look()
        sources = {
            row: TopicPartition(topic, partition)
            for topic in sorted(set(topics))
            for partition, row in enumerate(self._catalog.topic(topic).rows)
        }
        with self._writing():
            epochs = groups.renew(
                self._connection, self._catalog, groups.Heartbeat(group, member, tuple(topics), self._clock(), ttl_ms)
            )
        return [Fence(group, sources[row], member, epoch) for row, epoch in sorted(epochs.items())]

    def leave(self, group: str, member: str) -> None:
        """See ``Log.leave``."""
        with self._writing():
            groups.leave(self._connection, group, member)

    def delete_group(self, group: str) -> None:
        """See ``Log.delete_group``."""
        with self._writing():
            groups.delete(self._connection, group, self._clock())

    def tidy_step(self) -> bool:
        """A short piece of tidying up; whether there is more to do."""
        with self._writing():
            if retention.drop_old(self._connection, self._catalog.all().values(), self._clock()):
                return True
        with self._queue.writing():
            return retention.give_back(self._connection)

    def truncate_wal(self) -> None:
        """Move everything from the write-ahead log to the file and cut it off, if no reader is in the way."""
        with self._queue.writing():
            retention.checkpoint(self._connection, wait_ms=_READERS_MS)

    def close(self) -> None:
        """Release the connection; the last one of all processes folds the write-ahead log into the file."""
        with self._queue.writing():
            self._connection.close()
        self._queue.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._queue.writing():
            with transaction(self._connection, write=True):
                yield
            self._bound_wal()

    def _bound_wal(self) -> None:
        """Stop a write-ahead log that grows because readers overlap all the time: wait for them once in a while."""
        size = self._wal.stat().st_size
        if size > self._wal_limit:
            emptied = retention.checkpoint(self._connection, wait_ms=_READERS_MS)
            self._wal_limit = WAL_BYTES if emptied else size + WAL_BYTES

    def _prepare(self, outgoing: Sequence[Outgoing]) -> list[Piece | KeyedPiece]:
        now_ms = self._clock()
        self._turn += 1
        return [
            piece
            for item in outgoing
            for piece in pieces(item, self._catalog.topic(item.topic), now_ms=now_ms, turn=self._turn)
        ]

    def _write(self, prepared: Sequence[Piece | KeyedPiece]) -> None:
        now_ms = self._clock()
        for piece in prepared:
            if isinstance(piece, Piece):
                _insert_chunk(self._connection, piece)
            else:
                _replace_latest(self._connection, piece, now_ms)


def _advance(connection: sqlite3.Connection, row: int, count: int, size_bytes: int) -> int:
    """Reserve ``count`` offsets of a partition; the first of them."""
    found = connection.execute(
        "UPDATE partitions SET end_offset = end_offset + ?, bytes = bytes + ? WHERE id = ? RETURNING end_offset",
        (count, size_bytes, row),
    ).fetchone()
    if found is None:
        raise UnknownTopicError("a topic was deleted while records for it were on their way; nothing was written")
    return int(found[0]) - count


def _insert_chunk(connection: sqlite3.Connection, piece: Piece) -> None:
    base = _advance(connection, piece.row, piece.n, len(piece.blob))
    connection.execute(
        "INSERT INTO chunks (partition, base_offset, count, min_ms, max_ms, bytes, records)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (piece.row, base, piece.n, piece.min_ms, piece.max_ms, len(piece.blob), piece.blob),
    )


def _replace_latest(connection: sqlite3.Connection, piece: KeyedPiece, now_ms: int) -> None:
    """Write the newest value of each key; a key that comes twice in a piece keeps its last value only."""
    values, _, stamps, headers = piece.columns
    n = len(values)
    base = _advance(connection, piece.row, n, 0)
    sizes = lengths_of(piece.keys) + np.maximum(lengths_of(values), 0)
    deleted = [now_ms if value is None else None for value in values] if None in values else repeat(None, n)
    packed = repeat(None, n) if headers is None else [encode_headers([item]) if item else None for item in headers]
    offsets = range(base, base + n)
    rows = zip(
        repeat(piece.row, n), piece.keys, offsets, stamps.tolist(), sizes.tolist(), deleted, packed, values, strict=True
    )
    connection.executemany(
        "INSERT OR REPLACE INTO latest (partition, key, offset, timestamp_ms, bytes, deleted_ms, headers, value)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
