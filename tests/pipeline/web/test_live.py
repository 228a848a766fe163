"""Live feeds: what a listener is told, where it goes on, and what many of them cost."""

import asyncio
import json
from contextlib import aclosing

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pipeline.errors import LogError, UsageError
from pipeline.log.opening import open_log
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.app import build_api_app
from pipeline.web.live.events import EventStream
from pipeline.web.live.feed import KEPT, Feed, Ready
from pipeline.web.live.sources import AlertSource, IncidentSource, Wanted
from tests.pipeline.web.answers import MemoryAnswers, alert, incident
from tests.pipeline.web.filled import example, now_ms
from tests.pipeline.web.serving import serving

ALL = Wanted()


@pytest.fixture
def answers():
    """An empty store."""
    return MemoryAnswers()


def feed_of(answers, **settings):
    return Feed(AlertSource(answers), **{"interval_s": 0.001, "heartbeat_s": 60.0, **settings})


async def first(feed, count, after=None, wanted=ALL, then=lambda: None):
    """What a listener hears first, ``count`` things; ``then`` runs when it began."""
    heard = []
    async with aclosing(feed.follow(after, wanted)) as items:
        async for item in items:
            heard.append(item)
            if len(heard) == 1:
                then()
            if len(heard) == count:
                return heard
    return heard


def ids(items):
    return [item.id for item in items]


def place(number):
    return f"{number}-{number:032x}"


def test_a_listener_hears_what_arrives_after_it_came(answers):
    """Without a place a listener begins with now, and is told where that is."""
    answers.stored = [alert(1), alert(2)]

    async def work():
        ready, *items = await first(feed_of(answers), 3, then=lambda: answers.stored.extend([alert(3), alert(4)]))
        assert ready == Ready(place(2), gap=False)
        assert ids(items) == [place(3), place(4)]
        assert json.loads(items[0].data)["id"] == alert(3).document["id"]

    asyncio.run(work())


@pytest.mark.parametrize("kept", [3, 7_000])
def test_a_listener_goes_on_where_it_stopped(answers, kept):
    """Behind a known place every alert comes once and in order, also more than a feed keeps and a page holds."""
    answers.stored = [alert(number) for number in range(1, kept + 1)]

    async def work():
        ready, *items = await first(feed_of(answers), kept, after=place(1))
        assert ready == Ready(place(1), gap=False)
        assert ids(items) == [place(number) for number in range(2, kept + 1)]

    asyncio.run(work())


@pytest.mark.parametrize("after", [f"2-{7:032x}", place(9_999), "0-x"])
def test_an_unknown_place_is_a_gap(answers, after):
    """When a number stands for another alert or for none, the store is another one: the newest follow again."""
    answers.stored = [alert(number) for number in range(1, KEPT + 11)]

    async def work():
        ready, *items = await first(feed_of(answers), KEPT + 1, after=after)
        assert ready.gap
        assert ids(items) == [place(number) for number in range(11, KEPT + 11)]

    asyncio.run(work())


def test_what_is_no_place_is_refused(answers):
    """A place that no feed gives out is an error of the caller."""
    with pytest.raises(UsageError, match="no id of a live feed"):
        asyncio.run(first(feed_of(answers), 1, after="yesterday"))


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Wanted(rules=["a"]), [1, 2]),
        (Wanted(severities=["high"]), [1, 3]),
        (Wanted(key="k"), [2, 3]),
        (Wanted(rules=["a"], severities=["high"], key="j"), [1]),
    ],
)
def test_filters_choose(answers, wanted, numbers):
    """All conditions must hold; what is filtered out moves the place all the same."""
    answers.stored = [
        alert(1, rule="a", severity="high", key="j"),
        alert(2, rule="a", severity="low", key="k"),
        alert(3, rule="b", severity="high", key="k"),
    ]

    async def work():
        _, *items = await first(feed_of(answers), len(numbers) + 1, after="0-", wanted=wanted)
        assert ids(items) == [place(number) for number in numbers]

    asyncio.run(work())


def test_fifty_listeners_cost_the_questions_of_one(answers):
    """However many listen, the store is asked once a look, and the reader ends with the last listener."""

    async def work():
        feed = feed_of(answers)
        came = asyncio.Barrier(51)

        async def listen():
            async with aclosing(feed.follow(None, ALL)) as items:
                await anext(items)
                await came.wait()
                return (await anext(items)).id

        listeners = [asyncio.create_task(listen()) for _ in range(50)]
        await came.wait()
        before = answers.asked["alerts_after"]
        looks = 20
        while answers.asked["alerts_after"] < before + looks:  # noqa: ASYNC110 - the count is the event
            await asyncio.sleep(0)
        assert answers.asked["alerts"] == 1
        answers.stored.append(alert(1))
        assert set(await asyncio.gather(*listeners)) == {place(1)}
        assert feed.listeners == 0
        await asyncio.sleep(0)
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "live feed"]

    asyncio.run(work())


def test_a_listener_that_does_not_read_is_owed_places_not_items(answers):
    """One that stands still while thousands pass gets them all from the store; the feed keeps no more than it may."""

    async def work():
        feed = feed_of(answers)
        async with aclosing(feed.follow(None, ALL)) as slow:
            await anext(slow)
            total = 3 * KEPT
            answers.stored = [alert(number) for number in range(1, total + 1)]
            quick = await first(feed, total + 1, after="0-")
            assert len(feed._items) <= KEPT
            assert ids([await anext(slow) for _ in range(total)]) == ids(quick[1:])

    asyncio.run(work())


def test_a_sign_of_life_comes_when_nothing_else_does(answers):
    """A heartbeat says that the connection stands, also while all that comes is filtered out."""

    async def work():
        feed = feed_of(answers, heartbeat_s=0.001)
        assert (await first(feed, 3, wanted=Wanted(rules=["other"])))[1:] == [None, None]

    asyncio.run(work())


