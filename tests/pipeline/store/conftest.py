"""Stores in every database, and logs that they follow."""

import asyncio
import uuid

import pytest

from pipeline.log.opening import open_log
from pipeline.store.opening import open_database
from pipeline.store.schema import prepare
from tests.pipeline.store import topics
from tests.pipeline.store.flow import Flow
from tests.pipeline.store.server import Server, binaries
from tests.pipeline.store.topics import Setting


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL server."""
    pytest.importorskip("psycopg_pool", reason="the extra 'postgres' is not installed")
    folder = binaries()
    if folder is None:
        pytest.skip("there is no PostgreSQL on this machine: initdb was not found")
    running = Server(folder)
    yield running
    running.remove()


@pytest.fixture(params=["duckdb", "postgresql"])
def place(request, tmp_path):
    """URL and name of an application whose store is empty; opening it twice gives the same."""
    if request.param == "duckdb":
        return f"duckdb://{tmp_path}/store.duckdb", "app"
    return request.getfixturevalue("server").url, f"app_{uuid.uuid4().hex}"


@pytest.fixture
def database(place):
    """An open store with its tables."""
    opened = open_database(*place)
    prepare(opened)
    yield opened
    opened.close()


@pytest.fixture
def on_flow(database, tmp_path):
    """Runs ``work(flow)`` over an empty log and store."""

    def run_it(work, **options):
        async def opened():
            log = open_log(f"local://{tmp_path}/log.db")
            try:
                flow = Flow(log, database, **options)
                await flow.create()
                return await work(flow)
            finally:
                await log.close()

        return asyncio.run(opened())

    return run_it


@pytest.fixture
def on_store(database, tmp_path):
    """Runs ``work(setting)`` over an empty log and store."""

    def run(work, feeds=None):
        async def opened():
            log = open_log(f"local://{tmp_path}/log.db")
            setting = Setting(log, database, feeds)
            try:
                await topics.create(log)
                return await work(setting)
            finally:
                setting.close()
                await log.close()

        return asyncio.run(opened())

    return run
