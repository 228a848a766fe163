"""How far ahead of others a partition may run while a backlog is worked off, across all workers.

Where partitions meet in an internal topic, rows of one that is far behind the others would be late. Flink calls the
remedy watermark alignment. What counts is the *visible* clock of a partition, that of its last commit: so far others
have its rows. Workers tell one another with each commit, and only while there is a backlog, through a topic::

    worker A   payments/0, /1 ──┐                                                ┌──▶ worker B: payments/2 is 60 s
                                └─▶ app-clocks: {"payments": {"0": ms, "1": …}} ─┘    ahead, and is not fetched

A partition whose state is being restored holds the others up, one whose clock stands still for seconds does not: its
worker may be gone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from heapq import nsmallest

import msgspec

from agents.events import Chunk, Outgoing, Records, TopicPartition
from pipeline.worker.units.unit import Unit
from tables.keys import NEVER

EVERY_S = 0.1
"""How often workers tell their clocks, if no commit gives reason to."""
MOST_AHEAD_MS = 50_000  # with the quarter of a stretch that may come on top it is still within ``plan.SKEW_MS``
_STANDS_STILL_S = 5.0
_News = dict[str, dict[int, int | None]]
Units = Mapping[TopicPartition, Unit]


class Clocks:
    """What is told and heard, and what follows from it.

    Args:
        topic: Where workers tell one another; one partition.
        aligned: Topics whose partitions are to drain evenly, with their numbers of partitions.
    """

    def __init__(self, topic: str, aligned: Mapping[str, int]) -> None:
        self.source = TopicPartition(topic, 0)
        self.position: int | None = None  # where to listen on; None while nobody listens
        self._aligned = aligned
        # The visible clock, None while its state is being restored, and when it moved last. Own ones too: they count
        # on for a while when the partition has gone to another worker.
        self._known: dict[TopicPartition, tuple[int | None, float]] = {}

    def news(self, units: Units) -> Outgoing | None:
        """What others should know: what is behind or being restored, of topics of which others have partitions too."""
        told: _News = {}
        for source, unit in self._to_tell(units):
            told.setdefault(source.topic, {})[source.partition] = unit.visible_ms if unit.is_open else None
        return Outgoing(*self.source, Records(values=[msgspec.json.encode(told)])) if told else None

    def has_news(self, units: Units) -> bool:
        """Whether there is something that others should know."""
        return any(True for _ in self._to_tell(units))

    def _to_tell(self, units: Units) -> Iterator[tuple[TopicPartition, Unit]]:
        here = Counter(source.topic for source in units)
        for source, unit in units.items():
            if here[source.topic] < self._aligned.get(source.topic, 0) and _is_behind(unit):
                yield source, unit

    def hear(self, chunk: Chunk, now: float) -> None:
        """Take news in; ``now`` is in s of the caller's clock. What can't be read is left out: it is no worker's."""
        self.position = chunk.next_offset
        for value in chunk.values:
            try:
                told = msgspec.json.decode(value or b"{}", type=_News)
            except msgspec.MsgspecError:
                continue
            for topic, clocks in told.items():
                for partition, clock_ms in clocks.items():
                    self._note(TopicPartition(topic, partition), clock_ms, now)

    def _note(self, source: TopicPartition, clock_ms: int | None, now: float) -> None:
        if clock_ms is None or self._known.get(source, (None, 0.0))[0] != clock_ms:
            self._known[source] = (clock_ms, now)

    def bounds(self, units: Units, now: float) -> dict[TopicPartition, int]:
        """Event time, ms, up to which each own partition may go for now; of others than those here any.

        It is ``MOST_AHEAD_MS`` after the visible clock of the slowest other partition that is behind.
        """
        if not self._aligned:
            return {}
        for source, unit in units.items():
            if source.topic in self._aligned and _is_behind(unit):
                self._note(source, unit.visible_ms if unit.is_open else None, now)
            else:
                self._known.pop(source, None)
        self._known = {
            source: known
            for source, known in self._known.items()
            if source in units or now - known[1] < _STANDS_STILL_S
        }
        clocks: dict[str, list[tuple[int, TopicPartition]]] = defaultdict(list)
        for source, (clock_ms, _) in self._known.items():
            clocks[source.topic].append((NEVER if clock_ms is None else clock_ms, source))
        slowest = {topic: nsmallest(2, known) for topic, known in clocks.items() if topic in self._aligned}
        bounds = {}
        for source in units:
            others = [clock_ms for clock_ms, other in slowest.get(source.topic, ()) if other != source]
            if others:
                bounds[source] = others[0] + MOST_AHEAD_MS
        return bounds


def _is_behind(unit: Unit) -> bool:
    """Whether it works off a backlog, or is about to say whether there is one."""
    return unit.failure is None and (unit.is_behind or not unit.is_open)
