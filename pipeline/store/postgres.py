"""The store in PostgreSQL, for more than one web process: one follows the log, all answer."""

import contextlib
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from pipeline.errors import LogError, UsageError
from pipeline.store.database import Column, Row, Writer, as_array

try:
    import psycopg
    import psycopg_pool
    from psycopg import sql as composing
except ImportError as _missing:  # an optional extra
    raise UsageError("a store in PostgreSQL needs its driver: pip install 'streamgauge[postgres]'") from _missing

_READERS: Final = 8
_WAIT_S: Final = 10.0


class PostgresDatabase:
    """A schema of a PostgreSQL database, made if it is not there.

    Args:
        url: ``postgresql://USER:PASSWORD@HOST/DATABASE``.
        schema: The schema; one for each application.

    Raises:
        UsageError: If the server does not answer or refuses.

    Cost: eight connections for readers, one for the writer. A page that filters or sorts reads the whole table: about
    half a second for a million rows.
    """

    text: str = 'TEXT COLLATE "C"'
    indexed: bool = True

    def __init__(self, url: str, schema: str) -> None:
        self._url = url
        self._lock_number = zlib.crc32(schema.encode())
        self._path = f'SET search_path TO "{schema}"'
        self._writing = threading.Lock()
        self._writer: psycopg.Connection[Row] | None = None
        self._leads = False
        try:
            with psycopg.connect(url, autocommit=True) as first:
                first.execute(composing.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(composing.Identifier(schema)))
        except psycopg.Error as error:
            raise UsageError(f"the store in PostgreSQL can't be opened: {str(error).strip()}") from error
        self._pool = psycopg_pool.ConnectionPool(
            url,
            min_size=1,
            max_size=_READERS,
            timeout=_WAIT_S,
            open=True,
            configure=self._configure,
            check=psycopg_pool.ConnectionPool.check_connection,
            kwargs={"autocommit": True, "cursor_factory": psycopg.RawCursor},
        )

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run a query."""
        try:
            with self._pool.connection() as connection:
                return connection.execute(sql.encode(), values).fetchall()
        except (psycopg.Error, psycopg_pool.PoolTimeout) as error:
            raise LogError(f"the store can't be read: {str(error).strip()}") from error

    def stream(self, sql: str, values: Sequence[Any], size: int) -> Iterator[list[Row]]:
        """Run a query whose answer is long."""
        try:
            with (
                self._pool.connection() as connection,
                connection.transaction(),
                psycopg.RawServerCursor(connection, "streamed") as cursor,
            ):
                cursor.execute(sql.encode(), values)
                while rows := cursor.fetchmany(size):
                    yield rows
        except (psycopg.Error, psycopg_pool.PoolTimeout) as error:
            raise LogError(f"the store can't be read: {str(error).strip()}") from error

    @contextlib.contextmanager
    def write(self) -> Iterator[Writer]:
        """One transaction."""
        with self._writing:
            try:
                connection = self._connected()
                with connection.transaction():
                    yield _PostgresWriter(connection)
            except psycopg.Error as error:
                self._drop()
                raise LogError(f"the store can't be written: {str(error).strip()}") from error

    def leads(self) -> bool:
        """Whether this process holds the writer's lock, which lives as long as its connection."""
        with self._writing:
            try:
                connection = self._connected()
                if not self._leads:
                    found = connection.execute(b"SELECT pg_try_advisory_lock($1)", [self._lock_number]).fetchone()
                    self._leads = bool(found and found[0])
                else:
                    connection.execute(b"SELECT 1")
            except psycopg.Error:
                self._drop()
        return self._leads

    def close(self) -> None:
        """Close all connections."""
        with self._writing:
            self._drop()
            self._pool.close()

    def _connected(self) -> "psycopg.Connection[Row]":
        if self._writer is None:
            self._leads = False
            self._writer = psycopg.connect(self._url, autocommit=True, cursor_factory=psycopg.RawCursor)
            self._configure(self._writer)
        return self._writer

    def _drop(self) -> None:
        writer, self._writer, self._leads = self._writer, None, False
        if writer is not None:
            with contextlib.suppress(psycopg.Error):
                writer.close()

    def _configure(self, connection: "psycopg.Connection[Any]") -> None:
        connection.execute(self._path.encode())


class _PostgresWriter:
    def __init__(self, connection: "psycopg.Connection[Row]") -> None:
        self._connection = connection

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        cursor = self._connection.execute(sql.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def insert(self, table: str, columns: Mapping[str, Column]) -> None:
        lists = [_as_list(column) for column in columns.values()]
        names = ", ".join(f'"{name}"' for name in columns)
        with self._connection.cursor().copy(f'COPY "{table}" ({names}) FROM STDIN'.encode()) as copy:
            for row in zip(*lists, strict=True):
                copy.write_row(row)


def _as_list(column: Column) -> list[Any]:
    array = as_array(column)
    values: list[Any] = array.tolist()
    if array.dtype.kind == "f":
        for at in np.flatnonzero(np.isnan(array)).tolist():
            values[at] = None
    return values
