"""Which core does what: the engine has one for itself, the broker and the measurement share another."""

import contextlib
import os
from collections.abc import Collection
from pathlib import Path


def two_cores() -> tuple[int, int]:
    """The broker's core and the engine's; the same one on a machine that has no other."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


def pin(pid: int, cores: Collection[int]) -> None:
    """Keep a process on cores: all the threads that it has, and so those that they will start."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), cores)
