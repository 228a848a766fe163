"""Login and what rests on it: cookies, forged requests, tries, headers, the end of a session."""

from types import SimpleNamespace

import pytest
from fastapi import Depends, Request

from pipeline.access.roles import Role
from pipeline.access.settings import OidcSettings, WebSettings
from pipeline.access.throttle import Throttle
from pipeline.config import AppConfig
from pipeline.errors import UsageError
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.access import open_access
from pipeline.web.app import build_api_app, serve
from pipeline.web.auth import requires
from pipeline.web.pages.login import own_path
from tests.pipeline.access.issuer import AUDIENCE, ISSUER, Issuer, token
from tests.pipeline.access.kit import PASSWORD, TESTER, Kit
from tests.pipeline.web.guarded import HERE, OWN, guarded, log_in


@pytest.fixture
def now(monkeypatch):
    """The clock by which tries are counted, in seconds."""
    clock = SimpleNamespace(now=1_800_000_000.0)
    fake = SimpleNamespace(time=lambda: clock.now)
    for module in ("limits.storage.memory.time", "limits.strategies.time", "pipeline.access.throttle.time"):
        monkeypatch.setattr(module, fake)
    return clock


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


FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "https://localhost"},
    {"origin": "http://localhost:8080"},
    {"origin": HERE, "sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
]


@pytest.mark.parametrize("headers", [*FOREIGN, {}], ids=str)
def test_forged_requests_are_refused(tmp_path, headers):
    """What another site makes a browser send, or what doesn't say where it is from, changes nothing."""

    async def work(view):
        view.add()
        view.add("bob")
        client = await view.client()
        assert (await log_in(client, headers=headers)).status_code == 403
        await log_in(client)
        for method, path in (("DELETE", "/api/users/bob"), ("POST", "/logout"), ("PATCH", "/api/users/bob")):
            answer = await client.request(method, path, headers=headers)
            assert (answer.status_code, answer.json()["detail"][:20]) == (403, "this request does no")
        assert view.access.users.get("bob") is not None
        assert (await client.get("/api/me")).status_code == 200
        allowed = await client.delete("/api/users/bob", headers={**OWN, "sec-fetch-site": "same-origin"})
        assert allowed.status_code == 204

    guarded(tmp_path, work)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_forged_requests_are_refused_without_login_too(tmp_path, headers):
    """On a machine without login another site can't make the browser change something; a program can."""

    async def work(view):
        changed = []
        view.app.add_api_route("/api/x", lambda: changed.append(1), methods=["POST"])
        client = await view.client()
        assert (await client.post("/api/x", headers=headers)).status_code == 403
        assert not changed
        assert (await client.post("/api/x")).status_code == 200
        assert (await client.post("/api/x", headers=OWN)).status_code == 200

    guarded(tmp_path, work, login=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "gauge-laptop"])
def test_foreign_names_do_not_lead_to_this_machine(tmp_path, host):
    """A site that points a name of its own at this machine is refused, on whichever of its addresses we listen."""

    async def work(view):
        view.app = build_api_app(ReadModel(view.config, view.log, clock_ms=view.clock), host=host, access=view.access)
        client = await view.client()
        named = {"evil.example": 400, "localhost:8080": 200, "[::1]:8080": 200}
        named[f"[{host}]" if ":" in host else host] = 200
        for name, status in named.items():
            assert (await client.get("/api/me", headers={"host": name})).status_code == status, name

    guarded(tmp_path, work, login=False)


def test_keys_need_no_page(tmp_path):
    """A key is sent by programs only, so that nothing has to be forged; a wrong one is not saved by a cookie."""

    async def work(view):
        view.add()
        client = await view.client(headers=view.key())
        made = await client.post("/api/users", json={"name": "bob", "password": PASSWORD, "role": "analyst"})
        assert (made.status_code, made.json()["role"]) == (201, "analyst")
        browser = await view.client()
        await log_in(browser)
        answer = await browser.get("/api/me", headers={"authorization": "Bearer sgk_000000000000_" + "A" * 43})
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    guarded(tmp_path, work)


