"""Writers of a log queue up, one at a time, whatever process they are in.

SQLite lets one writer in and tells the others "database is locked"; the luckiest retry wins, and some starve. Here a
writer first takes the *turn*, then the *pen*, then gives the turn back: whoever lays the pen down must get the turn
again, which the next in line already has. Both are ``flock``s on files beside the log: a process that dies frees them.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import LogBusyError

_SHORTEST_S, _LONGEST_S = 0.0002, 0.005


class WriterQueue:
    """The queue of one log, for one thread.

    Args:
        path: The log's file; ``-turn`` and ``-pen`` are added to its name.
        patience_s: How long to wait for other writers.

    Cost: four system calls, about 4 µs, when nobody else writes.
    """

    def __init__(self, path: Path, *, patience_s: float = 30.0) -> None:
        self._path = path
        self._patience_s = patience_s
        self._turn = _open(path, "-turn")
        self._pen = _open(path, "-pen")

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer.

        Raises:
            LogBusyError: If others wrote for longer than the patience.
        """
        deadline = time.monotonic() + self._patience_s
        self._take(self._turn, deadline)
        try:
            self._take(self._pen, deadline)
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)
        try:
            os.pwrite(self._pen, b"%-10d\n" % os.getpid(), 0)  # so that a message can name a stuck writer
            yield
        finally:
            fcntl.flock(self._pen, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release the files."""
        os.close(self._turn)
        os.close(self._pen)

    def _take(self, lock: int, deadline: float) -> None:
        wait_s = _SHORTEST_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    holder = os.pread(self._pen, 10, 0).decode(errors="replace").strip() or "unknown"
                    raise LogBusyError(
                        f"{self._path}: other writers held the log for {self._patience_s:g} s, process {holder} last; "
                        "resume or end it, then try again"
                    ) from None
                time.sleep(wait_s)
                wait_s = min(wait_s * 1.1, _LONGEST_S)
            else:
                return


def _open(path: Path, suffix: str) -> int:
    return os.open(path.with_name(path.name + suffix), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
