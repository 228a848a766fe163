"""Bearer tokens of an OpenID Connect issuer: signed JWTs, checked with the issuer's public keys."""

from collections.abc import Mapping
from typing import Any, Final

import jwt

from pipeline.access.roles import ROLES, Role, User, parse_role
from pipeline.access.settings import OidcSettings
from pipeline.errors import StreamgaugeError

_FETCH_S: Final = 5.0
_KEPT_S: Final = 300.0
_COOLDOWN_S: Final = 10.0
_LONGEST: Final = 8_192


class TokenError(StreamgaugeError):
    """A bearer token does not count; the message says why, without the token."""


class Tokens:
    """Checks bearer tokens.

    Keys are fetched from the issuer when they are first needed, kept for five minutes, and fetched anew when a token
    names one that is not among them, at most every ``cooldown_s``.

    Args:
        settings: Whose tokens count.
        cooldown_s: Seconds between two fetches because of unknown keys.
    """

    def __init__(self, settings: OidcSettings, *, cooldown_s: float = _COOLDOWN_S) -> None:
        self._settings = settings
        self._client = jwt.PyJWKClient(
            settings.jwks, lifespan=_KEPT_S, timeout=_FETCH_S, cooldown_duration=cooldown_s, cache_jwk_set=True
        )

    def check(self, token: str) -> User:
        """Whom a token speaks for.

        Raises:
            TokenError: If it does not count: signature, algorithm, issuer, audience, time, role.

        Cost: 0.1 ms, and a request to the issuer now and then, which may block for five seconds.
        """
        if len(token) > _LONGEST:
            raise TokenError(f"it is longer than {_LONGEST} characters")
        claims = self._claims(token)
        name = _claim(claims, self._settings.name_claim)
        if not isinstance(name, str) or not name:
            raise TokenError(f"its claim {self._settings.name_claim!r} names nobody")
        return User(name=name, role=self._role(claims), how="token", until_ms=self._until_ms(claims))

    def _claims(self, token: str) -> dict[str, Any]:
        settings = self._settings
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in settings.algorithms:
                raise TokenError(f"its algorithm is none of {', '.join(settings.algorithms)}")
            key = self._client.get_signing_key(str(header.get("kid")))
            return jwt.decode(
                token,
                key.key,  # not the whole entry: without an algorithm of its own it would be taken for RS256 only
                algorithms=list(settings.algorithms),
                issuer=settings.issuer,
                audience=settings.audience,
                leeway=settings.leeway_s,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise TokenError(str(error)) from error
        except (TypeError, ValueError) as error:  # the library's words for a key that is not of the algorithm
            raise TokenError(f"it can't be checked with the key that it names: {error}") from error

    def _until_ms(self, claims: Mapping[str, Any]) -> int:
        return int((float(claims["exp"]) + self._settings.leeway_s) * 1_000)

    def _role(self, claims: Mapping[str, Any]) -> Role:
        """The highest role among those that the claim names."""
        given = _claim(claims, self._settings.role_claim)
        values = [given] if isinstance(given, str) else given if isinstance(given, list) else []
        known = self._settings.roles or {role: parse_role(role) for role in ROLES}
        found = [known[value] for value in values if isinstance(value, str) and value in known]
        if not found:
            raise TokenError(f"its claim {self._settings.role_claim!r} names no role of streamgauge")
        return max(found)


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by dots into objects; a name with dots in it comes first, as in ``https://x/roles``."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
