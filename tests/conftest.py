"""Fixtures for all tests, and hypothesis profiles.

Few and repeatable examples by default, many and new ones with ``HYPOTHESIS_PROFILE=ci``.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.broker.plugin"]

_SHARED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("fast", max_examples=60, derandomize=True, **_SHARED)
settings.register_profile("ci", max_examples=1_000, print_blob=True, **_SHARED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

# What starts brokers and processes, or needs them: one worker of a parallel run has all of it, so that there is one
# broker, and no two harnesses at a time.
_PROCESSES = {"kafka", "kafka_secured", "kafka_prefix"}


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with processes of their own come first and stay together; the others fill the other workers."""

    def with_processes(item: pytest.Item) -> bool:
        return item.get_closest_marker("slow") is not None or not _PROCESSES.isdisjoint(
            getattr(item, "fixturenames", ())
        )

    items.sort(key=lambda item: not with_processes(item))
    for item in filter(with_processes, items):
        item.add_marker(pytest.mark.xdist_group("processes"))
