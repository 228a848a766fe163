"""Where login is off and where it can't be, and what is open to whom without it."""

import pytest

from pipeline.access.roles import Role
from pipeline.access.settings import WebSettings
from pipeline.config import AppConfig
from pipeline.errors import UsageError
from pipeline.web.access import open_access
from pipeline.web.app import serve
from tests.pipeline.access.kit import PASSWORD, TESTER, Kit
from tests.pipeline.web.guarded import guarded


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
