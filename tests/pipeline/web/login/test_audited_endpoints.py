"""What endpoints do is in the audit log, whether they say it themselves or not."""

from fastapi import Depends, Request

from pipeline.access.roles import Role
from pipeline.web.auth import requires
from tests.pipeline.web.guarded import guarded


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
