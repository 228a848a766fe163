"""The quick measurement works, however little it measures."""

import pytest

from tests.bench.quick import measure
from tests.broker.plugin import needing_kafka


@pytest.mark.slow
def test_it_measures_something():
    """All three rates are there, and the alerts of the reference job are right."""
    with needing_kafka():
        found = measure(40_000)
    assert found["j2_wrong_alerts"] == 0
    assert all(found[rate] > 0 for rate in ("j1_per_s", "j2_per_s", "j2_warm_per_s", "payments_per_s"))
