"""Exit codes of a worker process."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.local.writers import WriterQueue

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from pipeline.worker import run_worker
from tests.pipeline.worker.tally import config
sys.exit(run_worker(config(log=sys.argv[1]), until_idle="--until-idle" in sys.argv, modules=sys.argv[3:]))
"""


def start(log, *options):
    command = [sys.executable, "-c", PROGRAM, log, *options]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def run(log, *options):
    """Exit code and messages of a worker that ends by itself."""
    with start(log, *options) as worker:
        _, messages = worker.communicate(timeout=60)
    return worker.returncode, messages


def test_an_idle_worker_ends_with_0_and_says_little(tmp_path):
    """One line for what was opened, one for what was given up; nothing of the frame's own."""
    code, messages = run(f"local://{tmp_path / 'events.db'}", "--until-idle")
    assert code == 0
    assert [line.split()[3] for line in messages.splitlines()] == ["opened", "giving"]


def test_a_log_that_can_not_be_opened_is_3(tmp_path):
    """One clear line instead of a traceback."""
    (tmp_path / "events.db").write_text("this is no database" * 100)
    code, messages = run(f"local://{tmp_path / 'events.db'}", "--until-idle")
    assert code == 3
    assert len(messages.splitlines()) == 1
    assert "events.db" in messages


def test_a_log_that_fails_on_the_way_is_3(tmp_path):
    """A worker that can't be a member any more ends with the log's exit code, and its last line says why."""
    path = tmp_path / "events.db"
    with start(f"local://{path}") as worker:
        wait_until_opened(worker)
        path.write_bytes(b"x" * 100_000)
        _, messages = worker.communicate(timeout=60)
    assert worker.returncode == 3
    assert str(path) in messages.splitlines()[-1]


def wait_until_opened(worker):
    for line in worker.stderr:
        if " opened " in line:
            return
    raise AssertionError("the worker ended before it opened anything")


def test_a_module_that_can_not_be_used_is_2(tmp_path):
    """The user's mistake has the code of a wrong configuration."""
    code, messages = run(f"local://{tmp_path / 'events.db'}", "--until-idle", "no_such_module")
    assert code == 2
    assert len(messages.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(tmp_path, number):
    """While the drain waits for another writer, a second signal ends the process on the spot."""
    path = tmp_path / "events.db"
    with start(f"local://{path}") as worker:
        wait_until_opened(worker)
        other = WriterQueue(path)
        with other.writing():  # nobody can leave the group meanwhile
            worker.send_signal(number)
            for line in worker.stderr:
                if "stopping" in line:
                    break
            started = time.monotonic()
            worker.send_signal(number)
            assert worker.wait(10) == 130
            assert time.monotonic() - started < 1
        other.close()
