"""The tables of the store, and when they are made anew."""

from collections.abc import Iterable
from typing import Final

from pipeline.store.database import Database, Writer

VERSION: Final = "3"
"""Of all that follows; a store of another one is built anew from the log."""

TABLES: Final = {
    "facts": "name {text}, value {text}",
    "positions": "topic {text}, part INTEGER, next_offset BIGINT, mark BIGINT",
    "alerts": (
        "number BIGINT, id {text}, detected_ms BIGINT, rule {text}, severity {text}, key {text}, record {text}, "
        "folded {text}, document {text}"
    ),
    "members": "number BIGINT, alert {text}, incident {text}",
    "labels": "kind {text}, ref {text}, fraud BOOLEAN, labelled_ms BIGINT, source {text}",
    "incidents": (
        "id {text}, place {text}, live BOOLEAN, rank INTEGER, severity {text}, rule {text}, key {text}, "
        "folded {text}, ordered_ms BIGINT, record {text}"
    ),
    "snoozes": "place {text}, until_ms BIGINT, record {text}",
    "notices": "number BIGINT, id {text}, incident {text}, time_ms BIGINT, record {text}",
    "letters": (
        "number BIGINT, topic {text}, part INTEGER, place BIGINT, time_ms BIGINT, reason {text}, error {text}, "
        "message {text}, origin {text}, key {text}, payload {text}, folded {text}"
    ),
}
INDEXES: Final = {  # DuckDB scans these faster than it keeps an index up to date
    "alerts_by_id": "alerts (id)",
    "alerts_by_time": "alerts (detected_ms, number)",
    "alerts_by_number": "alerts (number)",
    "members_by_incident": "members (incident)",
    "members_by_alert": "members (alert)",
    "incidents_by_id": "incidents (id)",
    "notices_by_incident": "notices (incident)",
    "labels_by_ref": "labels (ref)",
    "letters_by_time": "letters (time_ms)",
}


def prepare(database: Database) -> bool:
    """Make the tables, unless they are there in this version.

    Returns:
        Whether the store was begun anew.
    """
    with database.write() as writer:
        there = existing(writer)
        if "facts" in there and fact(writer, "version") == VERSION:
            return False
        drop(writer, there)
        for name, columns in TABLES.items():
            writer.run(f'CREATE TABLE "{name}" ({columns.format(text=database.text)})')
        if database.indexed:
            for name, place in INDEXES.items():
                writer.run(f"CREATE INDEX {name} ON {place}")
        set_fact(writer, "version", VERSION)
        return True


def existing(writer: Writer) -> list[str]:
    """Names of the tables in this store."""
    sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1"
    return [str(name) for (name,) in writer.run(sql)]


def drop(writer: Writer, tables: Iterable[str]) -> None:
    """Remove tables."""
    for name in tables:
        writer.run(f'DROP TABLE "{name}"')


def fact(writer: Writer, name: str) -> str | None:
    """A value that was set, if it was."""
    found = writer.run("SELECT value FROM facts WHERE name = $1", [name])
    return str(found[0][0]) if found else None


def set_fact(writer: Writer, name: str, value: str) -> None:
    """Remember a value."""
    writer.run("DELETE FROM facts WHERE name = $1", [name])
    writer.run("INSERT INTO facts (name, value) VALUES ($1, $2)", [name, value])


def take_number(writer: Writer, name: str, count: int) -> int:
    """The first of ``count`` numbers that were not given yet; they outlive the rows that carry them."""
    first = int(fact(writer, name) or 0) + 1
    if count:
        set_fact(writer, name, str(first + count - 1))
    return first
