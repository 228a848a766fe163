"""What the follower asks of each kind of topic."""

from collections.abc import Sequence
from typing import Protocol

from agents.events import Chunk
from pipeline.store.database import Writer


class Feed(Protocol):
    """Topics that are kept together, and are forgotten together when one of them was made anew."""

    topics: Sequence[str]
    """Their names; they need not exist."""
    first: int | None
    """How many of the newest records of a partition a new store begins with; ``None`` for all."""

    def clear(self, writer: Writer) -> None:
        """Forget what was read of them."""

    def take(self, writer: Writer, chunks: Sequence[Chunk]) -> int:
        """Keep what is new, and let go of what is too old.

        Args:
            writer: Of a transaction, in which the positions of the topics move too.
            chunks: In offset order within a partition.

        Returns:
            How many records could not be read: anybody can write to a topic, and one must not hide the others.
        """
