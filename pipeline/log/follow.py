"""Reading all partitions of a topic, from some place on, as they grow."""

from collections.abc import AsyncIterator, Mapping
from typing import Literal

from agents.events import Chunk, TopicPartition
from pipeline.log.api import Log

Start = Literal["start", "end"] | int | Mapping[TopicPartition, int]
_WAIT_MS = 1_000


async def follow(
    log: Log, topic: str, *, start: Start = "end", until_end: bool = False, max_bytes: int = 1 << 20
) -> AsyncIterator[Chunk]:
    """Chunks of all partitions of ``topic``, in offset order within each.

    Args:
        log: Where to read.
        topic: What to read.
        start: The first record kept, the end as of now, a time (Unix ms: records appended at or after it), or a
            position for each partition (those not named begin at their first record).
        until_end: Stop at the end as of the call; the last chunk of a partition may hold a few newer records.
        max_bytes: Bound of a chunk.

    Raises:
        UnknownTopicError: If there is no such topic.
        OffsetOutOfRangeError: If retention overtakes the reader: records that it never saw are gone.
    """
    bounds = await log.partitions(topic)
    ends = {TopicPartition(topic, partition): info.end for partition, info in bounds.items()}
    positions: dict[TopicPartition, int] = {}
    for source, end in ends.items():
        if isinstance(start, int):
            positions[source] = await log.offset_at(source, start)
        elif start == "end":
            positions[source] = end
        elif isinstance(start, Mapping):
            positions[source] = start.get(source, bounds[source.partition].start)
        else:
            positions[source] = bounds[source.partition].start
    while wanted := {
        source: position for source, position in positions.items() if not until_end or position < ends[source]
    }:
        for chunk in await log.fetch(wanted, max_bytes=max_bytes, wait_ms=0 if until_end else _WAIT_MS):
            if len(chunk):
                yield chunk
            positions[TopicPartition(chunk.topic, chunk.partition)] = chunk.next_offset
