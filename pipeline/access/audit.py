"""The audit log in the access file: appended in the same transaction as the change that it tells of, or before it."""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from pipeline.access.chain import Entry, Head, Verdict, link, verify
from pipeline.access.database import Database
from pipeline.errors import AccessError, StreamgaugeError

Outcome = Literal["asked", "ok", "refused", "failed"]
"""``asked`` is written before a change elsewhere is tried; ``ok`` or ``failed`` follows in a record of its own."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that was done, or tried.

    Args:
        who: Name of the user, or the name that somebody claimed.
        how: What proved it: ``session``, ``key``, ``token``, ``cli``, ``local``; ``password`` for a login.
        action: What was done, such as ``incident.acknowledge`` or ``user.add``.
        subject: To what: an id or a name.
        details: What else matters, JSON values; never a secret.
        outcome: Whether it was done.
        address: From where, if it came over a network.
    """

    who: str
    how: str
    action: str
    subject: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    outcome: Outcome = "ok"
    address: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """Who does something.

    Args:
        who: Name of the user.
        how: What proved it.
        address: From where, if it comes over a network.
    """

    who: str
    how: str
    address: str = ""

    def doing(self, action: str, subject: str = "", *, outcome: Outcome = "ok", **details: Any) -> Event:
        """What the actor does."""
        return Event(
            who=self.who,
            how=self.how,
            action=action,
            subject=subject,
            details=details,
            outcome=outcome,
            address=self.address,
        )


class AuditLog:
    """Appends to the chain and reads it.

    Args:
        database: Of the access file.
        clock_ms: Wall clock, Unix ms.
        key: Seals records; ``None`` leaves them without a seal.
    """

    def __init__(self, database: Database, *, clock_ms: Callable[[], int], key: bytes | None = None) -> None:
        self._database = database
        self._clock_ms = clock_ms
        self._key = key

    def record(self, event: Event) -> Head:
        """Append an event in a transaction of its own; the chain's new head.

        Raises:
            AccessError: If the file can't be written.

        Cost: a few ms, for it waits for the disk.
        """
        with self._database.change() as change:
            return self.append(change, event)

    @contextlib.asynccontextmanager
    async def around(self, by: Actor, action: str, subject: str, **details: Any) -> AsyncIterator[None]:
        """Note a change that is made elsewhere, in the block: that it was asked for before, what became of it after.

        So a change is never without its record. A process that ends in between leaves ``asked`` alone, and ``details``
        must tell how to find out whether the change was made. The same holds when what became of it can't be written:
        the change stands, and a line of the program's own log says so.

        Args:
            by: Who asks.
            action: What for.
            subject: An id or a name.
            details: What else matters, JSON values; never a secret.

        Raises:
            AccessError: If it can't be noted, before the block has begun.

        Cost: twice a few ms, in a thread, for it waits for the disk.
        """
        await asyncio.to_thread(self.record, by.doing(action, subject, outcome="asked", **details))
        try:
            yield
        except StreamgaugeError as error:
            await self._became(by.doing(action, subject, outcome="failed", **details, reason=str(error)))
            raise
        await self._became(by.doing(action, subject, **details))

    async def _became(self, event: Event) -> None:
        try:
            await asyncio.to_thread(self.record, event)
        except AccessError:
            _logger.exception("%s of %s is in the audit log as asked only", event.action, event.subject)

    def append(self, change: sqlite3.Connection, event: Event) -> Head:
        """Append an event in the transaction of what it tells of; the chain's new head."""
        found = change.execute("SELECT number, hash FROM audit_head WHERE id = 1").fetchone()
        entry = link(Head(*found) if found else Head(), self._content(event), self._key)
        change.execute("INSERT INTO audit VALUES (?, ?, ?, ?)", entry)
        change.execute(
            "INSERT INTO audit_head VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET number = ?1, hash = ?2",
            (entry.number, entry.hash),
        )
        return Head(entry.number, entry.hash)

    def head(self) -> Head:
        """Where the chain is said to end."""
        found = self._database.read("SELECT number, hash FROM audit_head WHERE id = 1")
        return Head(*found[0]) if found else Head()

    def newest(self, limit: int, *, before: int | None = None) -> list[dict[str, Any]]:
        """Contents of the newest records, newest first, each with its ``hash``.

        Args:
            limit: At most so many.
            before: Only those with a smaller number.
        """
        rows = self._database.read(
            "SELECT body, hash FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?",
            (1 << 62) if before is None else before,
            limit,
        )
        return [{**_content_of(body), "hash": digest} for body, digest in rows]

    def verify(self, known: Iterable[Head] = ()) -> Verdict:
        """Check the whole chain as it is at one moment, while others go on writing.

        Args:
            known: Heads that were printed before and kept elsewhere.

        Raises:
            AccessError: If the file can't be read.

        Cost: about 10 µs a record.
        """
        with self._database.snapshot() as moment:
            found = moment.execute("SELECT number, hash FROM audit_head WHERE id = 1").fetchone()
            rows = moment.execute("SELECT number, body, hash, seal FROM audit ORDER BY number")
            end = Head(*found) if found else Head()
            return verify((Entry(*row) for row in rows), end=end, key=self._key, known=known)

    def _content(self, event: Event) -> dict[str, Any]:
        return {
            "time_ms": self._clock_ms(),
            "who": event.who,
            "how": event.how,
            "action": event.action,
            "subject": event.subject,
            "details": dict(event.details),
            "outcome": event.outcome,
            "address": event.address,
        }


def _content_of(body: str) -> dict[str, Any]:
    """What a record says; a text that is no record is shown as it is."""
    try:
        content = orjson.loads(body)
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {"unreadable": body}
