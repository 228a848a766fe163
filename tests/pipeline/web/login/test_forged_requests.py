"""What other sites make a browser send changes nothing, and every answer tells browsers what to refuse."""

import pytest

from pipeline.readmodel.read_model import ReadModel
from pipeline.web.app import build_api_app
from tests.pipeline.web.guarded import HERE, OWN, guarded, log_in

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
