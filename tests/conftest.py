"""Fixtures for all tests, and hypothesis profiles.

Few and repeatable examples by default, many and new ones with ``HYPOTHESIS_PROFILE=ci``.
"""

import gc
import os
import sys

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.broker.plugin", "tests.parallel"]

# The program starts some hundred times here, and would be compiled each time where nothing may be kept of it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_SHARED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("fast", max_examples=60, derandomize=True, **_SHARED)
settings.register_profile("ci", max_examples=1_000, print_blob=True, **_SHARED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_collection_finish() -> None:
    """What thousands of tests are made of stays until the end: garbage is not looked for in it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
