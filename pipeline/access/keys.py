"""API keys: for programs, with a scope and an end; shown once, kept as a hash."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pipeline.access.audit import Actor, AuditLog
from pipeline.access.database import Database
from pipeline.access.roles import Role, User, bounded, parse_role, parse_scope
from pipeline.errors import UsageError

PREFIX: Final = "sgk_"
LONGEST_MS: Final = 366 * 86_400_000
_FORM: Final = re.compile(r"sgk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_USED_EVERY_MS: Final = 60_000
_COLUMNS: Final = "id, owner, label, scope, created_ms, expires_ms, used_ms"


class ApiKey(NamedTuple):
    """A key as stored, without its secret; times are Unix ms, ``used_ms`` to the minute."""

    id: str
    owner: str
    label: str
    scope: str
    created_ms: int
    expires_ms: int
    used_ms: int | None


class Keys:
    """The keys of the access file. Each change stands in the audit log, in the same transaction.

    A key is 256 random bits, so that a fast hash is enough: there is nothing to guess.

    Args:
        database: Of the access file.
        audit: Its audit log.
        clock_ms: Wall clock, Unix ms.
    """

    def __init__(self, database: Database, audit: AuditLog, *, clock_ms: Callable[[], int]) -> None:
        self._database = database
        self._audit = audit
        self._clock_ms = clock_ms

    def all(self) -> list[ApiKey]:
        """Every key that was not revoked, oldest first, those that have ended too."""
        rows = self._database.read(f"SELECT {_COLUMNS} FROM keys ORDER BY created_ms, id")  # noqa: S608 - our columns
        return [ApiKey(*row) for row in rows]

    def add(self, owner: str, scope: str, *, label: str, lifetime_ms: int, by: Actor) -> tuple[ApiKey, str]:
        """A new key and its text, which nothing can show again.

        Args:
            owner: The user on whose behalf it is used.
            scope: ``read``, ``write`` or a role.
            label: What it is for.
            lifetime_ms: How long it counts, at most a year.
            by: Who makes it.

        Raises:
            UsageError: If there is no such user or scope, or it would last too long.
        """
        if not 0 < lifetime_ms <= LONGEST_MS:
            raise UsageError("a key lasts at most 366d; make a new one before it ends")
        now_ms, key_id, secret = self._clock_ms(), secrets.token_hex(6), secrets.token_urlsafe(32)
        key = ApiKey(key_id, owner, label[:200], parse_scope(scope), now_ms, now_ms + lifetime_ms, None)
        with self._database.change() as change:
            if not change.execute("SELECT 1 FROM users WHERE name = ?", (owner,)).fetchone():
                raise UsageError(f"there is no user {owner!r}; `streamgauge users list` shows those there are")
            change.execute(
                "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                (key.id, _digest(secret), owner, key.label, scope, key.created_ms, key.expires_ms),
            )
            made = by.doing("key.add", key.id, owner=owner, scope=scope, label=key.label, expires_ms=key.expires_ms)
            self._audit.append(change, made)
        return key, f"{PREFIX}{key_id}_{secret}"

    def revoke(self, key_id: str, *, by: Actor) -> None:
        """End a key.

        Raises:
            UsageError: If there is none of that id.
        """
        with self._database.change() as change:
            row = change.execute("DELETE FROM keys WHERE id = ? RETURNING owner, label", (key_id,)).fetchone()
            if row is None:
                raise UsageError(f"there is no key {key_id!r}; `streamgauge keys list` shows those there are")
            self._audit.append(change, by.doing("key.revoke", key_id, owner=row[0], label=row[1]))

    def check(self, text: str) -> User | None:
        """Whom a key speaks for, and what it may now; ``None`` if it does not count."""
        match = _FORM.fullmatch(text)
        if match is None:
            return None
        known = self._database.read("SELECT hash FROM keys WHERE id = ?", match[1])
        matches = hmac.compare_digest(_digest(match[2]), known[0][0] if known else _digest(""))
        return self.user(match[1]) if known and matches else None

    def user(self, key_id: str) -> User | None:
        """Whom the key of an id speaks for, and what it may now; ``None`` if it has ended or was revoked."""
        rows: list[Any] = self._database.read(
            "SELECT users.name, users.role, scope, expires_ms FROM keys JOIN users ON users.name = owner WHERE id = ?",
            key_id,
        )
        if not rows or rows[0][3] <= self._clock_ms():
            return None
        name, role, scope, expires_ms = rows[0]
        may: Role = bounded(parse_role(role), scope)
        return User(name=name, role=may, how="key", proof=key_id, until_ms=expires_ms)

    def used(self, key_id: str) -> None:
        """Note that a key was used; writes at most once a minute for each key."""
        now_ms = self._clock_ms()
        since = "SELECT 1 FROM keys WHERE id = ? AND coalesce(used_ms, 0) <= ?"
        if self._database.read(since, key_id, now_ms - _USED_EVERY_MS):
            with self._database.change() as change:
                change.execute("UPDATE keys SET used_ms = ? WHERE id = ?", (now_ms, key_id))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
