"""Feeds over a WebSocket: subscriptions, problems, and who gets none."""

import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.pipeline.web.answers import alert, incident
from tests.pipeline.web.live.feeds import place


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
