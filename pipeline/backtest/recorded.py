"""Recorded events in a log: topics from one append time to another, all partitions together in the order of appending.

Of equal times, and where a time goes back within a partition, offsets stay in order.
"""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from agents.events import Chunk, Int64, TopicPartition
from pipeline.backtest.lines import STEP, Feed
from pipeline.log import Log
from pipeline.worker.units import chunks

_READ_BYTES: Final = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """What to read of each partition: first offset, inclusive, and last, exclusive."""

    starts: dict[TopicPartition, int]
    ends: dict[TopicPartition, int]

    @property
    def records(self) -> int:
        """How many there are at most."""
        return sum(max(0, self.ends[source] - start) for source, start in self.starts.items())


async def find_range(log: Log, topics: Sequence[str], since_ms: int | None, until_ms: int | None) -> Range:
    """Where a range of append times stands.

    Args:
        log: The log.
        topics: Its topics.
        since_ms: First append time, inclusive; ``None`` for the first record kept.
        until_ms: Last append time, exclusive; ``None`` for the end as of now.

    Raises:
        UnknownTopicError: If there is no such topic.
    """
    found = Range(starts={}, ends={})
    for topic in topics:
        for number, info in (await log.partitions(topic)).items():
            source = TopicPartition(topic, number)
            found.starts[source] = info.start if since_ms is None else await log.offset_at(source, since_ms)
            found.ends[source] = info.end if until_ms is None else await log.offset_at(source, until_ms)
    return found


async def read_range(log: Log, wanted: Range) -> AsyncIterator[list[Feed]]:
    """The records of a range, in steps; their order is counted from 1.

    Cost: memory of a chunk for each partition.
    """
    positions = {source: start for source, start in wanted.starts.items() if start < wanted.ends[source]}
    waiting: dict[TopicPartition, Chunk] = {}
    count = 0
    while True:
        hungry = {at: offset for at, offset in positions.items() if at not in waiting}
        for chunk in await log.fetch(hungry, max_bytes=_READ_BYTES, wait_ms=1_000) if hungry else ():
            source = TopicPartition(chunk.topic, chunk.partition)
            positions[source] = chunk.next_offset
            kept = chunks.head(chunk, int(np.searchsorted(chunk.offsets, wanted.ends[source])))
            if len(kept):
                waiting[source] = kept
            if chunk.next_offset >= wanted.ends[source]:
                del positions[source]
        for source, asked in hungry.items():
            if source not in waiting and positions.get(source) == asked:
                del positions[source]  # what is left up to the end was compacted away
        if not waiting and not positions:
            return
        for feeds in _ready(waiting, positions):
            ordered, count = _numbered(feeds, count)
            yield ordered


def _ready(waiting: dict[TopicPartition, Chunk], positions: Mapping[TopicPartition, int]) -> list[list[Chunk]]:
    """All records that nothing unread can come before, cut into steps; they are taken out of ``waiting``."""
    if any(source not in waiting for source in positions):
        return []
    last = [int(_clock(chunk)[-1]) for source, chunk in waiting.items() if source in positions]
    bound = min(last, default=math.inf)
    taken = []
    for source, chunk in list(waiting.items()):
        count = int(np.searchsorted(_clock(chunk), bound, side="right"))
        if count:
            taken.append(chunks.head(chunk, count))
        if count == len(chunk):
            del waiting[source]
        else:
            waiting[source] = chunks.tail(chunk, count)
    return _steps(taken)


def _steps(taken: list[Chunk]) -> list[list[Chunk]]:
    """Cut chunks into steps of about ``STEP`` records, by time."""
    if not taken:
        return []
    times = np.sort(np.concatenate([_clock(chunk) for chunk in taken]))
    steps = []
    for bound in [*np.unique(times[STEP - 1 :: STEP]).tolist(), math.inf]:
        step = []
        for at, chunk in enumerate(taken):
            count = int(np.searchsorted(_clock(chunk), bound, side="right"))
            if count:
                step.append(chunks.head(chunk, count))
                taken[at] = chunks.tail(chunk, count)
        if step:
            steps.append(step)
    return steps


def _numbered(taken: list[Chunk], count: int) -> tuple[list[Feed], int]:
    """Chunks with the place of each record among all."""
    time_ms = np.concatenate([_clock(chunk) for chunk in taken])
    place = np.empty(len(time_ms), np.int64)
    place[np.argsort(time_ms, kind="stable")] = np.arange(count + 1, count + 1 + len(time_ms))
    ends = np.cumsum([len(chunk) for chunk in taken])
    orders = np.split(place, ends[:-1])
    return [Feed(chunk, order) for chunk, order in zip(taken, orders, strict=True)], count + len(time_ms)


def _clock(chunk: Chunk) -> Int64:
    return np.maximum.accumulate(chunk.timestamps_ms)
