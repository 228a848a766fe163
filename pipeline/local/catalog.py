"""Which topics a local log has, and the row of each of their partitions."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from agents.events import TopicPartition
from pipeline.errors import TopicMismatchError
from pipeline.log.api import TopicSpec
from pipeline.log.names import unknown_partition, unknown_topic, validate

Cleanup = Literal["delete", "compact"]

_SELECT = (
    "SELECT name, cleanup, retention_ms, retention_bytes, partitions.id FROM topics"
    " JOIN partitions ON partitions.topic = topics.id"
)
_ORDER = " ORDER BY name, partition"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as stored: its settings, and the row id of each partition in order."""

    spec: TopicSpec
    rows: tuple[int, ...]

    def row(self, partition: int) -> int:
        """Row id of a partition.

        Raises:
            UnknownTopicError: If there is no such partition.
        """
        if not 0 <= partition < len(self.rows):
            raise unknown_partition(self.spec.name, partition, len(self.rows))
        return self.rows[partition]


class Catalog:
    """The topics of a log, remembered: only a miss asks the file, or that one was changed or deleted since.

    SQLite counts the versions of a file's schema. Here that number also grows with each change to a topic that may be
    remembered, in whatever process.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._topics: dict[str, Topic] = {}
        self._version = -1

    def look(self) -> None:
        """Forget what was changed since the last look: to be called once for each piece of work."""
        (version,) = self._connection.execute("PRAGMA schema_version").fetchone()
        if version != self._version:
            self._topics.clear()
            self._version = version

    def topic(self, name: str) -> Topic:
        """A topic by name.

        Raises:
            UnknownTopicError: If there is none.
        """
        topic = self._find(name)
        if topic is None:
            raise unknown_topic(name, self.all())
        return topic

    def row(self, source: TopicPartition) -> int:
        """Row id of a partition.

        Raises:
            UnknownTopicError: If there is no such topic or partition.
        """
        return self.topic(source.topic).row(source.partition)

    def all(self) -> dict[str, Topic]:
        """Every topic by name."""
        self.look()
        self._topics |= _topics(self._connection.execute(_SELECT + _ORDER))
        return dict(sorted(self._topics.items()))

    def create(self, spec: TopicSpec) -> None:
        """Make a topic, inside a write transaction.

        Raises:
            UsageError: If the name or a setting is not allowed.
            TopicMismatchError: If it exists with other partitions or cleanup.
        """
        validate(spec)
        self.look()
        found = self._find(spec.name)
        if found is None:
            (topic,) = self._connection.execute(
                "INSERT INTO topics (name, cleanup, retention_ms, retention_bytes) VALUES (?, ?, ?, ?) RETURNING id",
                (spec.name, spec.cleanup, spec.retention_ms, spec.retention_bytes),
            ).fetchone()
            self._connection.executemany(
                "INSERT INTO partitions (topic, partition) VALUES (?, ?)",
                ((topic, partition) for partition in range(spec.partitions)),
            )
        elif (found.spec.partitions, found.spec.cleanup) != (spec.partitions, spec.cleanup):
            raise TopicMismatchError(
                f"topic {spec.name!r} exists with {found.spec.partitions} partitions and cleanup "
                f"{found.spec.cleanup!r}, asked for were {spec.partitions} and {spec.cleanup!r}. "
                f"{_advice(found.spec, spec)}"
            )

    def add_partitions(self, spec: TopicSpec) -> None:
        """Give a topic the partitions that it lacks, inside a write transaction."""
        (topic,) = self._connection.execute("SELECT id FROM topics WHERE name = ?", (spec.name,)).fetchone()
        self._connection.executemany(
            "INSERT OR IGNORE INTO partitions (topic, partition) VALUES (?, ?)",
            ((topic, partition) for partition in range(spec.partitions)),
        )
        self._changed()

    def set_retention(self, spec: TopicSpec) -> None:
        """Set what a topic keeps, inside a write transaction."""
        self._connection.execute(
            "UPDATE topics SET retention_ms = ?, retention_bytes = ? WHERE name = ?",
            (spec.retention_ms, spec.retention_bytes, spec.name),
        )
        self._changed()

    def delete(self, name: str) -> None:
        """Delete a topic with its records, positions and leases, inside a write transaction; nothing if there is none.

        Cost: reads what it deletes, about a second for each GB, in which nobody else writes.
        """
        self.look()
        topic = self._find(name)
        if topic is None:
            return
        for table in ("chunks", "latest", "positions", "leases"):
            self._connection.executemany(f"DELETE FROM {table} WHERE partition = ?", ((row,) for row in topic.rows))  # noqa: S608 - names of our own
        self._connection.executemany("DELETE FROM partitions WHERE id = ?", ((row,) for row in topic.rows))
        self._connection.execute("DELETE FROM topics WHERE name = ?", (name,))
        self._changed()

    def _find(self, name: str) -> Topic | None:
        if name not in self._topics:
            self._topics |= _topics(self._connection.execute(_SELECT + " WHERE name = ?" + _ORDER, (name,)))
        return self._topics.get(name)

    def _changed(self) -> None:
        self.look()
        self._connection.execute(f"PRAGMA schema_version = {self._version + 1}")


def _advice(found: TopicSpec, wanted: TopicSpec) -> str:
    if found.cleanup != wanted.cleanup:
        return "Change the configuration back, or use another topic or log."
    back = f"Set partitions = {found.partitions} in the configuration"
    if found.partitions > wanted.partitions:
        return f"{back}, or use another topic or log."
    return f"{back}, or add the missing ones with `streamgauge topics mend`, after which keys have new places."


def _topics(rows: Iterable[tuple[str, Cleanup, int | None, int | None, int]]) -> dict[str, Topic]:
    partitions: dict[tuple[str, Cleanup, int | None, int | None], list[int]] = {}
    for name, cleanup, retention_ms, retention_bytes, row in rows:
        partitions.setdefault((name, cleanup, retention_ms, retention_bytes), []).append(row)
    return {
        name: Topic(
            TopicSpec(
                name=name,
                partitions=len(ids),
                cleanup=cleanup,
                retention_ms=retention_ms,
                retention_bytes=retention_bytes,
            ),
            tuple(ids),
        )
        for (name, cleanup, retention_ms, retention_bytes), ids in partitions.items()
    }
