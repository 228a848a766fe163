"""One reader of the store for all who listen: it keeps what is newest, and each listener goes on at its own pace."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from itertools import dropwhile
from typing import Final, NamedTuple

from pipeline.errors import StreamgaugeError
from pipeline.web.live.sources import Item, Source, Wanted

INTERVAL_S: Final = 1.0
HEARTBEAT_S: Final = 15.0
KEPT: Final = 1_000
PAGE: Final = 200
_logger = logging.getLogger(__name__)


class Ready(NamedTuple):
    """Where a listener begins.

    Args:
        place: Id to go on with.
        gap: Whether what came before can't be told: the id given is not known any more. The newest ones follow again.
    """

    place: str
    gap: bool


class Feed:
    """Follows a source while somebody listens.

    Args:
        source: What is read, once for all listeners.
        interval_s: Time between two looks at it.
        heartbeat_s: A listener hears something at least so often.

    Cost: one query an ``interval_s`` however many listen, and ``KEPT`` items in memory, about 3 kB each. Nothing is
    kept for a listener but its place: one that fell behind what is kept reads pages of the source until it caught up.
    """

    def __init__(self, source: Source, *, interval_s: float = INTERVAL_S, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._source = source
        self._interval_s = interval_s
        self._heartbeat_s = heartbeat_s
        self._items: deque[Item] = deque(maxlen=KEPT)
        self._complete_after = 0
        self._newest = (0, "")
        self._news = asyncio.Event()
        self._starting = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._ended = False
        self.listeners = 0

    def end(self) -> None:
        """Let every listener go; the server stops."""
        self._ended = True
        self._tell()

    async def follow(self, after: str | None, wanted: Wanted) -> AsyncGenerator[Ready | Item | None, None]:
        """What is new, for as long as it is asked for; first where it begins.

        Args:
            after: Id of the last item known; ``None`` begins now.
            wanted: Which items.

        Yields:
            A ``Ready``, then items; ``None`` as a sign of life when nothing came for ``heartbeat_s``.

        Raises:
            UsageError: If ``after`` is no id.
            LogError: If the store can't be read.
        """
        clock = asyncio.get_running_loop().time
        async with self._listening():
            number, ready = await self._begin(after)
            yield ready
            spoken = clock()
            while not self._ended:
                items = await self._items_after(number)
                for item in items:
                    number = item.number
                    if wanted.passes(item):
                        yield item
                        spoken = clock()
                if not items:
                    number = max(number, self._complete_after)  # what the source lacks won't come any more
                    await self._wait(spoken + self._heartbeat_s - clock())
                if clock() - spoken >= self._heartbeat_s:
                    yield None
                    spoken = clock()

    async def _begin(self, after: str | None) -> tuple[int, Ready]:
        number, place = self._newest
        if after is None:
            return number, Ready(place, gap=False)
        found = await self._source.find(after)
        if found is None:
            return max(0, number - KEPT), Ready(place, gap=True)
        return found, Ready(after, gap=False)

    async def _items_after(self, number: int) -> list[Item]:
        if number < self._complete_after:
            return await self._source.after(number, PAGE)
        return list(dropwhile(lambda item: item.number <= number, self._items)) if number < self._newest[0] else []

    async def _wait(self, longest_s: float) -> None:
        """Wait for news."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(longest_s, 0.0)):
                await self._news.wait()

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        self.listeners += 1
        try:
            async with self._starting:
                if self._reader is None:
                    self._items.clear()
                    self._newest = await self._source.newest()
                    self._complete_after = self._newest[0]
                    self._reader = asyncio.get_running_loop().create_task(self._read(), name="live feed")
            yield
        finally:
            self.listeners -= 1
            if not self.listeners and self._reader is not None:
                self._reader.cancel()
                self._reader = None

    async def _read(self) -> None:
        while True:
            found: list[Item] = []
            try:
                found = await self._source.after(self._newest[0], PAGE)
            except StreamgaugeError as error:  # listeners wait; the next look may go well
                _logger.warning("the live feed can't be read: %s", error)
            for item in found:
                self._keep(item)
            if found:
                self._tell()
            await asyncio.sleep(0 if len(found) == PAGE else self._interval_s)

    def _keep(self, item: Item) -> None:
        if len(self._items) == KEPT:
            self._complete_after = self._items[0].number
        self._items.append(item)
        self._newest = item.number, item.id

    def _tell(self) -> None:
        """Wake whoever waits; who comes later waits for the next news."""
        self._news.set()
        if not self._ended:
            self._news = asyncio.Event()
