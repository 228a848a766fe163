"""The comparison of latencies works, however little it compares."""

import json

import pytest

from tests.bench.peers.latency import main
from tests.broker.plugin import needing_kafka

WORDS = ["--engines", "streamgauge", "--rates", "2000", "--seconds", "4", "--warm", "6"]


@pytest.mark.slow
def test_alerts_are_seen_after_their_payment_was_due(tmp_path, capsys):
    """The table and the JSON line have them."""
    with needing_kafka():
        assert main([*WORDS, "--out", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)["rates"][0]["engines"]["streamgauge"]
    assert found["alerts"] > 0
    assert found["append_to_subscriber_ms"]["p50"] > 0
    assert "| streamgauge |" in (tmp_path / "latency.md").read_text()
