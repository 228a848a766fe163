"""Sessions of browsers: a random token in a cookie, its hash and its end in the access file."""

import hashlib
import re
import secrets
from collections.abc import Callable
from typing import Final

from pipeline.access.audit import AuditLog, Event
from pipeline.access.database import Database
from pipeline.access.roles import User, parse_role

_FORM: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class Sessions:
    """Starts, recognises and ends sessions. Begin and end stand in the audit log, in the same transaction.

    A session lasts for a fixed time from the login on: an open page asks the server all the time, so that none would
    ever be idle.

    Args:
        database: Of the access file.
        audit: Its audit log.
        length_ms: How long a session lasts.
        clock_ms: Wall clock, Unix ms.
    """

    def __init__(self, database: Database, audit: AuditLog, *, length_ms: int, clock_ms: Callable[[], int]) -> None:
        self._database = database
        self._audit = audit
        self._length_ms = length_ms
        self._clock_ms = clock_ms

    def start(self, name: str, event: Event, *, instead_of: str | None = None) -> str:
        """A new session of a user; its token, which is in no file.

        Args:
            name: Of the user.
            event: The login, for the audit log.
            instead_of: Token that the browser had before; its session ends.
        """
        token, now_ms = secrets.token_urlsafe(32), self._clock_ms()
        with self._database.change() as change:
            change.execute("DELETE FROM sessions WHERE hash = ? OR expires_ms <= ?", (_digest(instead_of), now_ms))
            change.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?)", (_digest(token), name, now_ms, now_ms + self._length_ms)
            )
            self._audit.append(change, event)
        return token

    def check(self, token: str) -> User | None:
        """Whose session a token stands for; ``None`` if it has ended or there never was one."""
        return self.user(_digest(token)) if _FORM.fullmatch(token) else None

    def user(self, proof: str) -> User | None:
        """Whose session it is, by ``proof`` of a user that ``check`` gave."""
        rows = self._database.read(
            "SELECT name, role, expires_ms FROM sessions JOIN users ON name = user WHERE hash = ?", proof
        )
        if not rows or rows[0][2] <= self._clock_ms():
            return None
        name, role, expires_ms = rows[0]
        return User(name=name, role=parse_role(role), how="session", proof=proof, until_ms=expires_ms)

    def end(self, proof: str, event: Event) -> None:
        """End a session; ``event`` is the logout, for the audit log."""
        with self._database.change() as change:
            change.execute("DELETE FROM sessions WHERE hash = ?", (proof,))
            self._audit.append(change, event)


def _digest(token: str | None) -> str:
    """What the file keeps of a token; of none nothing that could be there."""
    return hashlib.sha256(token.encode()).hexdigest() if token else ""