def test_a_bearer_token_is_enough(tmp_path):
    """A token of the issuer names its user to the API; one for others is refused with the reason, and recorded."""
    issuer = Issuer()

    async def work(view):
        client = await view.client()
        right = {"authorization": f"Bearer {token(roles=['analyst'])}"}
        assert (await client.get("/api/me", headers=right)).json() == {"name": "ann", "role": "analyst", "how": "token"}
        assert (await client.get("/api/users", headers=right)).status_code == 403
        wrong = await client.get("/api/me", headers={"authorization": f"bearer {token(aud='another')}"})
        assert (wrong.status_code, "udience" in wrong.json()["detail"]) == (401, True)
        assert 'error="invalid_token"' in wrong.headers["www-authenticate"]
        assert view.told() == [("", "token", "refused")]

    try:
        guarded(tmp_path, work, oidc=OidcSettings(issuer=ISSUER, audience=AUDIENCE, jwks=issuer.url))
    finally:
        issuer.close()


def test_login_off_is_local_and_no_admin(tmp_path):
    """Without login everybody at the machine is an operator; users, keys and audit stay with the command line."""

    async def work(view):
        client = await view.client()
        assert (await client.get("/api/me")).json() == {"name": "local", "role": "operator", "how": "local"}
        for path in ("/api/users", "/api/keys", "/api/audit"):
            answer = await client.get(path)
            assert (answer.status_code, "login = true" in answer.json()["detail"]) == (403, True)
        assert (await client.get("/login")).headers["location"] == "/"
        assert not view.access.database.path.exists()

    guarded(tmp_path, work, login=False)


@pytest.mark.parametrize(
    "header", ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"]
)
def test_login_off_is_not_for_those_behind_a_proxy(tmp_path, header):
    """A proxy on this machine that nobody told us of does not open the view to the world."""

    async def work(view):
        client = await view.client()
        answer = await client.get("/api/me", headers={header: "x"})
        assert (answer.status_code, "proxies" in answer.json()["detail"]) == (403, True)

    guarded(tmp_path, work, login=False)


def test_tries_are_limited_by_address_and_name(tmp_path, now):
    """Five for a name from an address; others go on; after a minute, as Retry-After says, the name does too."""

    async def work(view):
        view.add()
        view.add("bob")
        client = await view.client()
        assert [(await log_in(client, "ann", "wrong")).status_code for _ in range(5)] == [401] * 5
        limited = await log_in(client)
        assert (limited.status_code, limited.headers["retry-after"]) == (429, "60")
        now.now += 20
        assert (await log_in(client)).headers["retry-after"] == "40"
        other = await view.client(address="192.0.2.2")
        assert (await log_in(other)).status_code == 303
        assert (await log_in(await view.client(), "bob")).status_code == 303
        now.now += 39.5
        assert (await log_in(client)).status_code == 429
        now.now += 1
        assert (await log_in(client)).status_code == 303
        assert view.told().count(("ann", "password", "refused")) == 6, "five tries, and one record of the limit"

    guarded(tmp_path, work)


def test_a_login_forgets_the_tries_before(tmp_path, now):
    """Who types the password right the fifth time has five tries again."""

    async def work(view):
        view.add()
        client = await view.client()
        for _ in range(2):
            assert [(await log_in(client, "ann", "wrong")).status_code for _ in range(4)] == [401] * 4
            assert (await log_in(client)).status_code == 303

    guarded(tmp_path, work)


def test_many_names_and_many_addresses_are_limited_too(now):
    """Twenty a minute from an address whatever the names, also over a network of IPv6; sixty in ten minutes a name."""
    throttle = Throttle()
    tries = [throttle.login(f"2001:db8::{n:x}", f"name{n}") for n in range(21)]
    assert [wait is None for wait in tries] == [True] * 20 + [False]
    assert throttle.login("2001:db8:0:1::1", "name") is None
    throttle = Throttle()
    tries = [throttle.login(f"192.0.2.{n}", "Ann" if n % 2 else "ann") for n in range(61)]
    assert [wait is None for wait in tries] == [True] * 60 + [False]
    assert tries[-1].seconds == 600
    now.now += 601
    assert throttle.login("192.0.2.1", "ann") is None


