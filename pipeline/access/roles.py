"""Roles and what somebody who was recognised may do."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

from agents.language.expression import closest, listed
from pipeline.errors import UsageError

How = Literal["local", "session", "key", "token", "cli"]


class Role(IntEnum):
    """What somebody may do; each role may all that those below it may.

    ``VIEWER`` reads, ``ANALYST`` also acknowledges, resolves and labels, ``OPERATOR`` also snoozes, redrives and plans
    maintenance, ``ADMIN`` also manages users and keys and reads the audit log.
    """

    VIEWER = 1
    ANALYST = 2
    OPERATOR = 3
    ADMIN = 4

    @property
    def label(self) -> str:
        """As people write it."""
        return self.name.lower()


ROLES: Final = tuple(role.label for role in Role)
SCOPES: Final = {"read": Role.VIEWER, "write": Role.OPERATOR} | {role.label: role for role in Role}
"""The most that a key of a scope may; never more than its owner may when the key is used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """Somebody who was recognised.

    Args:
        name: Of the user; of a token, what its name claim says.
        role: What the user may do, for a key what the key may do.
        how: What proved it.
        proof: Which session, key or token it was: enough to ask again whether it still counts, useless to log in with.
        until_ms: When the proof ends, Unix ms; ``None`` if it does not end by itself.
    """

    name: str
    role: Role
    how: How
    proof: str = ""
    until_ms: int | None = None

    def may(self, role: Role) -> bool:
        """Whether the user may what ``role`` may."""
        return self.role >= role


def parse_role(text: str) -> Role:
    """The role of a name.

    Raises:
        UsageError: If there is none.

    >>> parse_role("analyst").label
    'analyst'
    """
    if text not in ROLES:
        raise UsageError(f"{text!r} is no role; there are {listed(ROLES)}{closest(text, ROLES)}")
    return Role[text.upper()]


def parse_scope(text: str) -> str:
    """A scope of a key.

    Raises:
        UsageError: If there is none of that name.
    """
    if text not in SCOPES:
        raise UsageError(f"{text!r} is no scope; there are {listed(list(SCOPES))}{closest(text, list(SCOPES))}")
    return text


def bounded(owner: Role, scope: str) -> Role:
    """What a key may: what its scope says, and no more than its owner may now.

    >>> bounded(Role.ADMIN, "write").label, bounded(Role.VIEWER, "admin").label
    ('operator', 'viewer')
    """
    return min(owner, SCOPES[scope])
