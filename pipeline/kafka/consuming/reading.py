"""Reading large responses: each is received into one buffer of its size, and wakes its reader once.

The client library reads with ``asyncio.StreamReader``. That appends each piece to a buffer, copies a response out of
it, and moves what is left to the front; it stops the socket at 128 KiB until somebody has looked, and wakes the reader
for each piece. For responses of megabytes that costs more than decoding them.

All that brokers send is framed, so frames are told apart as the bytes arrive::

    size, 4 bytes big-endian | that many bytes | size | …
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

from aiokafka import conn

_LIMIT_BYTES: Final = 64 << 20
"""So much of whole frames waits before the socket is stopped."""
_SMALL_BYTES: Final = 64 << 10
_MOST_BYTES: Final = 1 << 30
_HEAD: Final = struct.Struct(">i")


class Frames:
    """Takes bytes as they come, and tells the frames apart."""

    def __init__(self) -> None:
        self.sizes: deque[int] = deque()  # of the whole ones
        self._whole: deque[BytesIO] = deque()
        self._small = memoryview(bytearray(_SMALL_BYTES))
        self._rest = b""  # what came of the next head
        self._store = BytesIO()
        self._frame: memoryview | None = None  # of the store: what is being received
        self._filled = 0

    @property
    def partial(self) -> bytes:
        """What came of a frame that is not whole."""
        return self._rest if self._frame is None else bytes(self._frame[: self._filled])

    def room(self) -> memoryview:
        """Where to put what comes next; never empty."""
        return self._small if self._frame is None else self._frame[self._filled :]

    def filled(self, count: int) -> None:
        """Note that so many bytes were put there.

        Raises:
            ValueError: If they can't be frames.
        """
        if self._frame is None:
            self.put(self._small[:count])
            return
        self._filled += count
        self._close()

    def put(self, data: bytes | memoryview) -> None:
        """Take bytes from elsewhere.

        Raises:
            ValueError: If they can't be frames.
        """
        if self._frame is None and self._rest:
            data, self._rest = self._rest + bytes(data), b""
        at = 0
        while at < len(data):
            if self._frame is None:
                if len(data) - at < _HEAD.size:
                    self._rest = bytes(data[at:])
                    return
                (size,) = _HEAD.unpack_from(data, at)
                if not 0 <= size <= _MOST_BYTES:
                    raise ValueError(f"a frame of {size:,} bytes: no Kafka broker answers there")
                at += _HEAD.size
                self._store = BytesIO(bytes(size))
                self._frame, self._filled = self._store.getbuffer(), 0
            taken = min(len(data) - at, len(self._frame) - self._filled)
            self._frame[self._filled : self._filled + taken] = data[at : at + taken]
            self._filled += taken
            at += taken
            self._close()

    def _close(self) -> None:
        if self._frame is not None and self._filled == len(self._frame):
            self.sizes.append(self._filled)
            self._whole.append(self._store)
            self._frame = None

    def pop(self) -> bytes:
        """The first whole frame. No copy of what was filled, once nobody has the room for it at hand any more."""
        self.sizes.popleft()
        return self._whole.popleft().getvalue()


class ResponseReader(asyncio.StreamReader):
    """A stream of frames that is read by ``readexactly`` alone: the head of one, then its bytes.

    Made from a fresh ``StreamReader`` by ``adopt``.
    """

    frames: Frames
    _is_head_next: bool

    @classmethod
    def adopt(cls, reader: asyncio.StreamReader) -> None:
        """Let ``reader``, to which nothing came yet, read this way."""
        reader.__class__ = cls
        vars(reader).update(frames=Frames(), _is_head_next=True, _limit=_LIMIT_BYTES)

    def feed_data(self, data: Any) -> None:
        """Keep what came, where it could not be put into the frames themselves, as with TLS."""
        self._take(lambda: self.frames.put(data))

    def feed_count(self, count: int) -> None:
        """So many bytes were put into ``frames.room()``."""
        self._take(lambda: self.frames.filled(count))

    def _take(self, put: Callable[[], None]) -> None:
        before = len(self.frames.sizes)
        try:
            put()
        except ValueError as error:
            self.set_exception(error)
            return
        if len(self.frames.sizes) == before:
            return
        self._wakeup_waiter()  # type: ignore[attr-defined]  # what a subclass has to call
        transport: Any = self._transport  # type: ignore[attr-defined]
        waiting_bytes = sum(self.frames.sizes)
        is_paused = self._paused  # type: ignore[has-type]  # the base class has it, its types don't
        if waiting_bytes > _LIMIT_BYTES and transport is not None and not is_paused:
            transport.pause_reading()
            self._paused = True

    async def readexactly(self, n: int) -> bytes:
        """The head of the next frame, then its bytes: ``n`` is what the head says.

        Raises:
            IncompleteReadError: If the stream ends before.
        """
        while not self.frames.sizes:
            failure: Exception | None = self.exception()
            if failure is not None:
                raise failure
            if self._eof:  # type: ignore[attr-defined]
                raise asyncio.IncompleteReadError(self.frames.partial, n)
            await self._wait_for_data("readexactly")  # type: ignore[attr-defined]  # starts a stopped socket again
        self._is_head_next = not self._is_head_next
        if not self._is_head_next:
            return _HEAD.pack(self.frames.sizes[0])
        return self.frames.pop()


class _Receiver(asyncio.BufferedProtocol):
    """Lets the socket write into the frames; all but what comes is passed on to the library's protocol."""

    def __init__(self, protocol: "_Protocol", reader: ResponseReader) -> None:
        self._protocol = protocol
        self._reader = reader

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._reader.frames.room()

    def buffer_updated(self, nbytes: int) -> None:
        self._reader.feed_count(nbytes)

    def eof_received(self) -> bool | None:
        keeps_open: bool | None = self._protocol.eof_received()
        return keeps_open

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()


class _Protocol(conn.AIOKafkaProtocol):  # type: ignore[misc]  # the library has no types
    """The library's, over a reader for large responses."""

    def __init__(self, closed: Any, reader: asyncio.StreamReader, *, loop: asyncio.AbstractEventLoop) -> None:
        ResponseReader.adopt(reader)
        super().__init__(closed, reader, loop=loop)

    def connection_made(self, transport: Any) -> None:
        """Receive into the frames from now on; TLS has buffers of its own."""
        super().connection_made(transport)
        if transport.get_extra_info("sslcontext") is None:
            transport.set_protocol(_Receiver(self, self._stream_reader))


def read_large_responses() -> None:
    """Let connections that are made from now on read this way."""
    conn.AIOKafkaProtocol = _Protocol
