"""The gate before everything: nothing but the login page is served to somebody who was not recognised."""

import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.access.audit import Actor
from pipeline.access.roles import User
from pipeline.access.tokens import TokenError
from pipeline.web.access import LOCAL_USER, Access, address_of
from pipeline.web.auth import is_public
from pipeline.web.origin import came_through_a_proxy, changes, is_checked, is_own
from pipeline.web.problems import problem
from pipeline.web.recorder import recorded
from pipeline.web.watch import Watch

_BEARER: Final = {"WWW-Authenticate": 'Bearer realm="streamgauge"'}
_FOREIGN: Final = "this request does not come from a page of this server"


class Refusal(Exception):  # noqa: N818 - an answer, not an error of the program
    """The request is not let in."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


class Gate:
    """ASGI middleware that recognises the user and puts ``user`` and ``access`` into the request's state.

    What rests on a cookie, or on sitting at this machine, must also come from a page of ours if it may change
    something. Keys and tokens need no such check: no browser sends them by itself.

    Args:
        app: What stands behind the gate.
        access: Who may enter.
    """

    def __init__(self, app: ASGIApp, *, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        try:
            user = await self._recognise(request)
        except Refusal as refusal:
            await self._refuse(request, refusal, receive, send)
            return
        scope.setdefault("state", {}).update(user=user, access=self._access)
        noting = send if user is None else recorded(self._access, request, send)
        if user is None or user.how == "local":
            await self._app(scope, receive, noting)
            return
        watch = Watch(lambda: self._access.still(user), receive, noting, clock_s=time.monotonic)
        await watch.run(self._app, scope)

    async def _recognise(self, request: HTTPConnection) -> User | None:
        """The user; ``None`` for nobody where everybody may look."""
        if not self._access.login:
            if came_through_a_proxy(request):
                raise Refusal(
                    403,
                    "login is off, and this request came through a proxy; name the proxy in `proxies` of [web], which "
                    "turns login on",
                )
            self._check_origin(request, needed=False)
            return LOCAL_USER
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await self._of_bearer(request, text.strip())
        user = await self._access.of_session(request)
        if user is None and not is_public(request.url.path):
            raise Refusal(401, "log in, or send an API key or bearer token", _BEARER)
        self._check_origin(request, needed=True)
        return user

    def _check_origin(self, request: HTTPConnection, *, needed: bool) -> None:
        """Refuse what a foreign page sent; with ``needed`` also a change of which no browser says where it is from."""
        if not is_checked(request):
            return
        own = is_own(request)
        if own is False or (own is None and needed and changes(request)):
            raise Refusal(403, f"{_FOREIGN}; programs send an API key in `Authorization: Bearer`")

    async def _of_bearer(self, request: HTTPConnection, text: str) -> User:
        try:
            return await self._access.of_bearer(text)
        except TokenError as error:
            address = address_of(request)
            if self._access.throttle.bad_proof(address):
                how = "key" if text.startswith("sgk_") else "token"
                actor = Actor(who="", how=how, address=address)
                self._access.log.record(actor.doing("login", outcome="refused", reason=str(error)))
            wait = self._access.throttle.proof(address)
            if wait is not None:
                headers = {"Retry-After": str(wait.seconds)}
                raise Refusal(429, f"too many wrong keys; wait {wait.seconds} s", headers) from error
            challenge = {"WWW-Authenticate": 'Bearer realm="streamgauge", error="invalid_token"'}
            raise Refusal(401, f"the bearer token does not count: {error}", challenge) from error

    async def _refuse(self, request: HTTPConnection, refusal: Refusal, receive: Receive, send: Send) -> None:
        if request.scope["type"] == "websocket":
            await receive()  # the request to connect
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.detail[:120]})
            return
        await self._answer(request, refusal)(request.scope, receive, send)

    def _answer(self, request: HTTPConnection, refusal: Refusal) -> Response:
        path = request.url.path
        is_page = request.scope["method"] in {"GET", "HEAD"} and not path.startswith(("/api/", "/_nicegui"))
        if refusal.status == 401 and is_page and "authorization" not in request.headers:
            wanted = path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse("/login" if wanted == "/" else f"/login?next={quote(wanted)}", status_code=303)
        answer = problem(refusal.status, refusal.detail)
        answer.headers.update(refusal.headers)
        return answer
