"""Every change that a request asks for is in the audit log, also if its endpoint forgets to say so."""

from collections.abc import Callable
from typing import Any, Final

from starlette.requests import HTTPConnection
from starlette.types import Message, Send

from pipeline.access.audit import Outcome
from pipeline.web.access import Access
from pipeline.web.origin import SAFE

_REFUSED: Final = 403


def recorded(access: Access, request: HTTPConnection, send: Send) -> Send:
    """``send`` that notes a change before its answer goes out.

    What an endpoint recorded itself, by ``access.audit`` or ``access.acting``, is not recorded again. Refused changes
    are recorded too; those that failed because they were asked for wrongly are not.

    Args:
        access: Of the view.
        request: Any; reads are not recorded.
        send: To the server.
    """
    scope = request.scope
    if scope["type"] != "http" or scope["method"] in SAFE:
        return send

    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            outcome = _outcome(message["status"])
            if outcome is not None and not scope["state"].get("audited"):
                _note(access.audit, request, outcome, message["status"])
        await send(message)

    return noting


def _outcome(status: int) -> Outcome | None:
    if status < 400:
        return "ok"
    if status == _REFUSED:
        return "refused"
    return "failed" if status >= 500 else None


def _note(audit: Callable[..., Any], request: HTTPConnection, outcome: Outcome, status: int) -> None:
    scope = request.scope
    route = getattr(scope.get("route"), "path", None) or scope["path"]
    audit(request, f"{scope['method']} {route}", scope["path"], {"status": status}, outcome=outcome)
