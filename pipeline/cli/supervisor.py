"""Several workers under one process that starts those again that fail.

::

    exit code of a worker          what follows
    0                              it is done: it was asked to stop, or everything was processed
    2, 4                           all are stopped: started again it would end the same way
    others, and killed by a signal started again, after a pause that doubles up to 30 s while it keeps failing
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.errors import ConfigError
from pipeline.worker.run import STOPPED

_logger = logging.getLogger(__name__)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_LASTING_S = 60.0  # a worker that ran so long did not fail at the start: its next pause is the first one again
_FINAL = (ConfigError.exit_code, STOPPED)


@dataclass(slots=True)
class Supervisor:
    """Keeps processes running.

    Args:
        commands: Arguments of ``streamgauge`` for each.
        first_pause_s: Before a process that failed is started again the first time.
    """

    commands: Sequence[Sequence[str]]
    first_pause_s: float = _FIRST_PAUSE_S
    _running: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _code: int = 0

    async def run(self) -> int:
        """Until all have ended for good; the worst of their codes. Signals are passed on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        try:
            async with asyncio.TaskGroup() as group:
                for at, command in enumerate(self.commands):
                    group.create_task(self._keep(at, command))
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
        return self._code

    async def _keep(self, at: int, command: Sequence[str]) -> None:
        loop, pause_s = asyncio.get_running_loop(), self.first_pause_s
        while not self._stopping.is_set():
            began = loop.time()
            code = await self._once(at, command)
            if code == 0 or self._stopping.is_set():
                self._code = max(self._code, code)
                return
            if code in _FINAL:
                _logger.error("worker %d ended with code %d: stopping all", at, code)
                self._code = code
                self._stop()
                return
            if loop.time() - began >= _LASTING_S:
                pause_s = self.first_pause_s
            _logger.warning("worker %d ended with code %d; starting it again in %.1f s", at, code, pause_s)
            try:
                await asyncio.wait_for(self._stopping.wait(), pause_s)
            except TimeoutError:
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _once(self, at: int, command: Sequence[str]) -> int:
        """Run a process to its end. It ends with this one: its standard input is a pipe that nobody else holds."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "pipeline.cli.main",
            "--end-with-stdin",
            *command,
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches it through this process, once
        )
        self._running[at] = process
        try:
            return await process.wait()
        finally:
            del self._running[at]

    def _stop(self) -> None:
        """The first time processes drain, the second time they end on the spot."""
        self._stopping.set()
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
