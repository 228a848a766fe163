"""Fixtures with a real Kafka, each started when the first test asks for it.

``STREAMGAUGE_KAFKA=host:port`` has the tests use a broker that runs already, ``STREAMGAUGE_KAFKA_VERSION=3.9.1`` sets
the version of the ones they start. Where Kafka cannot run, tests that need it are skipped, and on CI they fail.
"""

import asyncio
import itertools
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.broker.cluster import Cluster
from tests.broker.errors import KafkaUnavailableError
from tests.broker.jars import default_version
from tests.broker.security import Access, Security

# Taken out of the environment, where streamgauge itself would look for settings of such names.
_RUNNING = os.environ.pop("STREAMGAUGE_KAFKA", None)
_VERSION = os.environ.pop("STREAMGAUGE_KAFKA_VERSION", None)
_WORKER_INPUT = "kafka"
_SESSION = f"t{uuid.uuid4().hex[:8]}"
_NUMBERS = itertools.count(1)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Tell a process of pytest-xdist, whose environment no longer has them."""
    node.workerinput[_WORKER_INPUT] = (_RUNNING, _VERSION)


def pytest_configure(config) -> None:
    """Take what the process told that started this one."""
    global _RUNNING, _VERSION
    if hasattr(config, "workerinput"):
        _RUNNING, _VERSION = config.workerinput[_WORKER_INPUT]


@contextmanager
def needing_kafka() -> Iterator[None]:
    """Where Kafka cannot run, skip the test; on CI, where nobody reads what was skipped, fail it."""
    try:
        yield
    except KafkaUnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(f"no Kafka: {error}", pytrace=False)
        pytest.skip(f"no Kafka: {error}")


@contextmanager
def kafka_or_skip(**options) -> Iterator[Cluster]:
    """A cluster of a test's own, for tests that kill nodes; takes what `Cluster.start` takes."""
    options.setdefault("version", _VERSION or None)
    with needing_kafka():
        cluster = Cluster.start(**options)
    with cluster:
        yield cluster


@pytest.fixture(scope="session")
def kafka() -> Iterator[Access]:
    """A broker with a plain listener, shared by all tests: use topics and groups that begin with ``kafka_prefix``."""
    if _RUNNING:
        access = Access(bootstrap=_RUNNING)
        yield access
        asyncio.run(_delete_topics(access))
    else:
        with kafka_or_skip() as cluster:
            yield cluster.access()


@pytest.fixture(scope="session")
def started_version() -> str:
    """Version of the brokers that the tests start."""
    return _VERSION or default_version()


@pytest.fixture(scope="session")
def kafka_version(started_version) -> str:
    """Version of the brokers of ``kafka``; one that ran already does not tell."""
    if _RUNNING:
        pytest.skip("a broker that runs already does not tell its version")
    return started_version


@pytest.fixture(scope="session")
def kafka_secured() -> Iterator[Cluster]:
    """A broker with a listener of every kind, shared by all tests; ``access`` and ``stranger`` say how to come in."""
    with kafka_or_skip(security=list(Security)) as cluster:
        yield cluster


@pytest.fixture
def kafka_prefix(request) -> str:
    """Begins the names of a test's topics and groups; no other test, process or run has the same."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"{_SESSION}-{next(_NUMBERS)}-{words[:60]}"


async def _delete_topics(access: Access) -> None:
    """Leave a broker that is not ours without our topics."""
    admin = AIOKafkaAdminClient(**access.aiokafka())
    await admin.start()
    try:
        ours = [topic for topic in await admin.list_topics() if topic.startswith(_SESSION)]
        if ours:
            await admin.delete_topics(ours)
    finally:
        await admin.close()