def test_a_store_that_fails_for_a_while_loses_nothing(answers, caplog):
    """Listeners stay while the store can't be read, and hear what they missed."""
    failing = 3
    real = answers.alerts_after

    async def alerts_after(number, limit):
        nonlocal failing
        if answers.stored and failing:
            failing -= 1
            raise LogError("the store can't be read")
        return await real(number, limit)

    answers.alerts_after = alerts_after

    async def work():
        _, item = await first(feed_of(answers), 2, then=lambda: answers.stored.append(alert(1)))
        assert (item.id, failing) == (place(1), 0)

    asyncio.run(work())
    assert "the live feed can't be read" in caplog.text


def test_the_end_of_the_server_lets_listeners_go(answers):
    """After ``end`` a feed says no more, and a new listener hears only where it stands."""

    async def work():
        feed = feed_of(answers)
        assert len(await first(feed, 99, then=feed.end)) == 1
        assert len(await first(feed, 99)) == 1

    asyncio.run(work())


def test_incidents_are_told_when_they_change(answers):
    """Of each incident the newest state comes, once for each change; what stays as it was is not told again."""
    answers.known = {"i1": incident("i1"), "i2": incident("i2")}

    async def work():
        feed = Feed(IncidentSource(answers), interval_s=0.001)

        def change():
            answers.known["i1"] = incident("i1", count=2)
            answers.known["i2"] = incident("i2", state="resolved")

        ready, *items = await first(feed, 3, then=change)
        told = [json.loads(item.data) for item in items]
        assert sorted((each["id"], each["state"], each["count"]) for each in told) == [
            ("i1", "open", 2),
            ("i2", "resolved", 1),
        ]
        again = (await first(feed, 2, after=items[0].id))[1]
        assert json.loads(again.data)["id"] == told[1]["id"]
        other = await first(Feed(IncidentSource(answers), interval_s=0.001), 3, after=ready.place)
        assert other[0].gap
        assert {json.loads(item.data)["id"] for item in other[1:]} == {"i1", "i2"}

    asyncio.run(work())


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


@pytest.fixture
def on_server(answers, tmp_path):
    """Runs ``work(address)`` while the API over the store and an empty log is served."""

    def run(work):
        async def served():
            log = open_log(f"local://{tmp_path}/log.db")
            model = ReadModel(example(f"local://{tmp_path}/log.db"), log, clock_ms=now_ms)
            app = build_api_app(model, answers)
            try:
                async with serving(app) as address:
                    await work(address)
            finally:
                await log.close()

        asyncio.run(served())

    return run


class Socket:
    """A WebSocket that speaks JSON."""

    def __init__(self, socket):
        self._socket = socket

    async def say(self, message):
        await self._socket.send(message if isinstance(message, str) else json.dumps(message))

    async def hear(self):
        return json.loads(await self._socket.recv())


def test_a_socket_follows_what_it_subscribed(on_server, answers):
    """A subscription is confirmed with its place; what follows has event, id and data; it can be changed and ended."""
    answers.stored = [alert(1, severity="low"), alert(2)]
    answers.known = {"i1": incident("i1")}

    async def work(address):
        async with connect(f"ws://{address}/api/ws") as connection:
            socket = Socket(connection)
            await socket.say({"subscribe": "alerts", "after": "0-", "severity": ["high"]})
            assert await socket.hear() == {"event": "subscribed", "feed": "alerts", "id": "0-", "gap": False}
            told = await socket.hear()
            assert (told["event"], told["id"], told["data"]["severity"]) == ("alert", place(2), "high")
            await socket.say({"subscribe": "alerts", "after": place(1), "key": "a17"})
            assert (await socket.hear())["event"] == "subscribed"
            assert (await socket.hear())["id"] == place(2)
            await socket.say({"subscribe": "incidents", "after": "5-other"})
            assert (await socket.hear())["gap"] is True
            assert (await socket.hear())["data"]["id"] == "i1"
            await socket.say({"unsubscribe": "alerts"})
            assert await socket.hear() == {"event": "unsubscribed", "feed": "alerts"}

    on_server(work)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("{", "invalid json"),
        ('{"subscribe": "lag"}', "input should be 'alerts' or 'incidents', got 'lag'"),
        ('{"subscribe": "alerts", "rules": []}', "rules: extra inputs are not permitted"),
        ('{"subscribe": "alerts", "after": "x"}', "'x' is no id of a live feed"),
        ('{"unsubscribe": 1}', "unsubscribe: input should be 'alerts' or 'incidents'"),
    ],
)
def test_a_socket_says_what_was_wrong(on_server, message, sentence):
    """A message that is not understood is answered by a problem, and the connection stays."""

    async def work(address):
        async with connect(f"ws://{address}/api/ws") as connection:
            socket = Socket(connection)
            await socket.say(message)
            problem = await socket.hear()
            assert problem["event"] == "problem"
            assert sentence in problem["detail"]
            await socket.say({"subscribe": "alerts"})
            assert (await socket.hear())["event"] == "subscribed"

    on_server(work)


def test_a_page_of_another_site_gets_no_socket(on_server):
    """Browsers let any page open a socket, so the server refuses what comes from elsewhere."""

    async def work(address):
        with pytest.raises(InvalidStatus, match="403"):
            await connect(f"ws://{address}/api/ws", origin="http://evil.example")
        async with connect(f"ws://{address}/api/ws", origin=f"http://{address}") as connection:
            await Socket(connection).say({"subscribe": "alerts"})
            assert (await Socket(connection).hear())["event"] == "subscribed"

    on_server(work)


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
