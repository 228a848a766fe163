"""A process that was started with a lifeline ends when the one who holds it is gone."""

import subprocess
import sys


def start(shell, *arguments):
    words = [sys.executable, "-m", "pipeline.cli.main", "--end-with-stdin", *arguments, "-c", str(shell.config)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    shell.started.append(process)
    return process


def test_a_load_ends_when_its_lifeline_is_cut(example_shell):
    """A load without end stops in order, with its summary, when its standard input closes."""
    process = start(example_shell, "load", "payments", "--rate", "500")
    assert b"progress" in process.stdout.readline()
    process.stdin.close()
    assert b"summary" in process.stdout.readlines()[-1]
    assert process.wait(20) == 0


def test_a_worker_drains_when_its_lifeline_is_cut(shell):
    """A worker gives its partitions up and ends with 0 when its standard input closes."""
    process = start(shell, "worker")
    assert b"opened" in process.stderr.readline()
    process.stdin.close()
    assert b"giving up" in process.stderr.read()
    assert process.wait(20) == 0
