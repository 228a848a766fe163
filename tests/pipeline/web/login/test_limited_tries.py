"""How often somebody may try a password, by address and by name, or a key."""

from types import SimpleNamespace

import pytest

from pipeline.access.throttle import Throttle
from tests.pipeline.web.guarded import guarded, log_in


@pytest.fixture
def now(monkeypatch):
    """The clock by which tries are counted, in seconds."""
    clock = SimpleNamespace(now=1_800_000_000.0)
    fake = SimpleNamespace(time=lambda: clock.now)
    for module in ("limits.storage.memory.time", "limits.strategies.time", "pipeline.access.throttle.time"):
        monkeypatch.setattr(module, fake)
    return clock


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
