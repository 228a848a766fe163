"""Keys and tokens that programs send, and what admins do with users and keys through the API."""

from pipeline.access.settings import OidcSettings
from tests.pipeline.access.issuer import AUDIENCE, ISSUER, Issuer, token
from tests.pipeline.access.kit import PASSWORD
from tests.pipeline.web.guarded import guarded, log_in


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
