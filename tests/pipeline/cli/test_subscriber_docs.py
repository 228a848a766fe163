"""The subscriber that the docs show, as a program of its own."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import orjson

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "alerts.md").read_text()
T0 = 1_700_000_000_000


def start(shell):
    (block,) = [
        found for found in re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE) if "main" in found
    ]
    script = shell.folder / "pager.py"
    script.write_text(block)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=shell.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    shell.started.append(process)
    return process


def raise_alert(shell, customer):
    order = {"id": customer, "customer": customer, "ts": T0, "cents": 5_000}
    shell.ok("produce", "orders", data=orjson.dumps(order))
    worker = shell.start("worker", "--until-idle")
    assert worker.wait(60) == 0


def test_the_subscriber_of_the_docs_goes_on_after_a_kill(shell):
    """It prints high alerts as they come; killed and started again, it prints what came meanwhile."""
    first = start(shell)
    deadline = time.monotonic() + 30
    while not any(row["topic"] == "alerts" for row in positions(shell)):
        assert time.monotonic() < deadline, "the subscriber did not begin"
    raise_alert(shell, "ann")
    assert 'big-spender fired for "ann"' in first.stdout.readline()
    first.kill()
    first.wait()
    raise_alert(shell, "bob")
    second = start(shell)
    lines = [second.stdout.readline()]
    if '"ann"' in lines[0]:  # killed before it noted that it was done with it
        lines.append(second.stdout.readline())
    assert 'big-spender fired for "bob"' in lines[-1]


def positions(shell):
    """What the subscriber's group has noted."""
    result = shell.run("lag", "--group", "shop-pager")
    return [orjson.loads(line) for line in result.stdout_bytes.splitlines()] if result.exit_code == 0 else []
