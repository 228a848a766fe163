"""Users with a password and a role."""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pipeline.access.audit import Actor, AuditLog, Event
from pipeline.access.database import Database
from pipeline.access.passwords import Passwords
from pipeline.access.roles import Role, parse_role
from pipeline.errors import UsageError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")


class Account(NamedTuple):
    """A user as stored, without the password; times are Unix ms."""

    name: str
    role: Role
    created_ms: int
    changed_ms: int


class Users:
    """The users of the access file. Each change stands in the audit log, in the same transaction.

    Args:
        database: Of the access file.
        audit: Its audit log.
        passwords: Makes and checks hashes.
        clock_ms: Wall clock, Unix ms.
    """

    def __init__(
        self, database: Database, audit: AuditLog, passwords: Passwords, *, clock_ms: Callable[[], int]
    ) -> None:
        self._database = database
        self._audit = audit
        self._passwords = passwords
        self._clock_ms = clock_ms

    def all(self) -> list[Account]:
        """Every user, by name."""
        rows = self._database.read("SELECT name, role, created_ms, changed_ms FROM users ORDER BY name")
        return [_account(row) for row in rows]

    def get(self, name: str) -> Account | None:
        """A user, if there is one of that name."""
        rows = self._database.read("SELECT name, role, created_ms, changed_ms FROM users WHERE name = ?", name)
        return _account(rows[0]) if rows else None

    def add(self, name: str, role: Role, password: str, *, by: Actor) -> Account:
        """A new user.

        Args:
            name: Letters, digits and ``._@+-``.
            role: What the user may do.
            password: In the clear; only its hash is kept.
            by: Who does it; action and subject are set here, in all methods.

        Raises:
            UsageError: If there is such a user already, or the name or password is not allowed.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no user name; allowed are letters, digits and ._@+-, at most 100, "
                "the first a letter or digit"
            )
        hashed, now_ms = self._passwords.hash(name, password), self._clock_ms()
        with self._database.change() as change:
            if change.execute("SELECT 1 FROM users WHERE name = ? COLLATE NOCASE", (name,)).fetchone():
                raise UsageError(f"there is a user {name!r} already; `streamgauge users passwd` or `role` changes it")
            change.execute("INSERT INTO users VALUES (?, ?, ?, ?, ?)", (name, role.label, hashed, now_ms, now_ms))
            self._audit.append(change, by.doing("user.add", name, role=role.label))
        return Account(name, role, now_ms, now_ms)

    def remove(self, name: str, *, by: Actor) -> None:
        """Remove a user with keys and sessions.

        Raises:
            UsageError: If there is no such user.
        """
        with self._database.change() as change:
            self._need(change.execute("DELETE FROM users WHERE name = ?", (name,)).rowcount, name)
            self._audit.append(change, by.doing("user.remove", name))

    def set_role(self, name: str, role: Role, *, by: Actor) -> None:
        """Change a user's role; ends the user's sessions.

        Raises:
            UsageError: If there is no such user.
        """
        self._update("role", role.label, by.doing("user.role", name, role=role.label))

    def set_password(self, name: str, password: str, *, by: Actor) -> None:
        """Change a user's password; ends the user's sessions.

        Raises:
            UsageError: If there is no such user, or the password is not allowed.
        """
        self._update("password", self._passwords.hash(name, password), by.doing("user.password", name))

    def check(self, name: str, password: str) -> Account | None:
        """The user, if name and password belong together; takes as long if there is none.

        A hash that was made with other costs is made anew.
        """
        rows = self._database.read("SELECT password FROM users WHERE name = ?", name)
        known = rows[0][0] if rows else None
        if not self._passwords.check(known, password) or known is None:
            return None
        if self._passwords.is_outdated(known):
            renewed = self._passwords.hash(name, password)
            with self._database.change() as change:
                change.execute("UPDATE users SET password = ? WHERE name = ? AND password = ?", (renewed, name, known))
        return self.get(name)

    def _update(self, column: str, value: str, event: Event) -> None:
        name = event.subject
        with self._database.change() as change:
            sql = f"UPDATE users SET {column} = ?, changed_ms = ? WHERE name = ?"  # noqa: S608 - a column of ours
            self._need(change.execute(sql, (value, self._clock_ms(), name)).rowcount, name)
            change.execute("DELETE FROM sessions WHERE user = ?", (name,))
            self._audit.append(change, event)

    def _need(self, changed: int, name: str) -> None:
        if not changed:
            raise UsageError(f"there is no user {name!r}; `streamgauge users list` shows those there are")


def _account(row: Any) -> Account:
    return Account(row[0], parse_role(row[1]), row[2], row[3])
