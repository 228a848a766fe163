"""One broker process: started, signalled and watched by the process id that starting it gave."""

import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.broker.errors import BrokerError
from tests.broker.java import java_command, spawn

_FORMAT_S = 60.0
_PAUSE_S = 30.0
_LOOK_S = 0.01
_TAIL_LINES = 40


class Node:
    """A broker that is also a controller, with data and log in a folder of its own.

    Args:
        number: The node's id, from 1.
        folder: Exists and holds ``server.properties``.
        jars: Of Kafka.
        detached: Whether it outlives this process.
        quick: To be ready, or else at work.
    """

    def __init__(self, *, number: int, folder: Path, jars: Path, detached: bool, quick: bool) -> None:
        self.number = number
        self.folder = folder
        self.log = folder / "broker.log"
        self._jars = jars
        self._detached = detached
        self._quick = quick
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def properties(self) -> Path:
        """The configuration."""
        return self.folder / "server.properties"

    @property
    def pid(self) -> int:
        """Of the process that runs, or of the last one."""
        return self._started().pid

    @property
    def is_running(self) -> bool:
        """Whether there is a process, be it paused."""
        return self._process is not None and self._process.poll() is None

    def format(self, cluster_id: str, users: list[str]) -> None:
        """Make the data folder; ``users`` are SCRAM credentials in the words of Kafka's tool."""
        added = [word for user in users for word in ("--add-scram", user)]
        tool = ("kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self.properties), *added)
        formatting = spawn(java_command(self._jars, *tool), log=self.log, detached=False)
        try:
            code = formatting.wait(_FORMAT_S)
        except subprocess.TimeoutExpired:
            formatting.kill()
            code = formatting.wait()
        if code:
            raise self.error(f"could not be formatted (exit code {code})")

    def format_like(self, other: "Node") -> None:
        """Make the data folder from that of a node which has not run yet: the id is all that differs."""
        shutil.copytree(other.folder / "data", self.folder / "data")
        meta = self.folder / "data" / "meta.properties"
        lines = [line for line in meta.read_text().splitlines() if not line.startswith(("node.id=", "directory.id="))]
        # Without an id of its folder a node draws one when it starts.
        meta.write_text("\n".join([*lines, f"node.id={self.number}", ""]))

    def start(self) -> None:
        """Start the process; it is not ready yet when this returns."""
        if self.is_running:
            raise self.error("runs already")
        command = java_command(self._jars, "kafka.Kafka", str(self.properties), quick=self._quick)
        self._process = spawn(command, log=self.log, detached=self._detached)

    def release(self) -> None:
        """Leave it to itself: nobody here waits for it or signals it any more."""
        self._started().returncode = 0

    def kill(self) -> None:
        """End it at once, by SIGKILL, if it runs."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def terminate(self, deadline_s: float) -> None:
        """Let it hand over and end, by SIGTERM."""
        self._started().terminate()
        try:
            self._started().wait(deadline_s)
        except subprocess.TimeoutExpired as late:
            raise self.error(f"did not end within {deadline_s:.0f} s of SIGTERM") from late

    def pause(self) -> None:
        """Hold it still, by SIGSTOP, and wait until it is: connections stay, nobody answers."""
        self._started().send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + _PAUSE_S
        while not _is_still(self.pid):
            if not self.is_running or time.monotonic() > deadline:
                raise self.error(f"did not stand still within {_PAUSE_S:.0f} s of SIGSTOP")
            time.sleep(_LOOK_S)

    def resume(self) -> None:
        """Let it go on, by SIGCONT."""
        self._started().send_signal(signal.SIGCONT)

    def error(self, what: str) -> BrokerError:
        """An error about this node, with the tail of its log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        tail = "\n".join(lines[-_TAIL_LINES:])
        return BrokerError(f"Kafka node {self.number} {what}; the end of {self.log}:\n{tail}")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise self.error("was never started")
        return self._process


def _is_still(pid: int) -> bool:
    """Whether every thread is stopped: the signal reaches one after the other, and those not yet reached answer."""
    states = set()
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):  # it ended meanwhile
            states.add(thread.read_text().rpartition(")")[2].split()[0])
    return states == {"T"}
