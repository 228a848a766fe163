"""What an endpoint asks of whoever calls it: a role, and for changes that no foreign site sent the request."""

from typing import Any, Final, Literal
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException
from starlette.exceptions import WebSocketException
from starlette.requests import HTTPConnection
from starlette.status import WS_1008_POLICY_VIOLATION

from pipeline.access.roles import parse_role
from pipeline.web.auth import requires

Role = Literal["viewer", "analyst", "operator", "admin"]
LOOK: Final[Role] = "viewer"
HANDLE: Final[Role] = "analyst"
SILENCE: Final[Role] = "operator"


def needs(role: Role) -> Any:
    """A dependency that lets whoever has a role through.

    Args:
        role: ``LOOK`` to read, ``HANDLE`` to acknowledge, resolve and label, ``SILENCE`` to snooze.
    """
    return Depends(requires(parse_role(role)))


async def same_origin(connection: HTTPConnection) -> None:
    """Refuse what a browser sends for a page of another site; programs send no ``Origin``."""
    origin = connection.headers.get("origin")
    if origin is None or urlsplit(origin).netloc == connection.headers.get("host"):
        return
    sentence = f"a page of {origin} may not do this; only pages of this server may"
    if connection.scope["type"] == "websocket":
        raise WebSocketException(WS_1008_POLICY_VIOLATION, sentence[:120])
    raise HTTPException(403, sentence)
