"""What every event log can do, whatever it is made of. The contract suite runs over each implementation."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from agents.events import Chunk, Outgoing, TopicPartition

DEFAULT_RETENTION_MS = 7 * 24 * 3_600_000


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicSpec:
    """A topic and its settings.

    Args:
        name: Letters, digits, ``.``, ``_`` and ``-``, at most 249, as in Kafka.
        partitions: At least 1; more can be added, which gives keys new places.
        cleanup: ``delete`` drops old records by age and size; ``compact`` keeps the newest record of each key.
        retention_ms: Age beyond which records may be dropped (``delete`` only); ``None`` keeps them.
        retention_bytes: Size of a partition beyond which its oldest records may be dropped; ``None`` keeps them.
    """

    name: str
    partitions: int
    cleanup: Literal["delete", "compact"] = "delete"
    retention_ms: int | None = DEFAULT_RETENTION_MS
    retention_bytes: int | None = None


class Difference(NamedTuple):
    """A setting of a topic that is not as wanted.

    Args:
        topic: The topic.
        setting: ``partitions``, or a setting by its name in Kafka.
        found: Its value; ``None`` where it has none: ``partitions`` of a topic that is missing.
        wanted: What it is to be.
        advice: What to do where mending can't help.
    """

    topic: str
    setting: str
    found: str | None
    wanted: str
    advice: str | None = None


class Copies(NamedTuple):
    """How many replicas a topic has, and how many must have a record before it counts."""

    replicas: int
    min_isr: int


class PartitionInfo(NamedTuple):
    """Bounds of a partition: the first offset kept, the offset after the last committed one, bytes held if known."""

    start: int
    end: int
    size_bytes: int


class Committed(NamedTuple):
    """The position of a group: next offset to read, and when it was written, Unix ms; 0 where that is not told."""

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


OnOwned = Callable[[list[Fence]], Awaitable[None]]
"""Told what a member owns now."""
BeforeRebalance = Callable[[], Awaitable[None]]
"""Told that partitions are about to move: the moment to commit, so that the next owner has little to do again."""


class Membership(Protocol):
    """A worker's membership in its group."""

    @property
    def member(self) -> str:
        """The worker's name; see ``pipeline.local.members.member_name``."""

    @property
    def ttl_ms(self) -> int:
        """How long others wait for a sign of life."""

    @property
    def topics(self) -> Sequence[str]:
        """What the member shares in."""

    def subscribe(self, topics: Mapping[str, int]) -> None:
        """Take part in the sharing of ``topics``, given with their numbers of partitions."""

    def wake_up(self) -> None:
        """Look at once whether this worker still owns what it did, and tell ``on_owned``."""

    async def stay(self, on_owned: OnOwned, before_rebalance: BeforeRebalance) -> None:
        """Stay a member for as long as this runs, and tell ``on_owned`` what is owned whenever that may have changed.

        Raises:
            LogError: If the group can't be joined, and never will.
        """

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Move the group's positions of plain partitions."""

    def note(self, positions: Mapping[TopicPartition, int]) -> None:
        """Note where the owned partitions stand, for whoever monitors the group.

        A log whose commits move the group's positions needs it not; on Kafka they would stay behind where nothing is
        committed: after a restore, and past the markers of transactions.
        """

    async def leave(self) -> None:
        """Give everything up at once."""


class Log(Protocol):
    """A partitioned, durable event log. One instance serves one process; all methods are safe to call concurrently."""

    async def create_topic(self, spec: TopicSpec) -> None:
        """Create a topic; nothing happens if it exists with the same partitions and cleanup.

        Raises:
            TopicMismatchError: If it exists with other partitions or cleanup.
        """

    async def topics(self) -> dict[str, TopicSpec]:
        """Every topic by name."""

    async def copies(self) -> dict[str, Copies]:
        """Copies of each topic, where the log keeps copies."""

    async def differences(self, specs: Collection[TopicSpec]) -> list[Difference]:
        """What of these topics is not as wanted."""

    async def mend(self, spec: TopicSpec, differences: Collection[Difference]) -> None:
        """Make a topic, or change what the differences name.

        Raises:
            TopicMismatchError: If that can't be changed; nothing is, then.
        """

    async def delete_topic(self, name: str) -> None:
        """Delete a topic with everything in it; when this returns, a new one can be made. Nothing if there is none."""

    async def partitions(self, topic: str, *, pending: bool = False) -> dict[int, PartitionInfo]:
        """Bounds of each partition of ``topic``.

        Args:
            topic: Its name.
            pending: Whether the end counts what is written but not visible yet. A commit may return before readers
                see all of it; with ``pending`` its records stand before the end in any case.

        Raises:
            UnknownTopicError: If there is no such topic.
        """

    async def append(self, outgoing: Sequence[Outgoing]) -> None:
        """Append, outside any group. Partition by murmur2 of the key when none is given.

        On the local log all or nothing; on Kafka so for each partition alone.
        """

    async def fetch(
        self, positions: Mapping[TopicPartition, int], *, max_bytes: int = 1 << 20, wait_ms: int = 0
    ) -> list[Chunk]:
        """At most one chunk for each partition that has records at or after its position.

        Waits up to ``wait_ms`` for the first record; returns within 50 ms of its append. ``max_bytes`` bounds a chunk,
        but a chunk holds at least one record. Only on Kafka it may hold none: then the log went on with what nobody is
        to see, such as aborted transactions, up to its ``next_offset``.

        Raises:
            OffsetOutOfRangeError: If a position lies before the start or after the end of its partition.
        """

    async def offset_at(self, source: TopicPartition, time_ms: int) -> int:
        """The offset of the first record appended at or after ``time_ms``; the end offset if there is none."""

    async def claim(self, fence: Fence) -> None:
        """Make sure that no commit of an earlier owner can land any more. To be called before reading its state."""

    async def disclaim(self, fence: Fence) -> None:
        """Release what ``claim`` took; the partition stays fenced."""

    async def commit(self, fence: Fence, offset: int, outgoing: Sequence[Outgoing]) -> None:
        """Append ``outgoing`` and move the group's position to ``offset``: all or nothing.

        On Kafka the position that counts is the one in the slabs; the group's follows within a second, for monitoring.

        Raises:
            FencedError: If ``fence`` is no longer the partition's newest owner; nothing is written.
        """

    async def committed(self, group: str) -> dict[TopicPartition, Committed]:
        """Positions of a group."""

    async def commit_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Move positions without a fence, for plain consumers and tools; on Kafka only while the group has no member.

        Raises:
            LogError: If the group has members, on Kafka.
        """

    async def groups(self) -> list[str]:
        """Names of all groups that have positions or members."""

    async def leases(self, group: str) -> list[Lease]:
        """Who owns what now."""

    async def members(self, group: str) -> list[str]:
        """Names of a group's living members, also of those that own nothing."""

    async def delete_group(self, group: str) -> None:
        """Forget a group's positions; nothing happens if there is no such group.

        Raises:
            LogError: If it has living members.
        """

    def join(self, group: str, member: str, *, ttl_ms: int) -> Membership:
        """A membership that begins when its ``stay`` runs."""

    async def tidy(self) -> None:
        """Apply retention and give space back; called now and then by whoever runs long."""

    async def close(self) -> None:
        """Release files and connections."""
