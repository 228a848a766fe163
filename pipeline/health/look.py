"""One look at where a group stands in the log: ends, positions, and how long the next record has been waiting."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from agents.events import TopicPartition
from pipeline.errors import OffsetOutOfRangeError
from pipeline.health.burrow import Observation
from pipeline.log.api import Committed, Log

_ATTEMPTS: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """A partition as a group had left it at one moment.

    Args:
        source: The partition.
        time_ms: The moment, Unix ms.
        start: First offset kept.
        end: Offset after the last record.
        committed: The group's position; ``None`` before its first commit.
        position: Next offset to process; from ``start`` to ``end``, at or after the committed one.
        next_ms: When the record at ``position`` was appended, Unix ms; ``None`` when there is none.
    """

    source: TopicPartition
    time_ms: int
    start: int
    end: int
    committed: Committed | None
    position: int
    next_ms: int | None

    @property
    def lag_records(self) -> int:
        """Records that are not yet covered by a commit; those that retention removed don't count."""
        return self.end - min(max(self.committed.offset if self.committed else 0, self.start), self.end)

    @property
    def lag_processed(self) -> int:
        """Records that are not yet processed."""
        return self.end - self.position

    @property
    def lag_ms(self) -> int:
        """True lag: how long the next unprocessed record has been waiting, 0 when there is none."""
        return 0 if self.next_ms is None else max(self.time_ms - self.next_ms, 0)

    @property
    def committed_ms(self) -> int | None:
        """When the position was written, Unix ms; ``None`` before the first commit, and where that is not told."""
        return None if self.committed is None else self.committed.committed_ms or None

    @property
    def observation(self) -> Observation:
        """For Burrow's rules. An offset that holds no record (compaction, a transaction's marker) is not waited for."""
        committed = self.committed
        nothing_there = self.next_ms is None and self.lag_processed == self.lag_records
        return Observation(
            time_ms=self.time_ms,
            committed=None if committed is None else committed.offset,
            committed_ms=self.committed_ms,
            lag=0 if nothing_there else self.lag_records,
        )


async def look(
    log: Log, group: str, topics: Collection[str], now_ms: int, processed: Mapping[TopicPartition, int] | None = None
) -> list[Look]:
    """Look at every partition of ``topics``.

    Args:
        log: The log.
        group: The consumer group.
        topics: What it consumes.
        now_ms: The moment, Unix ms.
        processed: Next offset to process where the caller knows it, which is ahead of what is committed.

    Raises:
        UnknownTopicError: If a topic doesn't exist.
        OffsetOutOfRangeError: If retention removes records faster than one can look.

    Cost: a call for the positions, one for each topic, and one that fetches a record of each partition that lags.
    """
    known = processed or {}
    for _ in range(_ATTEMPTS - 1):
        # Retention may remove the next record between two calls: look again, the partition starts later now.
        with suppress(OffsetOutOfRangeError):
            return await _look(log, group, topics, now_ms, known)
    return await _look(log, group, topics, now_ms, known)


async def _look(
    log: Log, group: str, topics: Collection[str], now_ms: int, processed: Mapping[TopicPartition, int]
) -> list[Look]:
    # Positions before ends: then no position lies beyond the end because of what happened in between.
    committed = await log.committed(group)
    found = {
        TopicPartition(topic, partition): info
        for topic in topics
        for partition, info in sorted((await log.partitions(topic)).items())
    }
    positions = {}
    for source, info in found.items():
        known = committed.get(source)
        reached = max(known.offset if known else 0, processed.get(source, 0), info.start)
        positions[source] = min(reached, info.end)
    waiting = {source: position for source, position in positions.items() if position < found[source].end}
    chunks = await log.fetch(waiting, max_bytes=1) if waiting else []
    next_ms = {TopicPartition(c.topic, c.partition): int(c.timestamps_ms[0]) for c in chunks if len(c)}
    return [
        Look(
            source=source,
            time_ms=now_ms,
            start=info.start,
            end=info.end,
            committed=committed.get(source),
            position=positions[source],
            next_ms=next_ms.get(source),
        )
        for source, info in found.items()
    ]
