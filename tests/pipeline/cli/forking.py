"""Processes of the command that are forked from one which has imported the program already.

Each has its own standard streams, environment, signals and end; what it is spared is the import of the program, which
costs more than most of what tests ask it to do. ::

    tests ──> server ──fork──> minder ──fork──> streamgauge …
      └── socket: words and streams; the process id; at the end, the status ──┘
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[3]
_STREAMS = 3
_LONGEST_BYTES = 1 << 20
_AT_ONCE_S = 1e-6


class Forked(subprocess.Popen):
    """``Popen`` of ``streamgauge`` with the words given; of its options, streams, ``cwd`` and ``env``."""

    def _execute_child(self, words, _executable, _preexec, _close, _pass, cwd, env, _info, _flags, _shell, *streams):
        ends = streams[:6]  # read and write end of each stream, -1 for one that is ours
        given = [own if fd == -1 else fd for own, fd in enumerate((ends[0], ends[3], ends[5]))]
        asked = {"words": words, "cwd": str(cwd or Path.cwd()), "env": dict(env or os.environ)}
        self._minder = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._minder.connect(_server())
        socket.send_fds(self._minder, [json.dumps(asked).encode()], given)
        self.pid = int(self._minder.recv(64))
        self._child_created = True
        self._close_pipe_fds(*ends)

    def _internal_poll(self, _deadstate=None):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._wait(_AT_ONCE_S)
        return self.returncode

    def _wait(self, timeout):
        if self.returncode is None:
            self._minder.settimeout(timeout)
            try:
                status = self._minder.recv(64)
            except TimeoutError as late:
                raise subprocess.TimeoutExpired(self.args, timeout) from late
            self._minder.close()
            self.returncode = os.waitstatus_to_exitcode(int(status))
        return self.returncode


@functools.cache
def _server():
    """Address of the server, which is started by the first call and ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="streamgauge-forking-")
    address = f"{folder.name}/server"
    command = [sys.executable, "-m", "tests.pipeline.cli.forking", address]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"ready\n"

    def end():
        server.stdin.close()
        server.wait()
        server.stdout.close()
        folder.cleanup()

    atexit.register(end)
    return address


def _become(address):
    """Serve until standard input ends; returns in each process that is to be the command, as that one."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        if sys.stdin in select.select([listener, sys.stdin], [], [])[0]:
            os._exit(0)
        asking, _ = listener.accept()
        if os.fork() == 0:
            break
        asking.close()
    listener.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, _, _ = socket.recv_fds(asking, _LONGEST_BYTES, _STREAMS)
    command = os.fork()
    if command:
        _mind(command, asking, streams)
    asking.close()
    asked = json.loads(message)
    for own, given in enumerate(streams):
        os.dup2(given, own)
        os.close(given)
    # Python's own go with the streams that the server had.
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    sys.argv = ["streamgauge", *asked["words"]]


def _mind(command, asking, streams):
    """Tell who asked of the process and its end."""
    for stream in streams:
        os.close(stream)
    asking.send(str(command).encode())
    _, status = os.waitpid(command, 0)
    with contextlib.suppress(OSError):  # nobody may be left
        asking.send(str(status).encode())
    os._exit(0)


if __name__ == "__main__":
    from pipeline.cli.main import main
    from pipeline.compiling import compile_ahead

    for heavy in ("pipeline.cli.alerting", "pipeline.cli.output", "pipeline.cli.runtime", "pipeline.worker"):
        importlib.import_module(heavy)
    compile_ahead()
    _become(sys.argv[1])
    main()
