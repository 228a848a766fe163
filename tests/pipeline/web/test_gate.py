"""Sockets and long answers at the gate, and what a page that stays open may still do."""

import asyncio
from types import SimpleNamespace

import pytest

from pipeline.access.roles import Role, User
from pipeline.errors import UsageError
from pipeline.web import auth
from pipeline.web.access import LOCAL_USER
from pipeline.web.gate import Gate
from pipeline.web.watch import Watch
from tests.pipeline.access.kit import LOGIN, TESTER
from tests.pipeline.web.guarded import guarded


async def connect(view, **headers):
    """What a socket is told that wants in: the messages to the server."""
    sent, seen = [], []

    async def app(scope, receive, send):
        seen.append(scope["state"]["user"])
        await receive()
        await send({"type": "websocket.accept"})

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message["type"])

    scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": "/_nicegui_ws/socket.io",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in {"host": "localhost", **headers}.items()],
        "client": ("192.0.2.1", 1),
        "state": {},
    }
    await Gate(app, access=view.access)(scope, receive, send)
    return sent[0], seen


def test_sockets_are_for_users_and_pages_of_ours(tmp_path):
    """Nobody, and another site with the user's cookie, are turned away; the user's own page and a key are let in."""

    async def work(view):
        view.add()
        cookie = f"sg-session-payments={view.access.sessions.start('ann', LOGIN)}"
        own = {"cookie": cookie, "origin": "http://localhost"}
        let_in, seen = await connect(view, **own)
        assert (let_in, seen[0].name, seen[0].how) == ("websocket.accept", "ann", "session")
        assert (await connect(view, **view.key()))[0] == "websocket.accept"
        for headers in (
            {},
            {"origin": "http://localhost"},
            {"cookie": cookie},
            {**own, "origin": "http://evil.example"},
            {**own, "origin": "https://localhost"},
            {"cookie": "sg-session-payments=" + "A" * 43, "origin": "http://localhost"},
            {"authorization": "Bearer nonsense"},
        ):
            assert await connect(view, **headers) == ("websocket.close", []), headers

    guarded(tmp_path, work)


def test_without_login_sockets_are_still_not_for_other_sites(tmp_path):
    """A site in the browser of this machine can't speak to the view; a program can."""

    async def work(view):
        assert await connect(view, origin="http://evil.example") == ("websocket.close", [])
        assert (await connect(view, origin="http://localhost"))[1] == [LOCAL_USER]
        assert (await connect(view))[1] == [LOCAL_USER]

    guarded(tmp_path, work, login=False)


class Line:
    """A client of a ``Watch``, a login that can end, and a clock that is set by hand."""

    def __init__(self, *incoming):
        self.incoming = [*incoming]
        self.sent = []
        self.now_s = 0.0
        self.is_valid = True

    async def receive(self):
        return self.incoming.pop(0) if self.incoming else {"type": "websocket.disconnect"}

    async def send(self, message):
        self.sent.append(message)

    def run(self, app, kind):
        watch = Watch(lambda: self.is_valid, self.receive, self.send, clock_s=lambda: self.now_s)
        asyncio.run(watch.run(app, {"type": kind}))


def test_nothing_comes_in_when_the_login_has_ended():
    """What a page asks for at that moment is dropped already; what goes out ends three seconds later."""
    said = {"type": "websocket.receive", "text": "do it"}
    line = Line(said, said, said)
    got = []

    async def app(_, receive, send):
        got.append(await receive())
        line.is_valid = False
        got.append(await receive())
        for line.now_s in (2.9, 3.1, 3.2):
            await send({"type": "websocket.send", "text": str(line.now_s)})

    line.run(app, "websocket")
    assert got == [said, {"type": "websocket.disconnect"}]
    assert [m.get("text", m["type"]) for m in line.sent] == ["2.9", "websocket.close"]


def test_a_long_answer_ends_with_the_login():
    """A stream of events stops within a second of it, in order; the application sees a client that is gone."""
    line = Line()
    seen = []

    async def app(_, __, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for line.now_s in (0.5, 1.5, 2.0, 2.6):
            line.is_valid = line.now_s < 2.0
            try:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
            except OSError:
                seen.append(line.now_s)
                raise

    line.run(app, "http")
    assert seen == [2.6]
    bodies = [(m["body"], m["more_body"]) for m in line.sent[1:]]
    assert bodies == [(b"x", True)] * 3 + [(b"", False)]


def test_errors_of_the_application_are_not_swallowed():
    """Only what follows from the end of the login is."""

    async def app(*_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Line().run(app, "http")


def test_an_open_page_may_what_its_login_still_may(tmp_path, monkeypatch):
    """A handler asks anew: the role must be enough, and the login must not have ended since the page was served."""

    async def work(view):
        view.add(role=Role.ANALYST)
        user = view.access.sessions.check(view.access.sessions.start("ann", LOGIN))
        state = SimpleNamespace(user=user, access=view.access)
        page = SimpleNamespace(client=SimpleNamespace(request=SimpleNamespace(state=state)))
        monkeypatch.setattr(auth.ui, "context", page)
        assert auth.page_may(Role.ANALYST) == user
        with pytest.raises(UsageError, match="needs the role operator; ann has analyst"):
            auth.page_may(Role.OPERATOR)
        view.access.users.set_role("ann", Role.ADMIN, by=TESTER)
        with pytest.raises(UsageError, match="log in again"):
            auth.page_may(Role.VIEWER)
        state.user = User(name="x", role=Role.ADMIN, how="token", until_ms=view.clock.ms)
        with pytest.raises(UsageError, match="log in again"):
            auth.page_may(Role.VIEWER)

    guarded(tmp_path, work)
