"""What the store asks of a database: many readers, one writer, whole transactions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Row = tuple[Any, ...]
Column = Sequence[Any] | NDArray[Any]


class Writer(Protocol):
    """What may be done within a transaction."""

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one statement with parameters ``$1``, ``$2`` and so on; the rows that it gives."""

    def insert(self, table: str, columns: Mapping[str, Column]) -> None:
        """Add many rows, given as columns of one length; NaN becomes null.

        Cost: below 1 us a value.
        """

    def renew(self, table: str, columns: Mapping[str, Column], stale: str) -> None:
        """Put these rows, given as ``insert`` takes them, in the place of those for which ``stale`` holds.

        Args:
            table: A table with a column ``place``, by which its rows are told apart.
            columns: All of its columns; rows may be none.
            stale: A condition in SQL.
        """


class Database(Protocol):
    """A database that is open. Statements are those that DuckDB and PostgreSQL share."""

    text: str
    """Type of a text column that sorts by code points."""
    indexed: bool
    """Whether an index makes it quicker."""
    trigrams: str | None
    """Schema of what an index of parts of texts needs; ``None`` if there is no such index."""

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run a query on its own connection; any thread may, also while something is written.

        Raises:
            LogError: If the database can't be reached.
        """

    def stream(self, sql: str, values: Sequence[Any], size: int) -> Iterator[list[Row]]:
        """Run a query whose answer is long: its rows as of one moment, ``size`` at a time.

        Raises:
            LogError: If the database can't be reached.
        """

    def write(self) -> AbstractContextManager[Writer]:
        """One transaction: all of it counts or nothing. One at a time.

        Raises:
            LogError: If the database can't be reached.
        """

    def settle(self, tables: Iterable[str]) -> None:
        """Let the database take stock of tables of which much was written, so that it finds the short way.

        Raises:
            LogError: If the database can't be reached.

        Cost: about a second for a million rows, where it does anything.
        """

    def leads(self) -> bool:
        """Whether this process is the one that writes; asks again if it was not."""

    def close(self) -> None:
        """Let go of the database."""


def clean(text: str) -> str:
    """The text as both databases can hold it: a NUL or half a surrogate pair becomes a replacement character."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def as_array(column: Column) -> NDArray[Any]:
    """A column as an array; of objects where values are no numbers, or some are missing."""
    if isinstance(column, np.ndarray):
        return column
    if all(type(value) is int for value in column):
        return np.array(column, np.int64)
    array = np.empty(len(column), object)
    array[:] = column
    return array
