"""The one file of users, keys, sessions and the audit log: SQLite, shared by the web view and the command line."""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pipeline.access.settings import WebSettings
from pipeline.errors import AccessError, UsageError

VERSION: Final = 1
_BUSY_S: Final = 10.0
_MAKING: Final = threading.Lock()  # a thread that finds the file made must not come before its maker has closed it
_SCHEMA: Final = """
CREATE TABLE users (
  name TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT NOT NULL,
  created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE keys (
  id TEXT PRIMARY KEY, hash TEXT NOT NULL, owner TEXT NOT NULL REFERENCES users(name) ON DELETE CASCADE,
  label TEXT NOT NULL, scope TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, used_ms INTEGER
) STRICT;
CREATE TABLE sessions (
  hash TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users(name) ON DELETE CASCADE,
  created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE audit (number INTEGER PRIMARY KEY, body TEXT NOT NULL, hash TEXT NOT NULL, seal TEXT) STRICT;
CREATE TABLE audit_head (id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
"""


class Database:
    """The file, opened when it is first needed; threads and processes may share it.

    Args:
        path: Of the file; made at the first change, readable for its owner only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: sqlite3.Connection | None = None
        self._lock = threading.RLock()

    def exists(self) -> bool:
        """Whether there is a file yet."""
        return self._opened is not None or self.path.exists()

    def read(self, sql: str, *values: Any) -> list[Any]:
        """Rows as of now; none if there is no file yet.

        Raises:
            AccessError: If the file can't be read.

        Cost: about 20 µs for a row by its key.
        """
        if not self.exists():
            return []
        with self._lock, self._told():
            return self._connection().execute(sql, values).fetchall()

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """A transaction that no other writer can come between; durable when the block has ended.

        Raises:
            AccessError: If the file can't be written, or another writer holds it for ten seconds.

        Cost: a few ms, for it waits for the disk.
        """
        with self._lock, self._told():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """All of the file as it is at one moment, in a connection of its own that holds nobody up.

        Raises:
            AccessError: If the file can't be read.
        """
        with self._told(), contextlib.closing(self._open()) as connection:
            connection.execute("BEGIN")
            yield connection
            connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> sqlite3.Connection:
        self._make()
        connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make(self) -> None:
        """Make an empty file for its owner only; SQLite gives its side files the same mode.

        A file that exists is never opened here: closing it would end the locks that this process has on it (POSIX), and
        another process, taking itself for the last one, would remove the journal in use.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _MAKING, contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise AccessError(
                f"{self.path} was written by a newer streamgauge (version {version} of the file, this one reads "
                f"{VERSION}); use that one"
            )
        if version == 0:
            for statement in _statements(_SCHEMA):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, AccessError):
                raise
            raise AccessError(f"the file of users and audit {self.path} can't be used: {error}") from error


def path_of(web: WebSettings, app: str) -> Path:
    """Where an application keeps users, keys, sessions and the audit log."""
    return Path(web.users or f"var/web/{app}-access.db")


def need(database: Database) -> Database:
    """The database, if there is one.

    Raises:
        UsageError: If nobody was added yet.
    """
    if not database.exists():
        raise UsageError(
            f"there is no {database.path} yet; `streamgauge users add NAME --role admin` makes it with its first user"
        )
    return database


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines():
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