def test_wrong_keys_are_limited_and_do_not_fill_the_audit_log(tmp_path, now):
    """After thirty in a minute the answer is 429; the log has one record a minute; a right key still counts."""

    async def work(view):
        view.add()
        client = await view.client()
        wrong = {"authorization": "Bearer sgk_000000000000_" + "A" * 43}
        codes = [(await client.get("/api/me", headers=wrong)).status_code for _ in range(40)]
        assert (codes[:29], set(codes[30:])) == ([401] * 29, {429})
        assert view.told() == [("", "key", "refused")]
        assert (await client.get("/api/me", headers=view.key())).status_code == 200
        now.now += 61
        assert (await client.get("/api/me", headers=wrong)).status_code == 401
        assert len(view.told()) == 2

    guarded(tmp_path, work)


@pytest.mark.parametrize("base", [HERE, "https://localhost"])
def test_every_answer_has_security_headers(tmp_path, base):
    """Pages, data, refusals and what is not there; HSTS over https only; the login page allows no script at all."""

    async def work(view):
        view.add()
        client = await view.client(base=base)
        for path in ("/login", "/api/me", "/api/nope", "/alerts", "/static/nope"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff", path
            assert headers["referrer-policy"] == "same-origin"
            assert headers["x-frame-options"] == "DENY"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert ("strict-transport-security" in headers) is base.startswith("https")
        assert "script-src" not in (await client.get("/login")).headers["content-security-policy"]
        assert (await client.get("/login")).headers["content-security-policy"].startswith("default-src 'none'")
        assert (await client.get("/api/me", headers=view.key())).headers["cache-control"] == "no-store"
        foreign = await client.get("/api/me", headers={"host": "evil.example"})
        assert (foreign.status_code, foreign.headers["x-content-type-options"]) == (400, "nosniff")

    guarded(tmp_path, work)


@pytest.mark.parametrize(
    "text",
    ["", "x", "//evil", "///evil", "/\\evil", "/%5cevil", "https://evil", "javascript:x", "/\n/evil", "/login", "/é"],
)
def test_the_way_back_stays_on_this_server(text):
    """Whatever the address says, the login leads to a path of ours."""
    assert own_path(text) == "/"
    assert own_path("/tables/x?q=1") == "/tables/x?q=1"


def test_what_endpoints_do_is_in_the_audit_log(tmp_path):
    """``access.audit`` names the user, how it was proved and from where, and the chain stays whole."""

    async def work(view):
        view.add()

        def act(request: Request):
            request.app.state.access.audit(request, "incident.acknowledge", "i-1", {"note": "mine"})

        view.app.add_api_route("/api/x", act, methods=["POST"], dependencies=[Depends(requires(Role.ANALYST))])
        client = await view.client()
        assert (await client.post("/api/x", headers=view.key(scope="analyst"))).status_code == 200
        assert (await client.post("/api/x", headers=view.key(scope="read"))).status_code == 403
        (record,) = [r for r in view.access.log.newest(9) if r["action"] == "incident.acknowledge"]
        kept = {name: record[name] for name in ("who", "how", "address", "subject", "details", "outcome", "time_ms")}
        assert kept == {
            "who": "ann",
            "how": "key",
            "address": "192.0.2.1",
            "subject": "i-1",
            "details": {"note": "mine"},
            "outcome": "ok",
            "time_ms": view.clock.ms,
        }
        shown = await client.get("/api/audit", headers=view.key())
        assert shown.json()["records"][0]["action"] == "key.add"
        verdict = (await client.get("/api/audit/verify", headers=view.key())).json()
        assert (verdict["is_whole"], verdict["broken"]) == (True, None)

    guarded(tmp_path, work)


def test_a_change_that_nobody_records_is_recorded(tmp_path):
    """An endpoint that says nothing is noted by method, route and path; refused is noted too, and reads are not."""

    async def work(view):
        view.add()
        role = [Depends(requires(Role.ANALYST))]
        for method in ("GET", "POST"):
            view.app.add_api_route("/api/x/{name}", lambda name: name, methods=[method], dependencies=role)
        client = await view.client(headers=view.key(scope="analyst"))
        viewer = await view.client(headers=view.key(scope="read"))
        before = view.access.log.head().number
        await client.get("/api/x/one")
        await client.post("/api/x/one")
        await client.post("/api/nope")
        await viewer.post("/api/x/two")
        records = view.access.log.newest(9)[::-1][before:]
        assert [(r["who"], r["action"], r["subject"], r["outcome"]) for r in records] == [
            ("ann", "POST /api/x/{name}", "/api/x/one", "ok"),
            ("ann", "POST /api/x/{name}", "/api/x/two", "refused"),
        ]
        assert view.access.log.verify().broken is None

    guarded(tmp_path, work)


def test_without_login_changes_are_recorded_as_of_this_machine(tmp_path):
    """Who sits at the machine has no name, but what was done has a record."""

    async def work(view):
        view.app.add_api_route("/api/x", lambda: 1, methods=["POST"])
        client = await view.client()
        await client.post("/api/x")
        (record,) = view.access.log.newest(9)
        assert (record["who"], record["how"], record["action"]) == ("local", "local", "POST /api/x")

    guarded(tmp_path, work, login=False)


def test_an_admin_stays(tmp_path):
    """Nobody takes the own role or user away; another admin can."""

    async def work(view):
        view.add()
        view.add("bob")
        client = await view.client(headers=view.key())
        assert (await client.delete("/api/users/ann")).status_code == 422
        assert (await client.patch("/api/users/ann", json={"role": "viewer"})).status_code == 422
        assert (await client.patch("/api/users/bob", json={"role": "viewer", "password": PASSWORD})).status_code == 200
        assert (await client.delete("/api/users/bob")).status_code == 204
        assert [user["name"] for user in (await client.get("/api/users")).json()] == ["ann"]

    guarded(tmp_path, work)


def test_a_key_is_shown_once(tmp_path):
    """The answer that makes it has it; no list has."""

    async def work(view):
        view.add()
        client = await view.client(headers=view.key())
        made = (await client.post("/api/keys", json={"owner": "ann", "scope": "read", "label": "ci"})).json()
        asked = await client.get("/api/me", headers={"authorization": f"Bearer {made['key']}"})
        assert asked.json() == {"name": "ann", "role": "viewer", "how": "key"}
        listed = (await client.get("/api/keys")).text
        assert made["id"] in listed
        assert made["key"].rpartition("_")[2] not in listed
        assert (await client.delete(f"/api/keys/{made['id']}")).status_code == 204
        asked = await client.get("/api/me", headers={"authorization": f"Bearer {made['key']}"})
        assert asked.status_code == 401
        assert (await client.post("/api/keys", json={"owner": "ann", "lifetime": "soon"})).status_code == 422

    guarded(tmp_path, work)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_other_addresses_are_refused_without_login(tmp_path, host):
    """Switched off, or with nobody who could log in, the view is not served beyond this machine; it says what to do."""
    path = str(tmp_path / "access.db")
    config = AppConfig(name="a", log=f"local://{tmp_path}/log.db", web=WebSettings(users=path))
    with pytest.raises(UsageError, match="streamgauge users add NAME --role admin") as caught:
        serve(config, host, 0)
    assert caught.value.exit_code == 2
    off = AppConfig(name="a", log=f"local://{tmp_path}/log.db", web=WebSettings(users=path, login=False))
    with pytest.raises(UsageError, match="not served to other machines without login"):
        serve(off, host, 0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("web", "is_loopback", "login"),
    [
        ({}, True, False),
        ({"login": True}, True, True),
        ({}, False, True),
        ({"login": True}, False, True),
        ({"hosts": ("gauge.example",)}, True, True),
        ({"proxies": ("127.0.0.1",)}, True, True),
    ],
)
def test_when_login_is_on(tmp_path, web, is_loopback, login):
    """Off where only this machine can come, unless wanted; on everywhere else, also behind a proxy."""
    kit = Kit(tmp_path / "access.db")
    kit.users.add("ann", Role.VIEWER, PASSWORD, by=TESTER)
    kit.database.close()
    config = AppConfig(name="a", log="local://x", web=WebSettings(users=str(tmp_path / "access.db"), **web))
    access = open_access(config, is_loopback=is_loopback, clock_ms=kit.clock)
    assert access.login is login
    access.database.close()
