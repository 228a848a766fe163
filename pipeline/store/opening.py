"""A store from its URL."""

import re
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.store.database import Database
from pipeline.store.duck import DuckDatabase


def default_store(log: str, app: str) -> str:
    """Where the store of an application is unless told otherwise: beside a local log, else in ``var``.

    >>> default_store("local://var/events.db?sync=full", "shop"), default_store("kafka://localhost:9092", "shop")
    ('duckdb://var/web/shop.duckdb', 'duckdb://var/web/shop.duckdb')
    >>> default_store("local:///data/shop/events.db", "shop")
    'duckdb:///data/shop/web/shop.duckdb'
    """
    scheme, _, place = log.partition("://")
    folder = Path(place.partition("?")[0]).parent if scheme == "local" else Path("var")
    return f"duckdb://{folder / 'web' / app}.duckdb"


def open_database(url: str, app: str) -> Database:
    """Open the database that a URL names.

    ``duckdb://PATH`` is relative to the working directory, ``duckdb:///PATH`` absolute, ``duckdb://:memory:`` lives as
    long as the process. ``postgresql://USER:PASSWORD@HOST/DATABASE`` takes a schema ``streamgauge_APP`` there.

    Args:
        url: Scheme and place.
        app: Name of the application.

    Raises:
        UsageError: If the URL is not understood, another process has the file, or the server does not answer.
    """
    scheme, separator, place = url.partition("://")
    if separator and scheme == "duckdb" and place:
        return DuckDatabase(None if place == ":memory:" else Path(place).expanduser())
    if separator and scheme in {"postgresql", "postgres"} and place:
        from pipeline.store.postgres import PostgresDatabase  # noqa: PLC0415 - its driver is an optional extra

        return PostgresDatabase(url, "streamgauge_" + re.sub(r"\W", "_", app))
    raise UsageError(
        f"{_hidden(url)!r} names no store: 'duckdb://PATH', 'duckdb://:memory:' and 'postgresql://HOST/DATABASE' "
        "are allowed"
    )


def _hidden(url: str) -> str:
    """The URL without its password."""
    return re.sub(r"(//[^:/@]*:)[^@]*@", r"\1***@", url)
