"""The file of a local log: its tables, and how connections to it are opened.

A ``delete`` topic is rows of ``chunks``, each a blob of many records; a ``compact`` topic is rows of ``latest``, one
for each key. Offsets, positions and leases are rows beside them, so that one transaction can change all together.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pipeline.errors import LogBusyError, LogError
from pipeline.local.writers import WriterQueue

APPLICATION_ID = 0x73746C67  # "stlg" in the file's header tells a log from any other SQLite file
SCHEMA_VERSION = 1
PAGE_BYTES = 16_384  # records come in blobs of a megabyte: larger pages mean fewer system calls
CHECKPOINT_PAGES = 1024  # 16 MB of write-ahead log between checkpoints: each costs two fsyncs
WAL_BYTES = 4 * CHECKPOINT_PAGES * PAGE_BYTES  # beyond this, writers wait for readers to let the log start over
BUSY_MS = 30_000

Sync = Literal["normal", "full"]

# chunks: the second index covers what planning a fetch and retention need, so that neither touches a blob.
# latest: rowids grow with offsets, so reading in offset order walks the file forward.
_TABLES = """
CREATE TABLE topics (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, cleanup TEXT NOT NULL,
    retention_ms INTEGER, retention_bytes INTEGER
);
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, partition INTEGER NOT NULL,
    start_offset INTEGER NOT NULL DEFAULT 0, end_offset INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, partition)
);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY, partition INTEGER NOT NULL, base_offset INTEGER NOT NULL, count INTEGER NOT NULL,
    min_ms INTEGER NOT NULL, max_ms INTEGER NOT NULL, bytes INTEGER NOT NULL, records BLOB NOT NULL
);
CREATE UNIQUE INDEX chunks_by_offset ON chunks (partition, base_offset, count, max_ms, bytes);
CREATE TABLE latest (
    id INTEGER PRIMARY KEY, partition INTEGER NOT NULL, key BLOB NOT NULL, offset INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL, bytes INTEGER NOT NULL, deleted_ms INTEGER, headers BLOB, value BLOB
);
CREATE UNIQUE INDEX latest_by_key ON latest (partition, key);
CREATE UNIQUE INDEX latest_by_offset ON latest (partition, offset, timestamp_ms, bytes);
CREATE INDEX latest_deleted ON latest (deleted_ms) WHERE deleted_ms IS NOT NULL;
CREATE TABLE positions (
    group_name TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, committed_ms INTEGER NOT NULL,
    PRIMARY KEY (group_name, partition)
) WITHOUT ROWID;
CREATE TABLE members (
    group_name TEXT NOT NULL, member TEXT NOT NULL, topics TEXT NOT NULL, expires_ms INTEGER NOT NULL,
    PRIMARY KEY (group_name, member)
) WITHOUT ROWID;
CREATE TABLE leases (
    group_name TEXT NOT NULL, partition INTEGER NOT NULL, member TEXT NOT NULL, epoch INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL, PRIMARY KEY (group_name, partition)
) WITHOUT ROWID;
"""


def prepare(path: Path, queue: WriterQueue) -> None:
    """Make the log's file if it is new, check it if it is not.

    Raises:
        LogError: If the file is something else, or a log of another version.
    """
    with (
        queue.writing(),
        contextlib.closing(sqlite3.connect(path, timeout=BUSY_MS / 1_000, isolation_level=None)) as connection,
    ):
        try:
            _create_or_check(connection, path)
        except sqlite3.DatabaseError as error:
            raise LogError(f"{path} can't be opened as a streamgauge log: {error}; name another file") from error


def _create_or_check(connection: sqlite3.Connection, path: Path) -> None:
    (objects,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not objects and not application:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(
            f"BEGIN IMMEDIATE;{_TABLES}PRAGMA application_id={APPLICATION_ID};"
            f"PRAGMA user_version={SCHEMA_VERSION};COMMIT;"
        )
    elif application != APPLICATION_ID:
        raise LogError(f"{path} is an SQLite file of another program, not a streamgauge log; name another file")
    elif version != SCHEMA_VERSION:
        raise LogError(
            f"{path} has log format {version}, this program reads format {SCHEMA_VERSION}; "
            "use the program's matching version or another file"
        )


def connect(path: Path, *, sync: Sync = "normal") -> sqlite3.Connection:
    """A connection to a prepared log, for one thread at a time.

    Args:
        path: The log's file.
        sync: ``normal`` survives the death of any process, ``full`` a power loss too, at an fsync a commit.
    """
    connection = sqlite3.connect(path, timeout=BUSY_MS / 1_000, isolation_level=None, check_same_thread=False)
    for setting in (
        f"synchronous={sync.upper()}",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
        f"journal_size_limit={WAL_BYTES // 2}",
        "secure_delete=OFF",
        "cache_size=-8192",
    ):
        connection.execute(f"PRAGMA {setting}").fetchall()
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, *, write: bool = False) -> Iterator[None]:
    """A transaction: a read sees one moment of the log, a write happens as a whole or not at all.

    The caller of a write holds the pen (``WriterQueue``). As checkpoints run in a commit, they too are then made by
    one process at a time.

    Raises:
        LogBusyError: If another program keeps the file locked.
    """
    try:
        connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        raise LogBusyError(f"another program keeps the log's file locked ({error}); end it, then try again") from error
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
