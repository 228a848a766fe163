"""What a unit works with: what it needs of a shard, and no more, and where it writes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agents.events import Chunk, Output, TopicPartition
from pipeline.log.api import Log


class Shard(Protocol):
    """All the state of one source partition: synchronous and pure."""

    @property
    def position(self) -> int:
        """Offset of the next record to apply."""

    @property
    def emitted(self) -> int:
        """Offset up to which (exclusive) what comes of the records is out already; see ``shard_state.Progress``."""

    @property
    def watermark_ms(self) -> int:
        """Newest event time seen, Unix ms."""

    @property
    def history(self) -> int:
        """How many records before the position to remember after a restore."""

    @property
    def notices(self) -> Sequence[str]:
        """What people should know about the restore."""

    def process(self, chunk: Chunk) -> Output:
        """Apply a chunk; afterwards ``position`` is its ``next_offset``."""

    def advance(self, time_ms: int) -> Output:
        """Let event time pass without records."""

    def dirty(self) -> dict[bytes, bytes | None]:
        """Slabs that changed since the last call, and the one that holds the position."""

    def progress(self) -> dict[bytes, bytes | None] | None:
        """The slab that says that all up to the position is out; ``None`` if the state has to be stored."""

    def restore(self, slabs: Mapping[bytes, bytes]) -> None:
        """Take over stored state; without slabs the position is 0."""

    def remember(self, chunk: Chunk) -> None:
        """Take records from before the position, for evidence only."""


BuildShard = Callable[[TopicPartition], Shard]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sinks:
    """Where units write, and the clock that they stamp with.

    Args:
        log: The event log.
        app: Name of the application.
        alerts_topic: Where alerts go.
        state_topic: Topic of a source topic's slabs.
        now_ms: Wall clock, Unix ms.
    """

    log: Log
    app: str
    alerts_topic: str
    state_topic: Callable[[str], str]
    now_ms: Callable[[], int]
