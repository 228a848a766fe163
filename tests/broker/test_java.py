"""Processes die with the one that started them, but not with its threads."""

import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from tests.broker import java
from tests.broker.errors import KafkaUnavailableError

ROOT = Path(__file__).parents[2]
PARENT = """
import sys
from pathlib import Path
from tests.broker.java import spawn
process = spawn(["sleep", "600"], log=Path(sys.argv[1]), detached=False)
print(process.pid, flush=True)
sys.stdin.read()
"""


def test_a_killed_parent_takes_its_brokers_along(tmp_path):
    """After SIGKILL of the parent, which can then clean up nothing, the child ends too."""
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
        assert psutil.wait_procs([child], timeout=30)[1] == []


def test_a_thread_that_ends_leaves_its_brokers_running(tmp_path):
    """A broker that a short-lived thread started stays."""
    started = []
    thread = threading.Thread(
        target=lambda: started.append(java.spawn(["sleep", "600"], log=tmp_path / "log", detached=False))
    )
    thread.start()
    thread.join()
    with started[0] as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
        process.kill()


def test_missing_java_is_named(monkeypatch, tmp_path):
    """Without Java the message says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KafkaUnavailableError, match="'java' was not found; install a JRE"):
        java.java_command(tmp_path, "kafka.Kafka")
