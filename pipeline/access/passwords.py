"""Passwords as argon2id hashes."""

import functools
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from pipeline.errors import UsageError

SHORTEST: Final = 12
LONGEST: Final = 256


class Passwords:
    """Hashes and checks.

    Args:
        hasher: Argon2 with its costs; by default those of RFC 9106 for little memory (64 MiB, 3 passes).

    Cost: by default about 0.2 s of a core and 64 MiB a hash or check.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()

    @functools.cached_property
    def nobody(self) -> str:
        """A hash that takes as long to check as a user's; made when it is first asked for."""
        return self._hasher.hash("nobody has this one")

    def hash(self, name: str, password: str) -> str:
        """The hash of a new password of a user.

        Raises:
            UsageError: If it is too short, too long, or the user's name.
        """
        if not SHORTEST <= len(password) <= LONGEST:
            raise UsageError(
                f"the password has {len(password)} characters; from {SHORTEST} to {LONGEST} are needed, for example "
                "five words"
            )
        if name.casefold() in password.casefold() and len(password) < SHORTEST + len(name):
            raise UsageError("the password is little more than the user's name; take another")
        return self._hasher.hash(_normal(password))

    def check(self, known: str | None, password: str) -> bool:
        """Whether ``password`` is the one of the hash ``known``; takes as long for a user that is not there."""
        try:
            matches = self._hasher.verify(known or self.nobody, _normal(password[: LONGEST + 1]))
        except (VerifyMismatchError, InvalidHashError):
            return False
        return matches and known is not None and len(password) <= LONGEST

    def is_outdated(self, known: str) -> bool:
        """Whether a hash was made with other costs than new ones are."""
        return self._hasher.check_needs_rehash(known)


def _normal(password: str) -> bytes:
    """The same bytes however a keyboard composes its accents."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
