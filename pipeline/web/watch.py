"""Long answers and sockets end when the login that they rest on ends."""

from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

EVERY_S: Final = 1.0
GRACE_S: Final = 3.0


class _EndedError(OSError):
    """What a server raises for a client that is gone; frameworks take it as that."""


class Watch:
    """Stands between an application and a client, and asks again whether the client may still be there.

    What comes in over a socket is asked about each time, what goes out once a second. When the login has ended, nothing
    more comes in. The socket is closed three seconds later, so that a page can still be told to ask for a new login.

    Args:
        still: Whether the login still counts.
        receive: From the server.
        send: To the server.
        clock_s: Seconds that never go back.
    """

    def __init__(
        self, still: Callable[[], bool], receive: Receive, send: Send, *, clock_s: Callable[[], float]
    ) -> None:
        self._still = still
        self._receive = receive
        self._send = send
        self._clock_s = clock_s
        self._asked_s = clock_s()
        self._ended_s: float | None = None
        self._is_closed = False

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Let the application answer."""
        send = self._send_socket if scope["type"] == "websocket" else self._send_http
        try:
            await app(scope, self._receive_any, send)
        except Exception:
            if not self._is_closed:  # else it is what the application makes of the end
                raise

    async def _receive_any(self) -> Message:
        message = await self._receive()
        while message["type"] == "websocket.receive" and not self._ask():
            await self._close_in_time()
            message = await self._receive()
        return message

    async def _send_socket(self, message: Message) -> None:
        if self._is_due() and not self._ask():
            await self._close_in_time()
        if not self._is_closed:
            await self._send(message)

    async def _send_http(self, message: Message) -> None:
        if self._is_closed:
            raise _EndedError
        is_part = message["type"] == "http.response.body" and message.get("more_body", False)
        if is_part and self._is_due() and not self._ask():
            self._is_closed = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            raise _EndedError
        await self._send(message)

    def _is_due(self) -> bool:
        return self._ended_s is not None or self._clock_s() - self._asked_s >= EVERY_S

    def _ask(self) -> bool:
        """Whether the login still counts; once it does not, it never does again."""
        self._asked_s = self._clock_s()
        if self._ended_s is None and not self._still():
            self._ended_s = self._asked_s
        return self._ended_s is None

    async def _close_in_time(self) -> None:
        is_late = self._ended_s is not None and self._clock_s() - self._ended_s >= GRACE_S
        if is_late and not self._is_closed:
            self._is_closed = True
            await self._send({"type": "websocket.close", "code": 1008, "reason": "the login has ended"})
