"""Several workers under one process: shared partitions, restarts, signals, and none left behind."""

import asyncio
import signal
import subprocess
import sys
import time

import psutil
import pytest

from pipeline.cli.supervisor import Supervisor


def start(shell, *arguments):
    words = [sys.executable, "-m", "pipeline.cli.main", "worker", "-c", str(shell.config), *arguments]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    shell.started.append(process)
    return process


def workers(process, count):
    deadline = time.monotonic() + 30
    while len(children := psutil.Process(process.pid).children()) != count and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(children) == count
    return children


def said(process, word, times=1):
    lines = []
    while sum(word in line for line in lines) < times:
        line = process.stderr.readline()
        assert line, lines
        lines.append(line)
    return lines


def test_workers_share_the_partitions_and_end_when_all_is_done(shell):
    process = start(shell, "--processes", "2", "--until-idle", "--name", "w")
    assert "opened" in process.communicate(timeout=60)[1]
    assert process.returncode == 0


def test_a_worker_that_is_killed_is_started_again(shell):
    process = start(shell, "--processes", "2")
    said(process, "opened", 2)
    first, second = workers(process, 2)
    first.kill()
    said(process, "starting it again")
    assert second in workers(process, 2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert not second.is_running()


def test_workers_end_with_a_supervisor_that_is_killed(shell):
    process = start(shell, "--processes", "2")
    said(process, "opened", 2)
    left = workers(process, 2)
    process.kill()
    _, alive = psutil.wait_procs(left, timeout=30)
    assert not alive


def test_a_bad_configuration_is_said_once(shell):
    process = start(shell, "--processes", "2", "-c", "/nowhere/at-all.toml")
    assert process.communicate(timeout=30)[1].count("/nowhere/at-all.toml") == 1
    assert process.returncode == 2


@pytest.fixture
def script(tmp_path, monkeypatch):
    """In place of workers: a program that counts its starts and ends with the codes given to it."""
    program = tmp_path / "python"
    program.write_text(
        '#!/bin/sh\necho x >> "$STARTS"\ncode=$(sed -n "$(wc -l < "$STARTS")p" "$CODES")\nexit ${code:-0}\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setenv("STARTS", str(tmp_path / "starts"))
    monkeypatch.setenv("CODES", str(tmp_path / "codes"))
    return tmp_path


@pytest.mark.parametrize(
    ("codes", "starts", "code"), [([], 1, 0), ([75, 1, 3], 4, 0), ([2], 1, 2), ([1, 4], 2, 4), ([1, 75, 0], 3, 0)]
)
def test_which_codes_are_started_again(script, codes, starts, code):
    (script / "codes").write_text("".join(f"{each}\n" for each in codes))
    assert asyncio.run(Supervisor([["worker"]], first_pause_s=0.01).run()) == code
    assert (script / "starts").read_text().count("x") == starts
