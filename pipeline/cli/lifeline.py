"""A process that ends with the one that started it."""

import contextlib
import os
import signal
import sys
import threading
import time

from pipeline.cli.program import INTERRUPTED


def end_with_stdin(*, patience_s: float = 10.0) -> None:
    """End this process in order when standard input closes: whoever started it and held the other end is gone.

    The kernel closes a pipe also for a parent that was killed, so nobody is left behind; works on every system. The
    process gets a SIGTERM, drains and commits; if that takes longer than ``patience_s`` it ends on the spot.
    """

    def watch() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(sys.stdin.fileno(), 4_096):
                pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(patience_s)
        os._exit(INTERRUPTED)

    threading.Thread(target=watch, name="end with stdin", daemon=True).start()
