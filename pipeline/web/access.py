"""Who may enter one web view: users, keys, tokens and sessions together, and the audit log of what they change."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.requests import HTTPConnection

from pipeline.access.audit import Actor, AuditLog, Event, Outcome
from pipeline.access.database import Database, path_of
from pipeline.access.keys import PREFIX, Keys
from pipeline.access.passwords import Passwords
from pipeline.access.roles import Role, User
from pipeline.access.sessions import Sessions
from pipeline.access.throttle import Throttle
from pipeline.access.tokens import TokenError, Tokens
from pipeline.access.users import Users
from pipeline.config.model import AppConfig
from pipeline.errors import UsageError

LOCAL_USER: Final = User(name="local", role=Role.OPERATOR, how="local")
"""Whoever sits at this machine, when login is off. Users, keys and the audit log stay with the command line then:
the port answers everybody on the machine, the file of users only its owner."""


class Access:
    """Recognises users and notes what they do; stands in ``app.state.access``.

    Args:
        config: The application.
        login: Whether users must log in.
        clock_ms: Wall clock, Unix ms.
        is_private: Whether only this machine can reach the view.
        passwords: Makes and checks password hashes.
    """

    def __init__(
        self,
        config: AppConfig,
        *,
        login: bool,
        clock_ms: Callable[[], int],
        is_private: bool = True,
        passwords: Passwords | None = None,
    ) -> None:
        self.settings = config.web
        self.login = login
        self.is_private = is_private
        self.clock_ms = clock_ms
        self.database = Database(path_of(config.web, config.name))
        key = config.web.audit_key
        self.log = AuditLog(self.database, clock_ms=clock_ms, key=key.encode() if key else None)
        self.users = Users(self.database, self.log, passwords or Passwords(), clock_ms=clock_ms)
        self.keys = Keys(self.database, self.log, clock_ms=clock_ms)
        self.sessions = Sessions(self.database, self.log, length_ms=config.web.session_ms, clock_ms=clock_ms)
        self.tokens = Tokens(config.web.oidc) if config.web.oidc else None
        self.throttle = Throttle()
        self.hashing = asyncio.Semaphore(2)
        """Password checks at a time: each takes 64 MiB and a core."""
        self._fetching = asyncio.Semaphore(8)
        self._cookie = f"sg-session-{config.name}"

    def audit(
        self,
        request: HTTPConnection,
        action: str,
        subject: str = "",
        details: Mapping[str, Any] | None = None,
        *,
        outcome: Outcome = "ok",
    ) -> None:
        """Note what the user behind a request did.

        Args:
            request: Of an endpoint, a socket, or of the page that something was done on.
            action: What was done, such as ``incident.acknowledge``.
            subject: To what: an id or a name.
            details: What else matters, JSON values; never a secret.
            outcome: Whether it was done.

        Raises:
            AccessError: If it can't be written; then better do not do it either.

        Cost: a few ms, for it waits for the disk.
        """
        actor = self.acting(request)
        event = Event(
            who=actor.who,
            how=actor.how,
            address=actor.address,
            action=action,
            subject=subject,
            details=details or {},
            outcome=outcome,
        )
        self.log.record(event)

    def acting(self, request: HTTPConnection) -> Actor:
        """Who is behind a request, for a change that is recorded with it, such as those of users and keys."""
        request.scope.setdefault("state", {})["audited"] = True
        return self._actor(request)

    def _actor(self, request: HTTPConnection) -> Actor:
        user = getattr(request.state, "user", None)
        if user is None:
            return Actor(who="", how="nobody", address=address_of(request))
        return Actor(who=user.name, how=user.how, address=address_of(request))

    def is_secure(self, request: HTTPConnection) -> bool:
        """Whether the session cookie goes over https only: always, but where nobody else can listen."""
        return request.url.scheme in {"https", "wss"} or not self.is_private

    def cookie(self, request: HTTPConnection) -> str:
        """Name of the session cookie. With ``__Host-`` no other host of the domain can set it."""
        return f"__Host-{self._cookie}" if self.is_secure(request) else self._cookie

    def session_token(self, request: HTTPConnection) -> str | None:
        """The token in the session cookie, whatever it is worth."""
        return request.cookies.get(self.cookie(request))

    async def of_session(self, request: HTTPConnection) -> User | None:
        """The user of the session cookie."""
        token = self.session_token(request)
        return self.sessions.check(token) if token else None

    async def of_bearer(self, text: str) -> User:
        """The user of an API key or bearer token.

        Raises:
            TokenError: If it does not count.
        """
        if text.startswith(PREFIX):
            user = self.keys.check(text)
            if user is None:
                raise TokenError("there is no such API key, it was revoked, or it has ended")
            await asyncio.to_thread(self.keys.used, user.proof)
            return user
        if self.tokens is None:
            raise TokenError("bearer tokens are not accepted here, and this is no API key")
        async with self._fetching:
            return await asyncio.to_thread(self.tokens.check, text)

    def still(self, user: User) -> bool:
        """Whether the user's proof counts as it did: not ended, not revoked, the same role.

        Cost: about 20 µs.
        """
        match user.how:
            case "session":
                return self.sessions.user(user.proof) == user
            case "key":
                return self.keys.user(user.proof) == user
            case "token":
                return user.until_ms is not None and self.clock_ms() < user.until_ms
        return True


def address_of(request: HTTPConnection) -> str:
    """Where a request comes from; behind a trusted proxy what that says."""
    return request.client.host if request.client else ""


def open_access(config: AppConfig, *, is_loopback: bool, clock_ms: Callable[[], int]) -> Access:
    """The access of a view that listens on an address.

    Raises:
        UsageError: If others could reach it and login is off, or if nobody could log in.
    """
    web = config.web
    is_private = is_loopback and not web.is_exposed()
    if web.login is False and not is_private:
        raise UsageError(
            "the web view is not served to other machines without login; leave `login = false` out of [web], or listen "
            "on 127.0.0.1"
        )
    login = not is_private if web.login is None else web.login
    access = Access(config, login=login, clock_ms=clock_ms, is_private=is_private)
    if login and web.oidc is None and not access.users.all():
        file = f" -c {config.source}" if config.source else ""
        raise UsageError(
            f"the web view asks for a login here, and there is no user in {access.database.path} yet; add the first "
            f"with `streamgauge users add NAME --role admin{file}`"
        )
    return access
