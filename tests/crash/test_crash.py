"""The harness as its users run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SECONDS = 60


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_minute_of_kills_loses_and_repeats_nothing():
    """Workers killed, paused and stopped under load: all totals, state and alerts equal brute force, each once."""
    command = [sys.executable, "-m", "tests.crash", "--seconds", str(_SECONDS), "--seed", "7", "--rate", "6000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    wrong = ("lost", "repeated", "unexpected", "wrong_totals", "wrong_state", "wrong_alerts", "stuck", "hung")
    assert {name: found[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert found["kills"] >= 30
    assert found["at_work"] >= 10
    assert min(found[name] for name in ("terms", "zombies", "short_stops", "joins")) >= 1
    assert found["records"] >= 6_000 * _SECONDS
    assert found["alerts"] >= 100
    assert found["closed_windows"] >= 10_000
    assert {table for table, n in found["overtaken"].items() if n} <= {"merchant_10s"}
