"""The login page and the way out: plain HTML without scripts, under a policy that allows none."""

import asyncio
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment
from starlette.exceptions import HTTPException

from pipeline.access.audit import Actor
from pipeline.access.throttle import Wait
from pipeline.web.access import Access, address_of
from pipeline.web.auth import current_user
from pipeline.web.headers import FORM
from pipeline.web.parts.layout import versioned

_LONGEST_BYTES: Final = 8_192
_PAGE: Final = Environment(autoescape=True).from_string("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in · {{ app }} · streamgauge</title>
<link rel="stylesheet" href="{{ base }}">
<link rel="stylesheet" href="{{ style }}">
</head>
<body class="{{ theme }}">
<main class="sg-login">
<h1>streamgauge</h1>
<p class="sg-muted">{{ app }}</p>
{% if message %}<p class="sg-login-message" role="alert">{{ message }}</p>{% endif %}
{% if is_open %}
<form method="post" action="/login">
<input type="hidden" name="next" value="{{ next }}">
<label for="name">Name</label>
<input id="name" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus
 value="{{ name }}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Log in</button>
</form>
{% endif %}
</main>
</body>
</html>
""")
_PLAIN: Final = (
    "This page came over plain http, where others can read a password. Open it over https: give cert_file in [web], or "
    "name the proxy that speaks https in proxies."
)


def build_login(access: Access, app: str) -> APIRouter:
    """``/login`` and ``/logout``.

    Args:
        access: Who may enter.
        app: Name of the application.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    async def show(request: Request) -> Response:
        wanted = own_path(request.query_params.get("next", ""))
        if not access.login or await access.of_session(request) is not None:
            return RedirectResponse(wanted, status_code=303)
        return _page(access, request, app, wanted=wanted)

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        if not access.login:
            return RedirectResponse("/", status_code=303)
        form = await _form(request)
        name, wanted = form.get("name", "")[:200], own_path(form.get("next", ""))
        if not _is_open(access, request):
            return _page(access, request, app, wanted=wanted, status=403)
        wait = access.throttle.login(address_of(request), name)
        if wait is not None:
            return _wait(access, request, app, name, wait)
        async with access.hashing:
            account = await asyncio.to_thread(access.users.check, name, form.get("password", ""))
        request.state.audited = True
        actor = Actor(who=name, how="password", address=address_of(request))
        if account is None:
            access.log.record(actor.doing("login", outcome="refused"))
            message = "Name or password is wrong."
            return _page(access, request, app, wanted=wanted, name=name, message=message, status=401)
        access.throttle.succeeded(address_of(request), name)
        logged_in = actor.doing("login", role=account.role.label)
        token = access.sessions.start(account.name, logged_in, instead_of=access.session_token(request))
        answer = RedirectResponse(wanted, status_code=303)
        answer.set_cookie(
            access.cookie(request),
            token,
            max_age=access.settings.session_ms // 1_000,
            path="/",
            secure=access.is_secure(request),
            httponly=True,
            samesite="lax",
        )
        return answer

    @router.post("/logout", dependencies=[Depends(current_user)])
    async def log_out(request: Request) -> Response:
        user = request.state.user
        if user.how != "session":
            raise HTTPException(422, "only a login of a browser can be ended; a key is revoked instead")
        access.sessions.end(user.proof, access.acting(request).doing("logout"))
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(
            access.cookie(request), path="/", secure=access.is_secure(request), httponly=True, samesite="lax"
        )
        return answer

    return router


def own_path(text: str) -> str:
    r"""Where to go after the login: a path of this server, else the first page.

    >>> own_path("/alerts?q=a"), own_path("//evil.example"), own_path("https://evil.example"), own_path("/\\evil")
    ('/alerts?q=a', '/', '/', '/')
    """
    if not text.startswith("/") or text.startswith(("//", "/login", "/logout")):
        return "/"
    is_plain = text.isascii() and text.isprintable() and "\\" not in unquote(text)
    return text if is_plain and not urlsplit(text).netloc else "/"


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_BYTES:
            raise HTTPException(413, "the form is too long")
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10)
    except ValueError as error:
        raise HTTPException(422, "this is no form") from error
    return {name: values[0] for name, values in fields.items()}


def _is_open(access: Access, request: Request) -> bool:
    """Whether a password may be asked for: where the session cookie could come back."""
    return request.url.scheme == "https" or not access.is_secure(request)


def _wait(access: Access, request: Request, app: str, name: str, wait: Wait) -> Response:
    if wait.is_first:
        actor = Actor(who=name, how="password", address=address_of(request))
        access.log.record(actor.doing("login", outcome="refused", reason="too many tries"))
    message = f"Too many tries. Wait {wait.seconds} s."
    answer = _page(access, request, app, wanted="/", name=name, message=message, status=429)
    answer.headers["Retry-After"] = str(wait.seconds)
    return answer


def _page(  # noqa: PLR0913 - what the template shows
    access: Access, request: Request, app: str, *, wanted: str, name: str = "", message: str = "", status: int = 200
) -> Response:
    is_open = _is_open(access, request)
    theme = request.cookies.get("streamgauge-theme")
    text = _PAGE.render(
        app=app,
        base=versioned("streamgauge.css"),
        style=versioned("login.css"),
        theme={"dark": "body--dark", "light": "body--light"}.get(theme or "", "sg-auto"),
        is_open=is_open,
        next=wanted,
        name=name,
        message=message if is_open else _PLAIN,
    )
    return HTMLResponse(text, status_code=status, headers={"Content-Security-Policy": FORM})
