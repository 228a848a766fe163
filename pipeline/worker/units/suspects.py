"""Finding the one record that can't be processed: halve what fails, double what works.

::

    chunk fails ── up to 3 times ──▶ unit reopened from the log, chunk tried again
        │ 4th time
        ▼
    the suspect stretch is tried in halves, each part committed at once, so that what works is done for good
        │ a single record fails
        ▼
    it goes to the dead-letter topic, and the rest is tried in growing parts until the stretch has passed
"""

from dataclasses import dataclass

import numpy as np

from agents.events import Int64, TopicPartition

_PAUSE_MS, _LONGEST_PAUSE_MS = 100, 5_000


@dataclass(slots=True)
class _Suspect:
    position: int  # where the unit was reopened
    failures: int = 0
    limit: int | None = None  # records to try at once; None until the patience has ended
    low: int = 0  # the suspect stretch
    high: int = 0
    poison: int | None = None  # offset of a record that failed alone
    error: str = ""
    cut: bool = False  # whether the next try is a smaller one


class Suspects:
    """What failed in which partition, kept while its units come and go.

    Args:
        patience: How often a chunk is tried again as it is before it is cut.
    """

    def __init__(self, *, patience: int = 3) -> None:
        self._patience = patience
        self._known: dict[TopicPartition, _Suspect] = {}

    def failed(self, source: TopicPartition, position: int, error: Exception, offsets: Int64 | None) -> None:
        """Note a failure.

        Args:
            source: Where.
            position: The committed position, at which the unit will be reopened.
            error: What was raised.
            offsets: Of the records that were being processed, shape ``(n,)``; ``None`` if it was something else.
        """
        known = self._known.get(source)
        if known is None or (known.limit is None and known.position != position):
            known = self._known[source] = _Suspect(position)
        known.failures += 1
        known.error = type(error).__name__
        known.cut = False
        if offsets is None or not len(offsets):
            return
        if known.limit is None and known.failures <= self._patience:
            return
        known.cut = True
        known.low, known.high = int(offsets[0]), max(known.high, int(offsets[-1]) + 1)
        known.limit = max(1, len(offsets) // 2)
        if len(offsets) == 1:
            known.poison = known.low

    def passed(self, source: TopicPartition, position: int) -> None:
        """Note that everything before ``position`` has been committed."""
        known = self._known.get(source)
        if known is None:
            return
        if position >= known.high and position > known.position:
            del self._known[source]
        elif known.limit is not None and position > known.low:
            known.limit *= 2

    def isolating(self, source: TopicPartition) -> bool:
        """Whether each part must be committed at once."""
        known = self._known.get(source)
        return known is not None and known.limit is not None

    def take(self, source: TopicPartition, offsets: Int64, most: int) -> int:
        """How many of the records at ``offsets`` to process at once, at most ``most``."""
        known = self._known.get(source)
        if known is None or known.limit is None or int(offsets[0]) >= known.high:
            return min(len(offsets), most)
        before = int(np.searchsorted(offsets, known.low))
        return min(len(offsets), most, before or known.limit)

    def poison(self, source: TopicPartition, offset: int) -> str | None:
        """The class of error with which the record at ``offset`` fails alone, if it does."""
        known = self._known.get(source)
        return known.error if known is not None and known.poison == offset else None

    def pause_ms(self, source: TopicPartition) -> int:
        """How long to wait before trying again; not at all when the next try is a smaller one."""
        known = self._known.get(source)
        if known is None or known.cut:
            return 0
        return min(_PAUSE_MS << min(known.failures - 1, 10), _LONGEST_PAUSE_MS)
