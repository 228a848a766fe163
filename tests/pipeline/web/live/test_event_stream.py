"""Feeds as server-sent events over HTTP."""

import asyncio
import json
from contextlib import aclosing

import httpx

from pipeline.web.live.events import EventStream
from tests.pipeline.web.answers import alert
from tests.pipeline.web.live.feeds import ALL, feed_of, place


async def sent(stream, *, until, stuck=False):
    """What an event stream sends before ``until`` stands in it; a stuck connection takes the head and nothing else."""
    got = []
    gone = asyncio.Event()

    async def send(message):
        if stuck and message["type"] == "http.response.body":
            await asyncio.Event().wait()
        got.append(message.get("body", b""))
        if until in b"".join(got):
            gone.set()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    await stream({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
    return b"".join(got).decode()


def test_events_are_server_sent_events(answers):
    """Each event has its name, its data on one line and its id; the first one says how soon to come back."""
    answers.stored = [alert(1), alert(2)]

    async def work():
        text = await sent(EventStream(feed_of(answers), place(1), ALL), until=place(2).encode())
        ready, shown = text.rstrip("\n").split("\n\n")
        assert ready.splitlines() == [
            "event: ready",
            f'data: {{"place":"{place(1)}","gap":false}}',
            f"id: {place(1)}",
            "retry: 2000",
        ]
        event, data, name = shown.splitlines()
        assert (event, name) == ("event: alert", f"id: {place(2)}")
        assert json.loads(data.removeprefix("data: "))["key"] == "a17"

    asyncio.run(work())


def test_who_reads_nothing_is_let_go(answers, monkeypatch):
    """A connection that takes no more ends after a while, and with it all that the server holds for it."""
    monkeypatch.setattr("pipeline.web.live.events.SEND_S", 0.001)
    feed = feed_of(answers)

    async def work():
        await sent(EventStream(feed, None, ALL), until=b"never", stuck=True)
        assert feed.listeners == 0

    asyncio.run(work())


def test_a_stream_over_http_goes_on_by_its_header(on_server, answers):
    """A real client gets events with their ids and goes on behind the one that it names in ``Last-Event-ID``."""
    answers.stored = [alert(number) for number in range(1, 4)]

    async def work(address):
        url = f"http://{address}/api/alerts/stream"
        async with httpx.AsyncClient() as client:
            for headers, query in (({"last-event-id": place(1)}, ""), ({}, f"?last_event_id={place(1)}")):
                async with client.stream("GET", url + query, headers=headers) as answer:
                    assert answer.headers["content-type"].startswith("text/event-stream")
                    names = [line async for line in first_lines(answer, "id: ", 3)]
                    assert names == [f"id: {place(number)}" for number in (1, 2, 3)]

    on_server(work)


async def first_lines(answer, begin, count):
    """The first lines of an answer that begin so."""
    async with aclosing(answer.aiter_lines()) as lines:
        async for line in lines:
            if line.startswith(begin):
                yield line
                count -= 1
            if not count:
                return
