"""Whether a request comes from a page of ours: the defence against forged requests."""

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_SOCKET: Final = "/_nicegui_ws/"
_SCHEMES: Final = {"ws": "http", "wss": "https"}


def is_own(request: HTTPConnection) -> bool | None:
    """Whether the browser says that a page of ours sent the request; ``None`` if it says nothing.

    Browsers say so with every request that is not a plain read, and scripts can't forge it.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    if origin is None:
        return None if site is None else True
    try:
        parsed = urlsplit(origin)
    except ValueError:
        return False
    scheme = _SCHEMES.get(request.url.scheme, request.url.scheme)
    return parsed.netloc == request.headers.get("host") and parsed.scheme == scheme


def changes(request: HTTPConnection) -> bool:
    """Whether a request may change something, or opens a socket, over which anything can be asked."""
    return request.scope["type"] == "websocket" or request.scope["method"] not in SAFE


def is_checked(request: HTTPConnection) -> bool:
    """Whether a foreign page must not send the request: changes, and the pages' socket however it is spoken."""
    return changes(request) or request.url.path.startswith(_SOCKET)


def came_through_a_proxy(request: HTTPConnection) -> bool:
    """Whether a proxy has left its mark."""
    return any(name in request.headers for name in FORWARDED)
