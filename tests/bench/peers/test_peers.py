"""The comparison works, however little it compares."""

import json

import pytest

from tests.bench.peers.__main__ import main
from tests.broker.plugin import needing_kafka

WORDS = ["--engines", "streamgauge,bytewax", "--runs", "1", "--records", "40000"]


@pytest.mark.slow
def test_two_engines_side_by_side(tmp_path, capsys):
    """Both are right, or one is named that can't be installed; table, plot and JSON line say so."""
    with needing_kafka():
        assert main([*WORDS, "--out", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [*found["engines"], *found["unavailable"]] == ["streamgauge", "bytewax"]
    for measured in found["engines"].values():
        (run,) = measured["runs"]
        assert run["exact"] > 50
        assert run["missing"] == run["extra"] == 0
        assert measured["per_s"] > 0
    page = (tmp_path / "j2.md").read_text()
    assert f'`make bench ARGS="{" ".join(WORDS)}"`' in page
    assert "| Bytewax " in page
    assert (tmp_path / "j2.png").read_bytes().startswith(b"\x89PNG")
