"""What follows is fetched while what came is processed, so that neither the log nor the processor waits for the other.

::

    log        ── 1 ──▶ ── 2 ──▶         ── 3 ──▶         ── 4 ──▶
    processor           ███ round 1 ███  ███ round 2 ███  ███ round 3 ███
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import NamedTuple

from agents.events import Chunk, TopicPartition
from pipeline.worker.units.chunks import detached

Positions = Mapping[TopicPartition, int]
Fetch = Callable[[Positions], Coroutine[None, None, list[Chunk]]]

_TURNS = 3  # of the loop, until a request is on its way


class Waiting(NamedTuple):
    """A chunk that nobody has taken yet.

    Args:
        position: What it follows.
        chunk: The chunk.
        is_rest: Whether it is what was put back, so that it does not tell how much the log has.
    """

    position: int
    chunk: Chunk
    is_rest: bool = False


class ReadAhead:
    """One fetch under way, and at most one chunk of each partition that nobody wanted yet.

    Whatever waits here is in the log too, so it may be thrown away at any time.

    Args:
        fetch: Fetches from positions, without waiting for records to come.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._asked: Positions = {}
        self._under_way: asyncio.Task[list[Chunk]] | None = None
        self._is_closed = False
        self._waiting: dict[TopicPartition, Waiting] = {}

    async def ask(self, positions: Positions) -> None:
        """Let the fetch from ``positions`` begin; of a partition whose chunk waits, nothing more is asked for."""
        self._asked = {source: at for source, at in positions.items() if source not in self._waiting}
        if self._asked and not self._is_closed:
            self._under_way = asyncio.create_task(self._fetch(self._asked))
            for _ in range(_TURNS):
                await asyncio.sleep(0)

    async def arrived(self) -> None:
        """Wait for the fetch under way, if any.

        Raises:
            LogError: If it failed.
        """
        task = self._under_way
        if task is None:
            return
        await asyncio.wait([task])  # who waits may be cancelled, the fetch may not: the next round has it
        self._under_way = None
        for chunk in [] if task.cancelled() else task.result():
            source = TopicPartition(chunk.topic, chunk.partition)
            self._waiting[source] = Waiting(self._asked[source], chunk)

    def put_back(self, position: int, chunk: Chunk) -> None:
        """Keep what follows ``position`` until it is wanted, instead of what else waits of the partition."""
        self._waiting[TopicPartition(chunk.topic, chunk.partition)] = Waiting(position, chunk, is_rest=True)

    def take(self, wanted: Positions, owned: Collection[TopicPartition]) -> list[Waiting]:
        """Chunks from the positions that are wanted; those from others, and of partitions not owned, are dropped."""
        held = self._waiting
        self._waiting = {
            source: each._replace(chunk=detached(each.chunk))
            for source, each in held.items()
            if source in owned and source not in wanted
        }
        return [held[source] for source, at in wanted.items() if source in held and held[source].position == at]

    async def close(self) -> None:
        """End the fetch under way; none begins any more."""
        self._is_closed = True
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.wait([self._under_way])
