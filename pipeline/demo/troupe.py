"""All processes of the demonstration: started, watched, and none left behind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pipeline.demo.child import Child
from pipeline.demo.settings import PRODUCERS, DemoSettings
from pipeline.errors import StreamgaugeError

T = TypeVar("T")


class Interrupted(Exception):  # noqa: N818 - it is no error
    """A signal asked for the end."""


class Troupe:
    """The processes.

    Args:
        settings: Which.
        environment: Of each.
        folder: Where they may leave what they say.
        stop: Set by a signal.
    """

    def __init__(
        self, settings: DemoSettings, environment: Mapping[str, str], folder: Path, stop: asyncio.Event
    ) -> None:
        self.children: dict[str, Child] = {}
        self._arguments = settings.arguments()
        self._environment = environment
        self._folder = folder
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.create_task(stop.wait())
        self._watching: set[asyncio.Task[None]] = set()

    async def start(self, name: str, on_line: Callable[[bytes], None]) -> None:
        """Start one of them."""

        def guarded(line: bytes) -> None:
            """Lines are read to the end even when nobody can be told any more: a full pipe would block the process."""
            if not self._failure.done():
                try:
                    on_line(line)
                except Exception as error:  # noqa: BLE001 - raised where the end of all is waited for
                    self._failure.set_exception(error)

        child = await Child.start(name, self._arguments[name], self._environment, self._folder, guarded)
        self.children[name] = child
        self._watching.add(asyncio.create_task(self._watch(child)))

    async def _watch(self, child: Child) -> None:
        code = await child.end()
        as_expected = child.stopping or (code == 0 and child.name in PRODUCERS)
        if not as_expected and not self._failure.done():
            self._failure.set_exception(StreamgaugeError(child.last_words()))

    async def unless_disturbed(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, unless a process ends that should not, or a signal comes, before.

        Raises:
            StreamgaugeError: If a process crashed; says how, and its last words.
            Interrupted: If a signal came.
        """
        task = asyncio.ensure_future(work)
        watched: set[asyncio.Future[Any]] = {task, self._failure, self._stop}
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        failed = not task.cancelled() and task.exception() is not None
        if self._failure.done() and not failed:
            self._failure.result()
        if task.cancelled():
            raise Interrupted
        return task.result()

    def forget_signal(self) -> None:
        """Go on in spite of the signal that came; the next one ends this process."""
        self._stop.cancel()
        self._stop = asyncio.create_task(asyncio.Event().wait())

    def measure(self) -> None:
        """Note what each process uses."""
        for child in self.children.values():
            if child.code is None:
                child.measure()

    async def end(self, *names: str) -> None:
        """Stop some of them, together."""
        await asyncio.gather(*(self.children[name].stop() for name in names if name in self.children))

    async def end_all(self) -> None:
        """Stop those that still run: producers first, then who works on what they sent."""
        for stage in (PRODUCERS, ("worker",), ("subscriber", "web")):
            await self.end(*stage)
        for task in (self._stop, *self._watching):
            task.cancel()
        if not self._failure.cancel() and not self._failure.cancelled():
            self._failure.exception()  # what fails while all is ending is of no interest


@contextlib.asynccontextmanager
async def troupe(
    settings: DemoSettings, environment: Mapping[str, str], folder: Path, stop: asyncio.Event
) -> AsyncIterator[Troupe]:
    """Processes that have ended when the block has."""
    made = Troupe(settings, environment, folder, stop)
    try:
        yield made
    finally:
        try:
            await made.end_all()
        finally:
            for child in made.children.values():
                child.kill()
