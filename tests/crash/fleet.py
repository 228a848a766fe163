"""Processes of the harness: started, signalled by process id, and all ended when it ends, whatever ends it."""

import asyncio
import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
_LAST_LINES = 15
_LOOK_S = 0.02


class Child:
    """One process; its messages go to a file.

    Args:
        name: For people.
        process: The process.
        messages: Where its standard error goes.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes], messages: Path) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._messages = messages

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; ``None`` while it runs."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        self._process.send_signal(number)

    async def ended(self, within_s: float) -> int | None:
        """The exit code, or ``None`` if it still runs after ``within_s``."""
        deadline = time.monotonic() + within_s
        while True:
            if self.code is not None or time.monotonic() >= deadline:
                return self.code
            await asyncio.sleep(_LOOK_S)

    async def kill(self) -> None:
        """SIGKILL, also for a stopped process, and wait until it is gone."""
        self._process.kill()
        await self.ended(10)

    def last_words(self) -> str:
        """The last lines that it wrote."""
        lines = self._messages.read_text(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-_LAST_LINES:])


class Fleet:
    """Starts processes; on exit of the block none of them is left.

    Args:
        folder: Where their messages go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._started:
            process.kill()
        for process in self._started:
            process.wait()

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a process; should the harness itself be killed, the kernel ends it too, where that can be asked for."""
        messages = self._folder / f"{len(self._started):03d}-{name}.txt"
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with messages.open("wb") as file:
            process = subprocess.Popen(
                [*guard, *command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=file
            )
        self._started.append(process)
        return Child(name, process, messages)

    def python(self, name: str, module: str, *arguments: str) -> Child:
        """Start a module with this interpreter."""
        return self.start(name, [sys.executable, "-m", module, *arguments])

    def worker(self, name: str, config: str, *options: str) -> Child:
        """Start a worker as users do."""
        command = str(Path(sys.executable).with_name("streamgauge"))
        return self.start(name, [command, "worker", "-c", config, "--name", name, *options])


@contextlib.contextmanager
def cancelled_by(*numbers: signal.Signals) -> Iterator[None]:
    """Let signals cancel the running task, so that every ``finally`` runs."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in numbers:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
