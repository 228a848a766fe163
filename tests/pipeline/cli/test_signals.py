"""Commands that go on until a signal, and how they end."""

import signal

import orjson
import pytest

from tests.pipeline.cli.conftest import payload


def test_a_subscriber_may_come_first(shell):
    """Following alerts before anything ran waits for them; SIGTERM ends it with code 0."""
    missing = shell.run("alerts")
    assert (missing.exit_code, "no event log" in missing.stderr) == (3, True)
    follower = shell.start("alerts", "--follow")
    shell.ok("produce", "orders", data=payload(0, "ann", 5_000))
    assert shell.start("worker", "--until-idle").wait(60) == 0
    assert orjson.loads(follower.stdout.readline())["key"] == "ann"
    follower.send_signal(signal.SIGTERM)
    assert follower.communicate(timeout=20) == (b"", b"")
    assert follower.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_a_worker(shell, number):
    """A signalled worker commits what it processed, gives up its partitions and ends with 0; the next goes on there."""
    worker = shell.start("worker")
    shell.ok("produce", "orders", data=b"\n".join(payload(at, "ann", 1) for at in range(500)))
    follower = shell.start("alerts", "--follow", "--since", "start")
    assert orjson.loads(follower.stdout.readline())["rule"] == "third-order"
    worker.send_signal(number)
    _, said = worker.communicate(timeout=30)
    assert worker.returncode == 0, said
    assert b"committing what was processed" in said
    rows = shell.ok("lag", "--no-rates")
    assert sum(row["lag_records"] for row in rows) == 0
    assert {row["lease"] for row in rows} <= {"free", "none"}
    assert [row["n"] for row in shell.ok("tables", "show", "recent")] == [500]


def test_web_serves_until_a_signal(shell):
    """The web view says its address and ends with 0 on SIGTERM."""
    web = shell.start("web", "--port", "0")
    assert web.stdout.readline().startswith(b"web view: http://127.0.0.1:")
    web.send_signal(signal.SIGTERM)
    _, said = web.communicate(timeout=30)
    assert web.returncode == 0, said
