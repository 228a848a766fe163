"""The harness as its users run it, on each log."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.__main__ import UNAVAILABLE

ROOT = Path(__file__).parents[2]
_LOCAL_S, _KAFKA_S = 60, 180 if os.environ.get("CI") else 90
_WRONG = (
    *("lost", "repeated", "unexpected", "wrong_totals", "wrong_state", "wrong_alerts"),
    *("stuck_partitions", "hung_workers"),
)


def crash(*options):
    """What a run without anything wrong says."""
    command = [sys.executable, "-m", "tests.crash", *map(str, options)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=880, check=False)
    if done.returncode == UNAVAILABLE:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no Kafka: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert {name: found[name] for name in _WRONG} == dict.fromkeys(_WRONG, 0)
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_minute_of_kills_loses_and_repeats_nothing():
    """Workers killed, paused and stopped under load: all totals, state and alerts equal brute force, each once."""
    found = crash("--log", "local", "--seconds", _LOCAL_S, "--seed", 7, "--rate", 6_000)
    assert found["kills"] >= 30
    assert found["at_work"] >= 10
    assert min(found[name] for name in ("terms", "zombies", "short_stops", "joins")) >= 1
    assert found["records"] >= 6_000 * _LOCAL_S
    assert found["alerts"] >= 100
    assert found["closed_windows"] >= 10_000
    assert {table for table, n in found["overtaken"].items() if n} <= {"merchant_10s"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_on_kafka_not_even_a_killed_broker_loses_or_repeats_anything(started_version):
    """Workers and the broker killed, the source with aborted transactions: totals and alerts equal brute force."""
    found = crash("--log", "kafka", "--kafka-version", started_version, "--seconds", _KAFKA_S, "--seed", 7)
    faults = ("kills", "terms", "zombies", "short_stops", "stopped_kills", "broker_kills", "joins")
    assert min(found[name] for name in (*faults, "restarts_same_identity", "aborted_records")) >= 1
    assert found["at_work"] >= 3
    assert found["records_per_s"] >= 20_000
    assert found["records"] >= 15_000 * _KAFKA_S
    assert found["alerts"] >= 3 * _KAFKA_S
