"""The store in a file of this process, or in memory: DuckDB, whose columns make a page of a million rows quick."""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from pipeline.errors import LogError, UsageError
from pipeline.store.database import Column, Row, Writer, as_array

_STAGED: Final = "staged_columns"
_CHECKPOINT: Final = "64MB"


class DuckDatabase:
    """A DuckDB file, which one process at a time can open.

    Args:
        path: The file; ``None`` keeps all in memory.

    Raises:
        UsageError: If another process has it open, or it is no DuckDB file.

    Cost: a query uses all cores; readers see the newest commit and never wait for the writer.
    """

    text: str = "VARCHAR"
    indexed: bool = False
    trigrams: str | None = None

    def __init__(self, path: Path | None) -> None:
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._root = duckdb.connect(":memory:" if path is None else str(path))
        except (duckdb.Error, OSError) as error:
            raise UsageError(_why_not_open(path, str(error))) from error
        self._root.execute(f"SET checkpoint_threshold = '{_CHECKPOINT}'")
        self._own = threading.local()
        self._writing = threading.Lock()
        self._writer = self._root.cursor()

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run a query."""
        cursor = getattr(self._own, "cursor", None)
        if cursor is None:
            cursor = self._own.cursor = self._root.cursor()
        try:
            found: list[Row] = cursor.execute(sql, list(values)).fetchall()
        except duckdb.Error as error:
            raise LogError(f"the store can't be read: {error}") from error
        return found

    def stream(self, sql: str, values: Sequence[Any], size: int) -> Iterator[list[Row]]:
        """Run a query whose answer is long."""
        try:
            with contextlib.closing(self._root.cursor()) as cursor:
                cursor.execute(sql, list(values))
                while rows := cursor.fetchmany(size):
                    yield rows
        except duckdb.Error as error:
            raise LogError(f"the store can't be read: {error}") from error

    @contextlib.contextmanager
    def write(self) -> Iterator[Writer]:
        """One transaction."""
        with self._writing:
            try:
                self._writer.begin()
                yield _DuckWriter(self._writer)
                self._writer.commit()
            except BaseException as error:
                with contextlib.suppress(duckdb.Error):
                    self._writer.rollback()
                if isinstance(error, duckdb.Error):
                    raise LogError(f"the store can't be written: {error}") from error
                raise

    def settle(self, tables: Iterable[str]) -> None:
        """It always knows."""

    def leads(self) -> bool:
        """A file has one process."""
        return True

    def close(self) -> None:
        """Let go of the file."""
        with self._writing:
            self._writer.close()
            self._root.close()


class _DuckWriter:
    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        found: list[Row] = self._cursor.execute(sql, list(values)).fetchall()
        return found

    def insert(self, table: str, columns: Mapping[str, Column]) -> None:
        arrays = {name: as_array(column) for name, column in columns.items()}
        if not len(next(iter(arrays.values()))):
            return
        names = ", ".join(f'"{name}"' for name in arrays)
        self._cursor.register(_STAGED, arrays)
        try:
            self._cursor.execute(f'INSERT INTO "{table}" ({names}) SELECT {names} FROM {_STAGED}')  # noqa: S608
        finally:
            self._cursor.unregister(_STAGED)

    def renew(self, table: str, columns: Mapping[str, Column], stale: str) -> None:
        self._cursor.execute(f'DELETE FROM "{table}" WHERE {stale}')  # noqa: S608 - names and numbers of ours
        self.insert(table, columns)


def _why_not_open(path: Path | None, error: str) -> str:
    if "lock" in error.lower():
        return (
            f"the store {path} is open in another process: is `streamgauge web` running already? End it, or give this "
            "one a store of its own with `store` in [web]"
        )
    return f"the store {path} can't be opened: {error}; it holds nothing that the log lacks, so it may be deleted"
