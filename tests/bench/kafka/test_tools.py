"""The measuring tools work, however small what they measure."""

import asyncio
import json

import pytest

from tests.bench.kafka.__main__ import TOOLS, run
from tests.bench.kafka.options import TINY


@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_measures_something(tool, kafka, kafka_prefix, capsys):
    """Each prints one JSON line with figures that can be."""
    asyncio.run(run([tool], TINY, servers=kafka.bootstrap, as_json=True, prefix=kafka_prefix))
    found = json.loads(capsys.readouterr().out)
    assert found.pop("tool") == tool
    CHECKS[tool](found)


def _latency(found):
    assert found["alerts"] > 0
    assert 0 < found["append_to_detected_ms"]["p50"] <= found["append_to_subscriber_ms"]["max"]
    assert found["worker_cpu_share"] > 0


def _gaps(found):
    assert len(found["events"]) == 3
    for event in found["events"]:
        assert event["moved"]["partitions"] + event["stayed"]["partitions"] == 8
        assert event["moved"]["worst_ms"] >= event["moved"]["median_ms"] > 0


def _memory(found):
    assert all(table["full_bytes"] > table["opened_bytes"] > 10_000_000 for table in found["tables"].values())
    assert found["backlog"]["peak_bytes"] <= found["backlog"]["bound_bytes"]


def _restore(found):
    for restored in found["runs"]:
        assert restored["mb_per_s"] > 0
        assert restored["start_to_open_s"] * 1000 > restored["restore_s"]
        assert restored["peak_rss_bytes"] >= restored["rss_bytes"]


CHECKS = {"latency": _latency, "gaps": _gaps, "memory": _memory, "restore": _restore}
