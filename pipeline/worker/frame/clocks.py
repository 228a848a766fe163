"""How far ahead of others a partition may run while a backlog is worked off, across all workers.

Where partitions meet in an internal topic, rows of one that is far behind the others would be late. Flink calls the
remedy watermark alignment. What counts is the *visible* clock of a partition, that of its last commit: so far others
have its rows. Workers tell one another with each commit while one of them has a backlog, through a topic::

    worker A   payments/0, /1 ──┐                                                ┌──▶ worker B: payments/2 is 60 s
                                └─▶ app-clocks: {"payments": {"0": ms, "1": …}} ─┘    ahead, and is not fetched

A partition whose state is being restored holds the others up, and so does one of which nothing was heard yet: its
worker may be about to begin. One whose clock has stood still for long does not: nobody may have it.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from heapq import nsmallest
from typing import Final

import msgspec
import numpy as np

from agents.events import Chunk, Outgoing, Records, TopicPartition
from pipeline.worker.frame.fairness import LEAST_MS
from pipeline.worker.units.unit import Unit
from tables.keys import NEVER

EVERY_S = 0.1
"""How often workers tell their clocks, if no commit gives reason to."""
MOST_AHEAD_MS = 50_000  # with the quarter of a stretch that may come on top it is still within ``plan.SKEW_MS``
UP_TO_DATE: Final = int(np.iinfo(np.int64).max)
"""Clock of a partition that nobody needs to wait for."""
_AWAY_S = 1.0  # who could not listen for longer was paused, busy with one thing, or had no log
_News = dict[str, dict[int, int | None]]
Units = Mapping[TopicPartition, Unit]


class Clocks:
    """What is told and heard, and what follows from it.

    Args:
        topic: Where workers tell one another; one partition.
        aligned: Topics whose partitions are to drain evenly, with their numbers of partitions.
        patience_s: How long a clock that stands still is waited for: long enough for a partition whose worker died to
            have another one.
    """

    def __init__(self, topic: str, aligned: Mapping[str, int], *, patience_s: float) -> None:
        self.source = TopicPartition(topic, 0)
        self.position: int | None = None  # where to listen on; None while nobody listens
        self._partitions = [TopicPartition(each, number) for each, count in aligned.items() for number in range(count)]
        self._aligned = aligned
        self._patience_s = patience_s
        # The visible clock, None if it is not known, and when it moved last. Own ones too: they count on for a while
        # when the partition has gone to another worker.
        self._known: dict[TopicPartition, tuple[int | None, float]] = {}
        self._listened_at = 0.0
        self._behind: set[str] = set()  # topics in which a partition here has been far behind
        self._is_asked = False  # whether somebody who is behind may not know that nobody here is

    def listen(self, position: int) -> None:
        """Begin to listen there; what was heard before may have changed."""
        self.position = position
        self._known.clear()

    def has_others(self, units: Units) -> bool:
        """Whether other workers have partitions that those here are to drain evenly with."""
        return bool(self._shared(units))

    def _shared(self, units: Units) -> set[str]:
        here = Counter(source.topic for source in units)
        return {topic for topic, count in here.items() if count < self._aligned.get(topic, 0)}

    def news(self, units: Units) -> Outgoing | None:
        """What others should know of the partitions here, if one is behind or being restored, or elsewhere is."""
        told: _News = {}
        is_behind = False
        shared = self._shared(units)
        for source, unit in units.items():
            if source.topic in shared and _is_known(unit):
                told.setdefault(source.topic, {})[source.partition] = clock_ms = _clock_ms(unit)
                is_behind |= clock_ms != UP_TO_DATE
        if not told or not (is_behind or self._is_asked):
            return None
        self._is_asked = False
        return Outgoing(*self.source, Records(values=[msgspec.json.encode(told)]))

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
                    if 0 <= partition < self._aligned.get(topic, 0):
                        # The news of this worker come back too. The last of them, after which it has caught up, makes
                        # it say so.
                        self._is_asked |= clock_ms != UP_TO_DATE
                        self._note(TopicPartition(topic, partition), clock_ms, now)

    def _note(self, source: TopicPartition, clock_ms: int | None, now: float) -> None:
        if clock_ms is None or self._known.get(source, (None, 0.0))[0] != clock_ms:
            self._known[source] = (clock_ms, now)

    def listened(self, now: float) -> None:
        """Note that all news until ``now`` were heard; time in which they could not be does not count as silence."""
        away_s, self._listened_at = now - self._listened_at, now
        if away_s > _AWAY_S:
            self._known = {
                source: (clock_ms, min(since + away_s, now)) for source, (clock_ms, since) in self._known.items()
            }

    def bounds(self, units: Units, now: float) -> dict[TopicPartition, int]:
        """Event time, ms, up to which each own partition may go for now; of others than those here any.

        It is ``MOST_AHEAD_MS`` after the visible clock of the slowest other partition that is behind.
        """
        if not self._aligned:
            return {}
        for source, unit in units.items():
            if not _is_known(unit):
                continue
            if unit.is_retry:  # it may break again and again
                self._note(source, _clock_ms(unit), now)
            else:
                self._known[source] = (_clock_ms(unit), now)
        self._doubt(units, now)
        slowest = self._slowest(now)
        bounds = {}
        for source in units:
            others = [clock_ms for clock_ms, other in slowest.get(source.topic, ()) if other != source]
            if others:
                bounds[source] = others[0] + MOST_AHEAD_MS
        return bounds

    def _slowest(self, now: float) -> dict[str, list[tuple[int, TopicPartition]]]:
        """The two slowest partitions of each topic that are waited for."""
        clocks: dict[str, list[tuple[int, TopicPartition]]] = defaultdict(list)
        for source in self._partitions:
            clock_ms, _ = self._known.setdefault(source, (None, now))
            if clock_ms != UP_TO_DATE and not self._stands_still(source, now):
                clocks[source.topic].append((NEVER if clock_ms is None else clock_ms, source))
        slowest = {topic: nsmallest(2, known) for topic, known in clocks.items()}
        for topic, known in clocks.items():
            held_from_ms = slowest[topic][0][0] + MOST_AHEAD_MS - LEAST_MS
            for clock_ms, source in known:
                if clock_ms >= held_from_ms:  # it stands still because it waits
                    self._known[source] = (clock_ms, now)
        return slowest

    def _stands_still(self, source: TopicPartition, now: float) -> bool:
        until = now if self.position is None else self._listened_at
        return until - self._known[source][1] >= self._patience_s

    def _doubt(self, units: Units, now: float) -> None:
        """Ask anew about others of a topic in which a partition here has fallen far behind: they may have as well."""
        behind = {source.topic for source, unit in units.items() if unit.is_open and unit.backlog.is_behind}
        fallen = {source.topic for source, unit in units.items() if unit.is_open and unit.backlog.is_long}
        for source in self._partitions:
            if source.topic in fallen - self._behind and source not in units:
                clock_ms, _ = self._known.setdefault(source, (None, now))
                if clock_ms == UP_TO_DATE or self._stands_still(source, now):
                    self._known[source] = (None, now)
        self._behind = (self._behind | fallen) & behind


def _is_known(unit: Unit) -> bool:
    """Whether its clock can be told: that of one that broke counts on until it is being restored, but not for ever."""
    if unit.failure is not None:
        return unit.stopped
    return unit.is_open or not unit.is_retry or unit.restore_steps > 0


def _clock_ms(unit: Unit) -> int | None:
    if unit.stopped or unit.is_done:
        return UP_TO_DATE
    return unit.visible_ms if unit.is_open else None
