"""Reading large responses: what comes from the socket is kept as it comes, and joined once.

The client library reads with ``asyncio.StreamReader``. That appends each piece to a buffer, copies a response out of
it, and moves what is left to the front; and it stops the socket at 128 KiB until somebody has looked. For responses of
megabytes both cost more than decoding them.
"""

import asyncio
from typing import Any, Final

from aiokafka import conn

_LIMIT_BYTES: Final = 32 << 20
"""Twice as much waits before the socket is stopped."""


class ResponseReader(asyncio.StreamReader):
    """A stream that is read by ``readexactly`` alone. Made from a fresh ``StreamReader`` by ``adopt``."""

    _parts: list[bytes]
    _at: int  # how much of the first part was read
    _held: int  # bytes that were not read yet

    @classmethod
    def adopt(cls, reader: asyncio.StreamReader) -> None:
        """Let ``reader``, to which nothing came yet, read this way."""
        reader.__class__ = cls
        vars(reader).update(_parts=[], _at=0, _held=0, _limit=_LIMIT_BYTES)

    def feed_data(self, data: Any) -> None:
        """Keep what came."""
        if not data:
            return
        self._parts.append(bytes(data))  # no copy of what is bytes already
        self._held += len(data)
        self._wakeup_waiter()  # type: ignore[attr-defined]  # what a subclass has to call
        transport: Any = self._transport  # type: ignore[attr-defined]
        if self._held > 2 * _LIMIT_BYTES and transport is not None and not self._paused:  # type: ignore[has-type]
            transport.pause_reading()
            self._paused = True

    async def readexactly(self, n: int) -> bytes:
        """The next ``n`` bytes.

        Raises:
            IncompleteReadError: If the stream ends before.
        """
        failure: Exception | None = self.exception()
        if failure is not None:
            raise failure
        while self._held < n:
            if self._eof:  # type: ignore[attr-defined]
                raise asyncio.IncompleteReadError(self._take(self._held), n)
            await self._wait_for_data("readexactly")  # type: ignore[attr-defined]  # starts a stopped socket again
        return self._take(n)

    def _take(self, count: int) -> bytes:
        self._held -= count
        pieces: list[Any] = []
        while count:
            part = self._parts[0]
            piece = part if not self._at and len(part) <= count else memoryview(part)[self._at : self._at + count]
            pieces.append(piece)
            count -= len(piece)
            self._at += len(piece)
            if self._at == len(part):
                self._parts.pop(0)
                self._at = 0
        return b"".join(pieces)


class _Protocol(conn.AIOKafkaProtocol):  # type: ignore[misc]  # the library has no types
    """The library's, over a reader for large responses."""

    def __init__(self, closed: Any, reader: asyncio.StreamReader, *, loop: asyncio.AbstractEventLoop) -> None:
        ResponseReader.adopt(reader)
        super().__init__(closed, reader, loop=loop)


def read_large_responses() -> None:
    """Let connections that are made from now on read this way."""
    conn.AIOKafkaProtocol = _Protocol
