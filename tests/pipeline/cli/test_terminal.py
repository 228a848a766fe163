"""On a terminal people get tables and bars without asking, and no JSON."""

import os
import pty
import signal
import subprocess
import sys


def on_terminal(shell, *arguments, stop_at=None):
    """What a command shows on a terminal of its own, and its exit code; Ctrl-C is pressed once ``stop_at`` is seen."""
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "pipeline.cli.main", *arguments, "-c", str(shell.config)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "40"}
    process = subprocess.Popen(
        words, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True, close_fds=True
    )
    os.close(slave)
    shell.started.append(process)
    seen = b""
    while True:
        try:
            part = os.read(master, 65_536)
        except OSError:  # Linux: the other side was closed
            part = b""
        if not part:
            break
        seen += part
        if stop_at is not None and stop_at in seen:
            process.send_signal(signal.SIGINT)
            stop_at = None
    os.close(master)
    return process.wait(30), seen.decode()


def test_a_load_shows_a_bar_and_a_summary(example_shell):
    """The bar counts while records are sent, and the summary comes as words when Ctrl-C ends it early."""
    code, seen = on_terminal(
        example_shell, "load", "payments", "--rate", "500", "--duration", "1h", stop_at=b"records \xc2\xb7"
    )
    assert code == 130
    assert "sent late by" in seen
    assert "stopped before the end" in seen
    assert '{"' not in seen


def test_lists_are_tables(example_shell):
    """A listing has its header and no JSON."""
    example_shell.ok("produce", "payments", data=b"x\n")
    code, seen = on_terminal(example_shell, "topics")
    assert code == 0
    assert "partitions" in seen
    assert '{"' not in seen
