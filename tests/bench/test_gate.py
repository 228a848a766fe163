"""The gate measures what it says, and decides as it says."""

import json

import pytest

from tests.bench import gate


def test_the_job_reads_its_records(tmp_path, monkeypatch):
    monkeypatch.setattr(gate, "_RECORDS", 2_000)
    monkeypatch.setattr(gate, "_CHUNK", 500)
    seen = []
    monkeypatch.setattr(gate, "build_shard", lambda *args: seen.append(build(*args)) or seen[-1])
    assert gate.measured(gate.Job(tmp_path), 1) > 0
    assert [shard.position for shard in seen] == [2_000, 2_000]
    assert all(shard.counts["records"] == 2_000 for shard in seen)


build = gate.build_shard


@pytest.mark.parametrize(
    ("ratios", "best", "tries"), [([1.1], 1.1, 1), ([1.3, 1.0, 1.2], 1.0, 2), ([1.3, 1.2, 1.4], 1.2, 3)]
)
def test_a_slow_measurement_is_repeated(ratios, best, tries):
    left = iter(ratios)
    assert gate.best(1.0, left) == best
    assert len(ratios) - len(list(left)) == tries


def test_there_is_a_ratio_on_record():
    assert json.loads(gate.BASELINE.read_text())["ratio"] > 0
