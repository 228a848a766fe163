"""A filled log, and the API over it."""

import asyncio

import httpx
import pytest

from pipeline.incidents.settings import IncidentSettings
from pipeline.log.opening import open_log
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.app import build_api_app
from tests.pipeline.web.filled import example, fill, now_ms


@pytest.fixture(scope="session")
def url(tmp_path_factory):
    """A filled log."""
    url = f"local://{tmp_path_factory.mktemp('log')}/events.db"

    async def work():
        log = open_log(url)
        await fill(log, with_incidents(url))
        await log.close()

    asyncio.run(work())
    return url


def with_incidents(url):
    """The application of these tests."""
    return example(url, incidents=IncidentSettings())


class Api:
    """What the API says, after the read model was brought up to date."""

    def __init__(self, model, client):
        self.model = model
        self._client = client

    async def get(self, path, *, status=200, **params):
        return (await self.raw(path, status=status, **params)).json()

    async def raw(self, path, *, status=200, headers=None, **params):
        answer = await self._client.get(f"/api{path}", params=params, headers=headers)
        assert answer.status_code == status, answer.text
        return answer


@pytest.fixture
def on_api(url):
    """Runs ``work(api)`` over the filled log."""

    def run(work, at=url):
        async def opened():
            log = open_log(at)
            model = ReadModel(with_incidents(at), log, clock_ms=now_ms)
            try:
                await up_to_date(model)
                transport = httpx.ASGITransport(build_api_app(model))
                async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                    return await work(Api(model, client))
            finally:
                model.close()
                await log.close()

        return asyncio.run(opened())

    return run


async def up_to_date(model):
    """Read all that there is."""
    await model.refresh()
    while model.store.behind:
        await model.refresh()
