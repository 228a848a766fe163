"""From the log back to a live shard: state, position, and the records before it that serve as evidence."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from agents.events import TopicPartition
from pipeline.errors import OffsetOutOfRangeError, StreamgaugeError
from pipeline.log.api import Log, PartitionInfo
from pipeline.worker.units import chunks
from pipeline.worker.units.contract import BuildShard, Shard
from tables.slices import payload_bytes

_READ_BYTES = 8 << 20


class Restored(NamedTuple):
    """A shard at its position, and what it took to get there.

    Args:
        shard: Ready for the record at its position.
        slabs: How many were read.
        size_bytes: Of all of them.
        took_ms: For reading and restoring.
        lost: First and last offset, both inclusive, that retention removed before they were processed.
        forgot: The error because of which evidence from before the position is missing.
    """

    shard: Shard
    slabs: int
    size_bytes: int
    took_ms: int
    lost: tuple[int, int] | None
    forgot: Exception | None


OnProgress = Callable[[int, int, int], None]
"""Told while slabs are read: offsets done, offsets in all, bytes so far."""


async def restore(
    log: Log,
    build: BuildShard,
    source: TopicPartition,
    state_topic: str,
    on_progress: OnProgress = lambda *_: None,
    on_evidence: Callable[[], None] = lambda: None,
) -> Restored:
    """Build the shard of ``source`` from its slabs.

    Assumes that the caller owns the partition already: whoever restores before fencing may miss the last commit of the
    owner before.

    Raises:
        OffsetOutOfRangeError: If the stored position lies beyond the end of the source: it was made anew or cut.
        StateError: If stored state can't be read by this version.
    """
    started = time.monotonic()
    slabs = await read_slabs(log, TopicPartition(state_topic, source.partition), on_progress)
    shard = build(source)
    await asyncio.to_thread(shard.restore, slabs)  # signs of life go on meanwhile
    bounds = await _bounds(log, source)
    if shard.position > bounds.end:
        raise OffsetOutOfRangeError(
            f"The state of {source} stands at offset {shard.position}, but the partition ends at {bounds.end}: the "
            f"topic was deleted or cut. Restore the topic, or delete {state_topic} too, to start anew."
        )
    lost, forgot = None, None
    if shard.position < bounds.start:
        lost = (shard.position, bounds.start - 1) if slabs else None
        _skip(shard, source, bounds.start)
    else:
        try:
            await _remember(log, shard, source, bounds.start, on_evidence)
        except StreamgaugeError:
            raise
        except Exception as error:  # noqa: BLE001 - evidence is worth less than the partition
            forgot = error
            position, shard = shard.position, build(source)
            shard.restore(slabs)
            _skip(shard, source, position)
    size_bytes = sum(map(len, slabs.values()))
    return Restored(shard, len(slabs), size_bytes, int((time.monotonic() - started) * 1000), lost, forgot)


async def read_slabs(log: Log, state: TopicPartition, on_progress: OnProgress = lambda *_: None) -> dict[bytes, bytes]:
    """The newest value of each key of a compacted partition."""
    slabs: dict[bytes, bytes] = {}
    start, end, _ = await _bounds(log, state)
    position, size_bytes = start, 0
    while position < end:
        for chunk in await log.fetch({state: position}, max_bytes=_READ_BYTES, wait_ms=1000):
            for key, value in zip(chunk.keys, chunk.values, strict=True):
                if key is not None and value is not None:
                    slabs[key] = value
                elif key is not None:
                    slabs.pop(key, None)
            position = chunk.next_offset
            size_bytes += payload_bytes(chunk.values)
            on_progress(position - start, end - start, size_bytes)
    return slabs


async def _remember(
    log: Log, shard: Shard, source: TopicPartition, start: int, on_evidence: Callable[[], None]
) -> None:
    position = max(start, shard.position - shard.history)
    while position < shard.position:
        for chunk in await log.fetch({source: position}, wait_ms=1000):  # small, as decoding it holds up the loop
            before = chunks.head(chunk, int(np.searchsorted(chunk.offsets, shard.position)))
            if len(before):
                shard.remember(before)
            position = chunk.next_offset
            on_evidence()


async def _bounds(log: Log, source: TopicPartition) -> PartitionInfo:
    return (await log.partitions(source.topic))[source.partition]


def _skip(shard: Shard, source: TopicPartition, offset: int) -> None:
    if shard.position != offset:
        shard.process(chunks.nothing(source.topic, source.partition, offset))
