"""The API of a view with login, in this process: a clock that is set by hand, cheap hashes, an empty log."""

import asyncio
import contextlib
from dataclasses import replace

import httpx

from pipeline.access.roles import Role
from pipeline.access.settings import WebSettings
from pipeline.log.opening import open_log
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.access import Access
from pipeline.web.app import build_api_app
from tests.pipeline.access.kit import PASSWORD, TESTER, Clock, cheap
from tests.pipeline.web.filled import example

HERE = "http://localhost"
OWN = {"origin": HERE}


class Guarded:
    """A view and browsers and programs that ask it."""

    def __init__(self, folder, *, login=True, is_private=True, **web):
        url = f"local://{folder}/log.db"
        config = replace(example(url), web=WebSettings(users=str(folder / "access.db"), **web))
        self.clock, self.config = Clock(), config
        self.access = Access(config, login=login, clock_ms=self.clock, is_private=is_private, passwords=cheap())
        self.log = open_log(url)
        self.app = build_api_app(ReadModel(config, self.log, clock_ms=self.clock), access=self.access)
        self._clients = contextlib.AsyncExitStack()

    async def client(self, *, base=HERE, address="192.0.2.1", **options):
        """Something that asks, from an address."""
        transport = httpx.ASGITransport(self.app, client=(address, 1_234))
        made = httpx.AsyncClient(transport=transport, base_url=base, **options)
        return await self._clients.enter_async_context(made)

    def add(self, name="ann", role=Role.ADMIN):
        return self.access.users.add(name, role, PASSWORD, by=TESTER)

    def key(self, owner="ann", scope="admin"):
        """The header of a new key."""
        _, text = self.access.keys.add(owner, scope, label="", lifetime_ms=86_400_000, by=TESTER)
        return {"authorization": f"Bearer {text}"}

    def told(self):
        """What the audit log tells of logins, oldest first."""
        records = self.access.log.newest(1_000)[::-1]
        return [(r["who"], r["how"], r["outcome"]) for r in records if r["action"] == "login"]

    async def close(self):
        await self._clients.aclose()
        await self.log.close()
        self.access.database.close()


async def log_in(client, name="ann", password=PASSWORD, headers=OWN, **fields):
    return await client.post("/login", data={"name": name, "password": password, **fields}, headers=headers)


def guarded(folder, work, **options):
    """Run ``work(view)`` over a fresh view."""

    async def opened():
        view = Guarded(folder, **options)
        try:
            await work(view)
        finally:
            await view.close()

    asyncio.run(opened())
