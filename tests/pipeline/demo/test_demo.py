"""The demonstration as a user runs it: what it tells, and that nothing stays behind, however it ends."""

import os
import signal
import subprocess
import sys

import orjson
import psutil
import pytest

pytestmark = pytest.mark.slow

NAMES = {"web", "worker", "subscriber", "payments", "samples"}


@pytest.fixture
def demo(tmp_path):
    """Starts the demo with its temporary folders under ``tmp_path``; nothing it started outlives the test."""
    started = []

    def start(*arguments):
        words = [sys.executable, "-m", "pipeline.cli.main", "demo", *arguments]
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def read_until(process, found):
    """Lines up to the first for which ``found`` holds."""
    for line in process.stdout:
        if found(line):
            return line
    raise AssertionError(process.stderr.read().decode())


def running(process):
    """All processes below the demo, once the producers send."""
    read_until(process, lambda line: b"fired for" in line or b'"type":"alert"' in line)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) == len(NAMES)
    return children


def assert_gone(children):
    """Every one of the processes has ended, or does so on its own within the time to drain."""
    _, alive = psutil.wait_procs(children, timeout=20)
    assert [child.cmdline() for child in alive] == []


def test_the_demo_runs_and_ends_by_itself(demo, tmp_path):
    """Within its time it runs all five processes, catches fraud of each kind, tells all facts, and leaves nothing."""
    process = demo("--seconds", "10", "--format", "json")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    told = [orjson.loads(line) for line in out.splitlines()]
    summary = told[-1]
    assert {each["type"] for each in told} == {"demo", "web view", "alert", "progress", "summary"}
    assert next(each["text"] for each in told if each["type"] == "web view").startswith("http://127.0.0.1:")
    assert {each["name"] for each in summary["processes"]} == NAMES
    assert {each["exit_code"] for each in summary["processes"]} == {0}
    assert all(each["cpu_s"] > 0 and each["memory_bytes"] > 0 for each in summary["processes"])
    assert not any(psutil.pid_exists(each["pid"]) for each in summary["processes"])
    assert summary["records"] == sum(summary["records_by_topic"].values()) > 30_000
    assert set(summary["records_by_topic"]) == {"payments", "samples"}
    assert summary["lag"] == {"records": 0, "worst_ms": 0}
    assert summary["alerts"] == sum(summary["alerts_by_rule"].values()) == sum(each["type"] == "alert" for each in told)
    assert 0 < summary["alert_latency_ms"]["p50"] <= summary["alert_latency_ms"]["p99"]
    assert summary["precision"] > 0.3  # ten seconds on a machine with other work: what it takes is in other tests
    assert summary["recall"] > 0.5
    assert len(summary["campaigns"]) >= 5
    assert {each["table"]: each["keys"] > 1_000 for each in summary["tables"]} == {
        "account_10m": True,
        "account_1d": True,
        "merchant_10m": True,
    }
    assert summary["log_bytes"] > 1_000_000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all(demo, tmp_path, number):
    """Ctrl-C and SIGTERM end every process, remove the log, say so in one line, and give code 130."""
    process = demo()
    children = running(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"")
    assert out.splitlines()[-1] == b"stopped  before the end"
    assert_gone(children)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_demo_leaves_nothing_running(demo):
    """After kill -9 of the demo itself its processes see that it is gone, drain and end."""
    process = demo()
    children = running(process)
    process.kill()
    process.wait()
    assert_gone(children)


def test_a_crash_of_a_process_is_told(demo):
    """When the worker dies, the demo says which process died and how, ends the others, and gives code 1."""
    process = demo()
    children = running(process)
    (worker,) = [child for child in children if "worker" in child.cmdline()]
    worker.kill()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"the worker process was ended by SIGKILL" in err
    assert b"INFO opened payments" in err
    assert_gone(children)


def test_a_reader_that_goes_away_ends_all(demo):
    """``streamgauge demo | head`` ends every process, quietly, with the code of a closed pipe."""
    process = demo()
    children = running(process)
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == b""
    assert_gone(children)


def test_serving_goes_on_until_it_is_stopped(demo, tmp_path):
    """With --serve it runs on, ends in order on Ctrl-C with the summary and code 0; kept, the log can be read."""
    folder = tmp_path / "kept"
    process = demo("--serve", "--keep", str(folder), "--rate", "500", "--format", "json")
    children = running(process)
    read_until(process, lambda line: b'"type":"progress"' in line)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    summary = orjson.loads(out.splitlines()[-1])
    assert summary["type"] == "summary"
    codes = {each["name"]: each["exit_code"] for each in summary["processes"]}
    assert codes.pop("samples") in (0, 130)  # the recordings may not have come to their end
    assert set(codes.values()) == {0}
    assert summary["lag"]["records"] == 0
    assert_gone(children)
    assert {path.name for path in folder.iterdir()} >= {"log.db", "worker.log"}
    again = demo("--keep", str(folder))
    assert again.wait(30) == 2
    assert b"holds the log of an earlier demo" in again.stderr.read()
