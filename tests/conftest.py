"""Fixtures for all tests, and hypothesis profiles.

Few and repeatable examples by default, many and new ones with ``HYPOTHESIS_PROFILE=ci``.
"""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.broker.plugin", "tests.parallel"]

_SHARED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("fast", max_examples=60, derandomize=True, **_SHARED)
settings.register_profile("ci", max_examples=1_000, print_blob=True, **_SHARED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
