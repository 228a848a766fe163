"""The login page: who gets in, where it leads, the cookie it gives, and what ends the session."""

import pytest

from pipeline.access.roles import Role
from pipeline.web.pages.login import own_path
from tests.pipeline.access.kit import PASSWORD, TESTER
from tests.pipeline.web.guarded import HERE, OWN, guarded, log_in


def test_a_login_opens_and_a_logout_closes(tmp_path):
    """Nobody gets to the login page, the right password where it wanted to go, and after the logout nothing is left."""

    async def work(view):
        view.add()
        client = await view.client()
        assert (await client.get("/api/me")).status_code == 401
        sent = await client.get("/alerts?q=a%26b")
        assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/alerts%3Fq%3Da%2526b")
        page = await client.get(sent.headers["location"])
        assert 'value="/alerts?q=a%26b"' in page.text
        assert "<script" not in page.text
        done = await log_in(client, next="/alerts?q=a%26b")
        assert (done.status_code, done.headers["location"]) == (303, "/alerts?q=a%26b")
        assert (await client.get("/api/me")).json() == {"name": "ann", "role": "admin", "how": "session"}
        assert (await client.get("/login")).headers["location"] == "/"
        kept = dict(client.cookies)
        gone = await client.post("/logout", headers=OWN)
        assert (gone.status_code, gone.headers["location"], dict(client.cookies)) == (303, "/login", {})
        client.cookies.update(kept)
        assert (await client.get("/api/me")).status_code == 401
        assert view.told() == [("ann", "password", "ok")]
        assert [r["action"] for r in view.access.log.newest(1)] == ["logout"]

    guarded(tmp_path, work)


def test_a_wrong_password_and_a_wrong_name_look_alike(tmp_path):
    """Same status, same page; both are in the audit log, without the password."""

    async def work(view):
        view.add()
        client = await view.client()
        answers = [await log_in(client, "ann", "hunter2hunter2"), await log_in(client, "eve", "hunter2hunter2")]
        assert [answer.status_code for answer in answers] == [401, 401]
        assert answers[0].text == answers[1].text.replace("eve", "ann")
        assert "Name or password is wrong" in answers[0].text
        assert not client.cookies
        assert view.told() == [("ann", "password", "refused"), ("eve", "password", "refused")]
        assert "hunter2" not in str(view.access.log.newest(9))

    guarded(tmp_path, work)


def test_a_name_is_shown_as_text(tmp_path):
    """Markup in a name or in where to go next stays text."""

    async def work(view):
        view.add()
        client = await view.client()
        page = await log_in(client, '"><script>alert(1)</script>', "x", next='/"><script>')
        assert "<script" not in page.text

    guarded(tmp_path, work)


@pytest.mark.parametrize(
    ("base", "is_private", "name", "secure"),
    [
        (HERE, True, "sg-session-payments", False),
        ("https://localhost", True, "__Host-sg-session-payments", True),
        ("https://localhost", False, "__Host-sg-session-payments", True),
    ],
)
def test_the_cookie_is_hard_to_get_at(tmp_path, base, is_private, name, secure):
    """No script reads it, no other site sends it, and off this machine it goes over https only."""

    async def work(view):
        view.add()
        client = await view.client(base=base)
        answer = await log_in(client, headers={"origin": base})
        assert answer.status_code == 303
        given, *flags = [part.strip() for part in answer.headers["set-cookie"].split(";")]
        assert given.startswith(f"{name}=")
        flags = {flag.lower() for flag in flags}
        assert {"httponly", "samesite=lax", "path=/", "max-age=43200"} <= flags
        assert ("secure" in flags) is secure
        assert not any(flag.startswith("domain") for flag in flags)
        assert (await client.get("/api/me")).status_code == 200

    guarded(tmp_path, work, is_private=is_private)


def test_no_password_over_plain_http_from_elsewhere(tmp_path):
    """Where the cookie could not come back, the page asks for no password and says why, and takes none."""

    async def work(view):
        view.add()
        client = await view.client()
        page = await client.get("/login")
        assert "plain http" in page.text
        assert "<form" not in page.text
        assert (await log_in(client)).status_code == 403
        assert not client.cookies

    guarded(tmp_path, work, is_private=False)


def test_a_session_that_was_there_before_is_worth_nothing(tmp_path):
    """Fixation: a token that somebody planted does not become the login's, and the login before ends."""

    async def work(view):
        view.add()
        planted = "A" * 43
        client = await view.client(cookies={"sg-session-payments": planted})
        answer = await log_in(client)
        first = answer.cookies["sg-session-payments"]
        assert first != planted
        stranger = await view.client(cookies={"sg-session-payments": planted})
        assert (await stranger.get("/api/me")).status_code == 401
        browser = await view.client(cookies={"sg-session-payments": first})
        second = (await log_in(browser)).cookies["sg-session-payments"]
        assert second != first
        old = await view.client(cookies={"sg-session-payments": first})
        assert (await old.get("/api/me")).status_code == 401

    guarded(tmp_path, work)


@pytest.mark.parametrize(
    "end",
    [
        lambda view: view.access.users.set_role("ann", Role.VIEWER, by=TESTER),
        lambda view: view.access.users.set_password("ann", PASSWORD, by=TESTER),
        lambda view: view.access.users.remove("ann", by=TESTER),
        lambda view: setattr(view.clock, "ms", view.clock.ms + 12 * 3_600_000),
    ],
    ids=["role", "password", "removed", "time"],
)
def test_a_session_ends_with_what_it_rested_on(tmp_path, end):
    """Another role, another password, no user any more, time: the next request is nobody's."""

    async def work(view):
        view.add()
        client = await view.client()
        await log_in(client)
        assert (await client.get("/api/me")).status_code == 200
        end(view)
        assert (await client.get("/api/me")).status_code == 401

    guarded(tmp_path, work)


@pytest.mark.parametrize(
    "text",
    ["", "x", "//evil", "///evil", "/\\evil", "/%5cevil", "https://evil", "javascript:x", "/\n/evil", "/login", "/é"],
)
def test_the_way_back_stays_on_this_server(text):
    """Whatever the address says, the login leads to a path of ours."""
    assert own_path(text) == "/"
    assert own_path("/tables/x?q=1") == "/tables/x?q=1"
