"""A feed as Server-Sent Events."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import orjson
from fastapi.sse import format_sse_event
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from pipeline.web.live.feed import Feed, Ready
from pipeline.web.live.sources import Item, Wanted

RETRY_MS: Final = 2_000
SEND_S: Final = 30.0
HEARTBEAT: Final = b":\n\n"


class EventStream(StreamingResponse):
    """Server-Sent Events; who does not read for ``SEND_S`` is let go, and goes on by ``Last-Event-ID`` when it can.

    Args:
        feed: What is followed.
        after: Id of the last event known; ``None`` begins now.
        wanted: Which items.
        status_code: Of the answer.
    """

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, after: str | None, wanted: Wanted, status_code: int = 200) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        self._events = _events(feed, after, wanted)
        super().__init__(self._events, status_code, headers)

    async def stream_response(self, send: Send) -> None:
        """Send event by event; a connection takes one more only when it passed on enough of those before."""

        async def bounded(message: Message) -> None:
            async with asyncio.timeout(SEND_S):
                await send(message)

        async with aclosing(self._events):  # the feed is let go at once, whatever ends the connection
            with contextlib.suppress(TimeoutError):  # the listener reads no more: closing is all that is left to do
                await super().stream_response(bounded)


async def _events(feed: Feed, after: str | None, wanted: Wanted) -> AsyncGenerator[bytes, None]:
    async with aclosing(feed.follow(after, wanted)) as items:
        async for item in items:
            yield _event(item)


def _event(item: Ready | Item | None) -> bytes:
    if item is None:
        return HEARTBEAT
    if isinstance(item, Ready):
        data = orjson.dumps(item._asdict()).decode()
        return format_sse_event(event="ready", data_str=data, id=item.place, retry=RETRY_MS)
    return format_sse_event(event=item.event, data_str=item.data, id=item.id)
