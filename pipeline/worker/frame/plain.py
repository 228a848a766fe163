"""Partitions that ordinary Faust agents read record by record: at least once, committed in order."""

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping

from faust.types import TP
from faust.types.tuples import ConsumerMessage

from agents.events import Chunk, TopicPartition

WINDOW = 64
"""Records of a partition given to agents and not acknowledged yet, at most. A full queue of a slow agent would block
the fetcher, and with it every other partition."""


class PlainFeed:
    """Hands records of plain partitions over in small windows, and knows up to where all are acknowledged.

    Args:
        acknowledged: Offsets of a partition that were acknowledged, as Faust's streams note them; taken out of the set
            once they are behind the committed position.
    """

    def __init__(self, acknowledged: Callable[[TP], set[int]]) -> None:
        self._acknowledged = acknowledged
        self._positions: dict[TP, int] = {}
        self._waiting: dict[TP, deque[ConsumerMessage]] = defaultdict(deque)
        self._given: dict[TP, deque[int]] = defaultdict(deque)

    def reset(self, positions: Mapping[TP, int]) -> None:
        """Start anew at ``positions``, forgetting what was handed over."""
        self._positions = dict(positions)
        self._waiting.clear()
        self._given.clear()

    def move(self, tp: TP, offset: int) -> None:
        """Go on at ``offset`` with one partition."""
        self._positions[tp] = offset
        self._waiting.pop(tp, None)
        self._given.pop(tp, None)

    def position(self, tp: TP) -> int | None:
        """Where the next fetch of a partition starts."""
        return self._positions.get(tp)

    def positions(self) -> dict[TopicPartition, int]:
        """Where to fetch: of partitions with nothing waiting."""
        return {TopicPartition(*tp): at for tp, at in self._positions.items() if not self._waiting[tp]}

    @property
    def is_backlogged(self) -> bool:
        """Whether records wait for agents to keep up."""
        return any(self._waiting.values())

    def add(self, chunk: Chunk, generation: int) -> None:
        """Queue the records of a chunk."""
        tp = TP(chunk.topic, chunk.partition)
        if tp in self._positions:
            self._positions[tp] = chunk.next_offset
            self._waiting[tp].extend(_message(tp, chunk, at, generation) for at in range(len(chunk)))

    def take(self, active: Collection[TP], acking: Collection[str]) -> list[ConsumerMessage]:
        """Records that agents have room for.

        Args:
            active: Partitions that Faust has not paused.
            acking: Topics whose records are acknowledged.
        """
        taken: list[ConsumerMessage] = []
        for tp, waiting in self._waiting.items():
            given = self._given[tp]
            room = WINDOW - (len(given) - len(self._acknowledged(tp)))
            while waiting and room > 0 and tp in active:
                message = waiting.popleft()
                if tp.topic in acking:
                    given.append(message.offset)
                taken.append(message)
                room -= 1
        return taken

    def committable(self, tp: TP) -> int | None:
        """The offset after the last record before which all are acknowledged, if that moved since the last call."""
        given, done, last = self._given[tp], self._acknowledged(tp), None
        while given and given[0] in done:
            last = given.popleft()
            done.discard(last)
        return None if last is None else last + 1

    def is_idle(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether every record before ``ends`` was handed over, acknowledged and committed."""
        return all(
            at >= ends.get(TopicPartition(*tp), 0) and not self._waiting[tp] and not self._given[tp]
            for tp, at in self._positions.items()
        )


def _message(tp: TP, chunk: Chunk, at: int, generation: int) -> ConsumerMessage:
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        int(chunk.offsets[at]),
        int(chunk.timestamps_ms[at]) / 1000,
        0,
        list(chunk.headers[at]) if chunk.headers is not None else [],
        chunk.keys[at],
        chunk.values[at],
        None,
        tp=tp,
        generation_id=generation,
    )
