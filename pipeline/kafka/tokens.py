"""Tokens for ``OAUTHBEARER``: one that is given, or those of a token endpoint, renewed before they expire."""

import asyncio
import logging
import time
from dataclasses import dataclass, field

import msgspec
from aiokafka.abc import AbstractTokenProvider

from pipeline.errors import LogAccessError, LogUnavailableError

if logging.getLogger("httpx").level == logging.NOTSET:
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of each request

_EARLY_S = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenSource:
    """Where tokens come from: ``token`` as it is, or the client credentials grant (RFC 6749, 4.4) at ``url``."""

    token: str | None = field(default=None, repr=False)
    url: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    scope: str | None = None


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: float = 300.0


class Fixed(AbstractTokenProvider):  # type: ignore[misc]  # the client is untyped
    """One token for ever."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        """The token."""
        return self._token


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]  # the client is untyped
    """Asks a token endpoint, and again when half a minute is left.

    Args:
        source: With ``url``, ``client_id`` and ``client_secret``.
    """

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._token = ""
        self._expires_at = 0.0
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """A token that is valid for a while.

        Raises:
            LogAccessError: If the endpoint gives none.
            LogUnavailableError: If it does not answer.
        """
        async with self._lock:
            if time.monotonic() >= self._expires_at - _EARLY_S:
                answer = await self._ask()
                self._token, self._expires_at = answer.access_token, time.monotonic() + answer.expires_in
            return self._token

    async def _ask(self) -> _Answer:
        import httpx  # noqa: PLC0415 - most brokers want no tokens, and every command would start later for it

        source = self._source
        form = {"grant_type": "client_credentials"} | ({"scope": source.scope} if source.scope else {})
        advice = "check [kafka] oauth_url, oauth_client_id and oauth_client_secret"
        try:
            async with httpx.AsyncClient() as client:
                response = await client.post(
                    source.url or "", data=form, auth=(source.client_id or "", source.client_secret or "")
                )
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise LogUnavailableError(f"the token endpoint {source.url} does not answer: {said}; {advice}") from error
        if response.is_server_error:
            raise LogUnavailableError(f"the token endpoint {source.url} has an error: {response.status_code}")
        if not response.is_success:
            said = f"{response.status_code} {response.reason_phrase}"
            raise LogAccessError(f"the token endpoint {source.url} gave no token ({said}); {advice}")
        try:
            return msgspec.json.decode(response.content, type=_Answer)
        except msgspec.MsgspecError as error:
            raise LogAccessError(f"what the token endpoint {source.url} gave is no token: {error}; {advice}") from error


def token_provider(source: TokenSource) -> AbstractTokenProvider:
    """A provider in the client's terms."""
    return ClientCredentials(source) if source.url else Fixed(source.token or "")
