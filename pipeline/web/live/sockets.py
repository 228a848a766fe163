"""Feeds over a WebSocket: a client subscribes, changes its mind, and is told what is new."""

import asyncio
import contextlib
from collections.abc import Mapping
from contextlib import aclosing
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from agents.spec import Severity
from pipeline.errors import StreamgaugeError
from pipeline.web.live.events import SEND_S
from pipeline.web.live.feed import Feed, Ready
from pipeline.web.live.sources import Item, Subject, Wanted
from pipeline.web.problems import sentence

TRY_AGAIN_LATER: Final = 1013


class Subscribe(BaseModel):
    """Begin a feed, or begin it anew with other filters."""

    model_config = ConfigDict(extra="forbid")

    subscribe: Subject
    after: str | None = None
    rule: tuple[str, ...] = ()
    severity: tuple[Severity, ...] = ()
    key: str | None = None


class Unsubscribe(BaseModel):
    """End a feed."""

    model_config = ConfigDict(extra="forbid")

    unsubscribe: Subject


_messages: TypeAdapter[Subscribe | Unsubscribe] = TypeAdapter(
    Annotated[Subscribe | Unsubscribe, Field(union_mode="left_to_right")]
)


class Listener:
    """One connection: at most one subscription of each feed.

    Args:
        socket: Accepted.
        feeds: By name.

    Cost: nothing is kept for a connection but its places. One that reads nothing for ``SEND_S`` is closed.
    """

    def __init__(self, socket: WebSocket, feeds: Mapping[Subject, Feed]) -> None:
        self._socket = socket
        self._feeds = feeds
        self._sending = asyncio.Lock()
        self._running: dict[Subject, asyncio.Task[None]] = {}

    async def listen(self) -> None:
        """Do as the client says until it goes."""
        try:
            with contextlib.suppress(WebSocketDisconnect, TimeoutError):
                while True:
                    await self._take(await self._socket.receive_text())
        finally:
            tasks = [*self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, text: str) -> None:
        try:
            message = _messages.validate_json(text)
        except ValidationError as error:
            wrong = _of_kind(error, text)
            await self._send("problem", {"detail": "; ".join(dict.fromkeys(sentence(dict(each)) for each in wrong))})
            return
        if isinstance(message, Unsubscribe):
            await self._end(message.unsubscribe)
            await self._send("unsubscribed", {"feed": message.unsubscribe})
            return
        await self._end(message.subscribe)
        self._running[message.subscribe] = asyncio.create_task(self._pass_on(message), name="live socket")

    async def _end(self, feed: Subject) -> None:
        task = self._running.pop(feed, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _pass_on(self, asked: Subscribe) -> None:
        wanted = Wanted(rules=asked.rule, severities=asked.severity, key=asked.key)
        try:
            async with aclosing(self._feeds[asked.subscribe].follow(asked.after, wanted)) as items:
                async for item in items:
                    await self._tell(asked.subscribe, item)
            await self._socket.close(TRY_AGAIN_LATER)  # the server stops
        except StreamgaugeError as error:
            await self._send("problem", {"feed": asked.subscribe, "detail": str(error)})
        except TimeoutError:
            await self._socket.close(TRY_AGAIN_LATER, "nothing was read for too long")
        except (WebSocketDisconnect, RuntimeError):  # it went meanwhile
            return

    async def _tell(self, feed: Subject, item: Ready | Item | None) -> None:
        if isinstance(item, Ready):
            await self._send("subscribed", {"feed": feed, "id": item.place, "gap": item.gap})
        elif item is not None:  # the server's pings are the sign of life
            await self._write(f'{{"event":"{item.event}","id":"{item.id}","data":{item.data}}}')

    async def _send(self, event: Literal["subscribed", "unsubscribed", "problem"], more: dict[str, Any]) -> None:
        await self._write(orjson.dumps({"event": event, **more}).decode())

    async def _write(self, text: str) -> None:
        async with self._sending, asyncio.timeout(SEND_S):
            await self._socket.send_text(text)


def _of_kind(error: ValidationError, text: str) -> list[Any]:
    """The mistakes of the kind of message that was meant."""
    kind = "Unsubscribe" if '"unsubscribe"' in text else "Subscribe"
    return [each for each in error.errors(include_url=False) if kind in each["loc"]] or error.errors(include_url=False)
