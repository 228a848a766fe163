"""The store in PostgreSQL, for more than one web process: one follows the log, all answer."""

import contextlib
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

    Cost: eight connections for readers, one for the writer. Pages of a million rows are found by indexes, which makes
    writing dearer: about 45 us for each row that has changed, and 5 us for each that is looked at and has not.
    """

    text: str = 'TEXT COLLATE "C"'
    indexed: bool = True
    trigrams: str | None = None

    def __init__(self, url: str, schema: str) -> None:
        self._url = url
        self._lock_number = zlib.crc32(schema.encode())
        self._schema = schema
        self._writing = threading.Lock()
        self._writer: psycopg.Connection[Row] | None = None
        self._leads = False
        try:
            with psycopg.connect(url, autocommit=True) as first:
                first.execute(composing.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(composing.Identifier(schema)))
                self.trigrams = _trigrams(first)
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

    def settle(self, tables: Iterable[str]) -> None:
        """Vacuum and analyse: indexes alone then answer what they can, and the planner knows how much there is."""
        with self._writing:
            try:
                for table in tables:
                    self._connected().execute(f'VACUUM (ANALYZE) "{table}"'.encode())
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
        path = f'"{self._schema}"' + (f', "{self.trigrams}"' if self.trigrams else "")
        connection.execute(f"SET search_path TO {path}".encode())
        connection.execute(b"SET jit = off")  # compiling takes longer than any of our questions
        connection.execute(b"SET work_mem = '32MB'")


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

    def renew(self, table: str, columns: Mapping[str, Column], stale: str) -> None:
        """Writes only the rows that are others than before: each costs its entries in all indexes."""
        staged = f"staged_{table}"
        names = [f'"{name}"' for name in columns]
        listed = ", ".join(names)
        others = [name for name in names if name != '"place"']
        changed = ", ".join(f"{name} = excluded.{name}" for name in others)
        before, after = (", ".join(f"{of}.{name}" for name in others) for of in (f'"{table}"', "excluded"))
        self.run(f'CREATE TEMP TABLE IF NOT EXISTS "{staged}" (LIKE "{table}") ON COMMIT DELETE ROWS')
        self.insert(staged, columns)
        self.run(
            f'DELETE FROM "{table}" old WHERE ({stale}) '  # noqa: S608 - names and numbers of ours
            f'AND NOT EXISTS (SELECT FROM "{staged}" new WHERE new.place = old.place)'
        )
        self.run(
            f'INSERT INTO "{table}" ({listed}) SELECT {listed} FROM "{staged}" '  # noqa: S608
            f"ON CONFLICT (place) DO UPDATE SET {changed} WHERE ({before}) IS DISTINCT FROM ({after})"
        )
        self.run(f'DELETE FROM "{staged}"')  # noqa: S608


def _trigrams(connection: "psycopg.Connection[Any]") -> str | None:
    """The schema of the extension ``pg_trgm``, which is made if that is allowed; ``None`` without it."""
    with contextlib.suppress(psycopg.Error):
        connection.execute(b"CREATE EXTENSION IF NOT EXISTS pg_trgm")
    found = connection.execute(
        b"SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'pg_trgm'"
    ).fetchone()
    return str(found[0]) if found else None


def _as_list(column: Column) -> list[Any]:
    array = as_array(column)
    values: list[Any] = array.tolist()
    if array.dtype.kind == "f":
        for at in np.flatnonzero(np.isnan(array)).tolist():
            values[at] = None
    return values
