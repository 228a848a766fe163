"""Follow a plain topic from a chosen point, without a group and without waiting."""

from collections.abc import Awaitable, Callable, Mapping

from agents.events import Chunk, TopicPartition
from pipeline.errors import OffsetOutOfRangeError, UnknownTopicError
from pipeline.log.api import Log, PartitionInfo

Start = Callable[[TopicPartition, PartitionInfo], Awaitable[int]]
MAX_ROUNDS = 16
MAX_BYTES = 1 << 20


class TopicTail:
    """Read what is new on a topic each time it is asked.

    Works on topics that do not exist yet (reads nothing) and on topics whose old records retention removes (goes on
    with the first record kept).

    Args:
        log: Where the topic stands.
        topic: Its name.
        start: Where to begin in a partition, given its bounds.
        positions: Where to go on in partitions that were read before.

    Cost: one look-up and at most ``MAX_ROUNDS`` fetches of 1 MiB a partition for each ``read``; what is left comes
    with the next one.
    """

    def __init__(
        self, *, log: Log, topic: str, start: Start, positions: Mapping[TopicPartition, int] | None = None
    ) -> None:
        self._log = log
        self._topic = topic
        self._start = start
        self._positions = dict(positions or {})
        self.caught_up = False
        self.anew = False
        """Whether the last ``read`` found a partition that ends before what was read of it: it was made anew."""

    async def read(self) -> list[Chunk]:
        """Chunks appended since the last call, in offset order within a partition."""
        try:
            bounds = await self._log.partitions(self._topic)
        except UnknownTopicError:
            self.caught_up, self.anew = True, any(self._positions.values())
            self._positions.clear()
            return []
        self.anew = any(
            source.partition not in bounds or at > bounds[source.partition].end
            for source, at in self._positions.items()
        )
        for partition, info in bounds.items():
            source = TopicPartition(self._topic, partition)
            if source not in self._positions:
                self._positions[source] = await self._start(source, info)
            elif not info.start <= self._positions[source] <= info.end:
                self._positions[source] = info.start  # retention overtook us, or the log was made anew
        ends = {TopicPartition(self._topic, partition): info.end for partition, info in bounds.items()}
        return await self._fetch(ends)

    async def _fetch(self, ends: dict[TopicPartition, int]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for _ in range(MAX_ROUNDS):
            behind = {source: at for source, at in self._positions.items() if at < ends.get(source, 0)}
            self.caught_up = not behind
            if not behind:
                break
            try:
                fetched = await self._log.fetch(behind, max_bytes=MAX_BYTES)
            except OffsetOutOfRangeError:
                break  # retention ran between the look-up and the fetch: the next read sets it right
            if not fetched:
                break
            for chunk in fetched:
                self._positions[TopicPartition(chunk.topic, chunk.partition)] = chunk.next_offset
            chunks.extend(fetched)
        return chunks


def last_records(count: int) -> Start:
    """Begin so that about ``count`` of the newest records of each partition are read."""

    async def start(_: TopicPartition, info: PartitionInfo) -> int:
        return max(info.start, info.end - count)

    return start


def since(log: Log, time_ms: Callable[[], int]) -> Start:
    """Begin with the first record appended at or after ``time_ms()``."""

    async def start(source: TopicPartition, _: PartitionInfo) -> int:
        return await log.offset_at(source, time_ms())

    return start
