"""The comparison of latencies works, however little it compares."""

import json

import pytest

from tests.bench.peers.latency import Latencies, Load, main, write_page
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


def test_the_page_tells_what_shares_are_of(tmp_path):
    """Rates that were given, and rates that were found as a share of what the machine holds."""
    loads = [Load(rate=20_000, seconds=4, warm=6), Load(rate=61_000, seconds=4, warm=6, share=0.5)]
    seen = Latencies(ms=[5.0, 7.0], producer_late_ms=[0.1])
    text = write_page({load: {"streamgauge": seen} for load in loads}, 1, tmp_path).read_text()
    assert "## 20,000 payments a second\n" in text
    assert "## 61,000 payments a second, 50% of capacity\n" in text
    assert "Shares are of 122,000 payments a second" in text
