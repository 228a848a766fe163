"""A process of the real program, watched: its lines, its end, what it said before it."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

_MODULE: Final = "pipeline.cli.main"
_LINE_BYTES: Final = 1 << 24
_STOP_S: Final = 12.0
_TAIL_LINES: Final = 12


class Child:
    """A started process.

    It ends with the one that started it, however that ends: it watches its standard input, which nobody else holds.
    A Ctrl-C on the terminal does not reach it, so that processes end in an order.

    Args:
        name: For people.
        process: The process.
        errors: File with what it wrote to standard error.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, errors: Path) -> None:
        self.name = name
        self.cpu_s = 0.0
        self.memory_bytes = 0
        self.stopping = False
        self._process = process
        self._errors = errors
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        on_line: Callable[[bytes], None],
    ) -> "Child":
        """Start ``streamgauge ARGUMENTS``; each line of its output is passed on."""
        errors = folder / f"{name}.log"
        with errors.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                _MODULE,
                "--end-with-stdin",
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                env=dict(environment),
                limit=_LINE_BYTES,
                start_new_session=True,
            )
        child = cls(name, process, errors)
        child._reading = asyncio.create_task(child._read(on_line))
        return child

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Exit code; negative for a signal, ``None`` while it runs."""
        return self._process.returncode

    async def end(self) -> int:
        """Wait for the end, and until all it wrote was passed on; the exit code."""
        code = await self._process.wait()
        if self._reading is not None:
            await self._reading
        return code

    async def stop(self) -> None:
        """Ask it to end, and end it if it doesn't."""
        self.stopping = True
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.end(), _STOP_S)
        except TimeoutError:
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """End it on the spot."""
        self.stopping = True
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def measure(self) -> None:
        """Note its use of the machine, while it runs."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            times = process.cpu_times()
            self.cpu_s = times.user + times.system
            self.memory_bytes = max(self.memory_bytes, process.memory_info().rss)

    def last_words(self) -> str:
        """How it ended, and the end of what it wrote to standard error."""
        code = self.code
        if code is not None and code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        else:
            how = f"ended with exit code {code}"
        lines = self._errors.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        said = "".join(f"\n    {line}" for line in lines) or " and said nothing"
        return f"the {self.name} process {how}{':' if lines else ''}{said}"

    async def _read(self, on_line: Callable[[bytes], None]) -> None:
        stdout = self._process.stdout
        if stdout is not None:
            async for line in stdout:
                on_line(line)
