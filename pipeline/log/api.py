"""What every event log can do, whatever it is made of. The contract suite runs over each implementation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from agents.events import Chunk, Outgoing, TopicPartition

DEFAULT_RETENTION_MS = 7 * 24 * 3_600_000


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicSpec:
    """A topic and its settings.

    Args:
        name: Letters, digits, ``.``, ``_`` and ``-``, at most 249, as in Kafka.
        partitions: At least 1; can't be changed later.
        cleanup: ``delete`` drops old records by age and size; ``compact`` keeps the newest record of each key.
        retention_ms: Age beyond which records may be dropped (``delete`` only); ``None`` keeps them.
        retention_bytes: Size of a partition beyond which its oldest records may be dropped; ``None`` keeps them.
    """

    name: str
    partitions: int
    cleanup: Literal["delete", "compact"] = "delete"
    retention_ms: int | None = DEFAULT_RETENTION_MS
    retention_bytes: int | None = None


class PartitionInfo(NamedTuple):
    """Bounds of a partition: the first offset kept, the offset after the last, bytes held."""

    start: int
    end: int
    size_bytes: int


class Committed(NamedTuple):
    """The position of a group: next offset to read, and when it was written, Unix ms."""

    offset: int
    committed_ms: int


class Fence(NamedTuple):
    """Proof of owning a partition for a group; void as soon as another member takes it over with a higher epoch."""

    group: str
    source: TopicPartition
    member: str
    epoch: int


class Lease(NamedTuple):
    """Who owns a partition of a group, until when (Unix ms) unless renewed."""

    source: TopicPartition
    member: str
    epoch: int
    expires_ms: int


class Log(Protocol):
    """A partitioned, durable event log. One instance serves one process; all methods are safe to call concurrently."""

    async def create_topic(self, spec: TopicSpec) -> None:
        """Create a topic; nothing happens if it exists with the same partitions and cleanup.

        Raises:
            TopicMismatchError: If it exists with other partitions or cleanup.
        """

    async def topics(self) -> dict[str, TopicSpec]:
        """Every topic by name."""

    async def partitions(self, topic: str) -> dict[int, PartitionInfo]:
        """Bounds of each partition of ``topic``.

        Raises:
            UnknownTopicError: If there is no such topic.
        """

    async def append(self, outgoing: Sequence[Outgoing]) -> None:
        """Append atomically, outside any group. Partition by murmur2 of the key when none is given."""

    async def fetch(
        self, positions: Mapping[TopicPartition, int], *, max_bytes: int = 1 << 20, wait_ms: int = 0
    ) -> list[Chunk]:
        """At most one chunk for each partition that has records at or after its position.

        Waits up to ``wait_ms`` for the first record; returns within 50 ms of its append. ``max_bytes`` bounds a chunk,
        but a chunk holds at least one record.

        Raises:
            OffsetOutOfRangeError: If a position lies before the start or after the end of its partition.
        """

    async def offset_at(self, source: TopicPartition, time_ms: int) -> int:
        """The offset of the first record appended at or after ``time_ms``; the end offset if there is none."""

    async def commit(self, fence: Fence, offset: int, outgoing: Sequence[Outgoing]) -> None:
        """Append ``outgoing`` and move the group's position to ``offset``: all or nothing.

        Raises:
            FencedError: If ``fence`` is no longer the partition's newest owner; nothing is written.
        """

    async def committed(self, group: str) -> dict[TopicPartition, Committed]:
        """Positions of a group."""

    async def commit_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Move positions without a fence, for plain consumers and tools."""

    async def groups(self) -> list[str]:
        """Names of all groups that have positions or members."""

    async def leases(self, group: str) -> list[Lease]:
        """Who owns what now."""

    async def renew(self, group: str, member: str, topics: Sequence[str], *, ttl_ms: int) -> list[Fence]:
        """Heartbeat of a member: says it lives, takes its fair share of free partitions, gives up what is beyond it.

        Partitions of each topic are shared so that members differ by at most one. A partition is free when nobody
        holds it, its lease expired, or its holder gave it up; taking it raises its epoch. A member keeps what it has
        as long as that is within its share (sticky). What another live member must give up first is handed over by
        that member's own next call, never taken.

        Returns:
            The partitions that the member owns now.
        """

    async def leave(self, group: str, member: str) -> None:
        """Give everything up at once."""

    async def tidy(self) -> None:
        """Apply retention and give space back; called now and then by whoever runs long."""

    async def close(self) -> None:
        """Release files and connections."""
