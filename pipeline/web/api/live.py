"""``/api/alerts/stream``, ``/api/incidents/stream`` and ``/api/ws``: what is new, as it happens."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, WebSocket

from pipeline.web.api.permissions import LOOK, needs, same_origin
from pipeline.web.live.events import EventStream
from pipeline.web.live.feed import Feed
from pipeline.web.live.sockets import Listener
from pipeline.web.live.sources import Subject, Wanted, parse_place
from pipeline.web.problems import described
from pipeline.web.schemas.common import Asked, Key, Rules, Severities

Feeds = dict[Subject, Feed]
_SHOWN: Final = 'event: alert\ndata: {"id":"5f2b…","rule":"rapid-large",…}\nid: 17-5f2b…\n\n'


class StreamAsked(Asked):
    """Which items, from where on."""

    rule: Rules
    severity: Severities
    key: Key = None
    last_event_id: Annotated[
        str | None, Query(description="As `Last-Event-ID`, for clients that can't set headers", max_length=256)
    ] = None


LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", description="`id` of the last event that you have; without it from now on"),
]


def add_streams(api: APIRouter, feeds: Feeds) -> None:
    """The endpoints that go on until the client leaves."""
    streams = APIRouter(tags=["live"], dependencies=[needs(LOOK)], responses=_described())

    @streams.get("/alerts/stream", response_class=EventStream)
    async def stream_alerts(asked: Annotated[StreamAsked, Query()], last_event_id: LastEventId = None) -> EventStream:
        """Alerts as they arrive, as Server-Sent Events.

        First an event `ready`, then an event `alert` for each. With `gap` in `ready`, the place was not known any
        more: up to 1,000 of the newest follow again, and older ones may have been missed.
        """
        return _stream(feeds["alerts"], asked, last_event_id)

    @streams.get("/incidents/stream", response_class=EventStream)
    async def stream_incidents(
        asked: Annotated[StreamAsked, Query()], last_event_id: LastEventId = None
    ) -> EventStream:
        """Incidents as they change, as Server-Sent Events.

        First an event `ready`, then an event `incident` for each change, with the whole incident as it is then. With
        `gap` in `ready`, the place was not known any more, and what goes on follows as if it was new.
        """
        return _stream(feeds["incidents"], asked, last_event_id)

    sockets = APIRouter(dependencies=[Depends(same_origin), needs(LOOK)])

    @sockets.websocket("/ws")
    async def listen(socket: WebSocket) -> None:
        """Feeds over a WebSocket."""
        await socket.accept()
        await Listener(socket, feeds).listen()

    api.include_router(streams)
    api.include_router(sockets)


def _stream(feed: Feed, asked: StreamAsked, header: str | None) -> EventStream:
    after = header or asked.last_event_id
    if after is not None:
        parse_place(after)  # a wrong one is answered before the stream begins
    return EventStream(feed, after, Wanted(rules=asked.rule, severities=asked.severity, key=asked.key))


def _described() -> dict[int | str, dict[str, Any]]:
    stream = {"text/event-stream": {"schema": {"type": "string"}, "example": _SHOWN}}
    return described(422, 503) | {200: {"description": "Events until the client leaves", "content": stream}}
