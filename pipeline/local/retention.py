"""Dropping old records and giving space back, in steps short enough for others to write between them."""

import sqlite3
from collections.abc import Iterable

from pipeline.local.catalog import Topic
from pipeline.local.schema import BUSY_MS
from pipeline.log.api import TopicSpec

TOMBSTONE_MS = 3_600_000  # how long a follower may lag and still see that a key was deleted
_STEP_CHUNKS = 64
_STEP_PAGES = 1_024
_SLACK_PAGES = 128  # free pages kept for the next appends


def drop_old(connection: sqlite3.Connection, topics: Iterable[Topic], now_ms: int) -> bool:
    """Drop some of what retention no longer keeps, inside a write transaction; whether anything was dropped.

    As in Kafka, whole stored chunks go, oldest first, a chunk ages by its newest stamp, and a partition keeps at least
    ``retention_bytes``.
    """
    for topic in topics:
        if topic.spec.cleanup == "delete" and any(
            _drop_chunks(connection, row, topic.spec, now_ms) for row in topic.rows
        ):
            return True
    return _drop_tombstones(connection, now_ms)


def _drop_chunks(connection: sqlite3.Connection, row: int, spec: TopicSpec, now_ms: int) -> bool:
    if spec.retention_ms is None and spec.retention_bytes is None:
        return False
    oldest_ms = None if spec.retention_ms is None else now_ms - spec.retention_ms
    (held,) = connection.execute("SELECT bytes FROM partitions WHERE id = ?", (row,)).fetchone()
    excess = -1 if spec.retention_bytes is None else held - spec.retention_bytes
    freed, start = 0, None
    oldest_first = connection.execute(
        "SELECT base_offset + count, max_ms, bytes FROM chunks INDEXED BY chunks_by_offset WHERE partition = ?"
        " ORDER BY base_offset LIMIT ?",
        (row, _STEP_CHUNKS),
    ).fetchall()
    for after, max_ms, size in oldest_first:
        if (oldest_ms is None or max_ms >= oldest_ms) and freed + size > excess:
            break
        freed += size
        start = after
    if start is None:
        return False
    connection.execute("DELETE FROM chunks WHERE partition = ? AND base_offset < ?", (row, start))
    connection.execute("UPDATE partitions SET start_offset = ?, bytes = bytes - ? WHERE id = ?", (start, freed, row))
    return True


def _drop_tombstones(connection: sqlite3.Connection, now_ms: int) -> bool:
    """Drop old tombstones, but never a partition's newest record: readers must be able to reach the end."""
    cursor = connection.execute(
        "DELETE FROM latest WHERE id IN (SELECT latest.id FROM latest"
        " JOIN partitions ON partitions.id = latest.partition WHERE deleted_ms < ?"
        " AND offset < end_offset - 1 LIMIT 10000)",
        (now_ms - TOMBSTONE_MS,),
    )
    return cursor.rowcount > 0


def give_back(connection: sqlite3.Connection) -> bool:
    """Cut some free pages off the file, as a transaction of its own; whether there are more.

    The caller must be the only writer.
    """
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    excess = free - max(_SLACK_PAGES, (pages - free) // 8)
    if excess <= 0:
        return False
    # only a script steps through this pragma: it gives a row without columns for each page, where execute() stops
    connection.executescript(f"PRAGMA incremental_vacuum({min(excess, _STEP_PAGES)})")
    return bool(excess > _STEP_PAGES)


def checkpoint(connection: sqlite3.Connection, *, wait_ms: int) -> bool:
    """Empty the write-ahead log, waiting for readers for at most ``wait_ms``; whether it worked.

    The caller must be the only writer.
    """
    connection.execute(f"PRAGMA busy_timeout={wait_ms}")
    try:  # an error must not make the commit before it look as if it had failed
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    return not busy
