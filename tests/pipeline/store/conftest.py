"""Stores in every database."""

import uuid

import pytest

from pipeline.store.opening import open_database
from pipeline.store.schema import prepare
from tests.pipeline.store.server import Server, binaries


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
