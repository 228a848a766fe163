"""How far a partition is behind, and how often its unit commits early because of that.

Alerts are to be out soon, but commits must leave the time to process.
"""

import math
from typing import Final

import numpy as np

from agents.events import Int64

MANY_AT_ONCE: Final = 2_000
"""A fetch that finds so many records of a partition works off a backlog."""
_FULL_AT_ONCE: Final = 4 * MANY_AT_ONCE
_MUCH_BYTES: Final = 256 << 10
"""Bytes that say the same: a record of an internal topic holds many rows."""
_FULL_BYTES: Final = 4 * _MUCH_BYTES

STRETCH_MS: Final = 20_000
"""Event time that is processed at once, up to a quarter more, where partitions are to drain evenly."""
FIRST_RECORDS: Final = 100
"""Records that are processed first of a partition whose pace is not known yet."""
_SETTLED_MS: Final = 5_000
"""Event time that may be left when a partition that was behind no longer is."""

_LIVE_SHARE: Final = 3
"""The next early commit waits so many times as long as the last one kept the processor busy."""
_BACKLOG_SHARE: Final = 50
"""The same for partitions that lie far behind: there a commit costs more than it hurries."""

_BUSY_SHARE: Final = 1
"""And so many times as long as the last one took beyond the quickest: commits must not be what keeps brokers busy."""
_LONGEST_WAIT_S: Final = 0.5
_FORGET: Final = 1.0005  # brokers may be farther away from now on: after some thousand commits that is usual


def backlog_of(records: int, size_bytes: int) -> float:
    """How far behind a partition lies whose fetch found this much: 0 for not at all, otherwise 1/4 to 1.

    >>> [backlog_of(records, records * 2) for records in (1_999, 2_000, 6_000, 10_000)]
    [0.0, 0.25, 0.75, 1.0]
    """
    if records < MANY_AT_ONCE and size_bytes < _MUCH_BYTES:
        return 0.0
    return min(1.0, max(records / _FULL_AT_ONCE, size_bytes / _FULL_BYTES))


def event_ms_of(appended_ms: Int64, pace_ms: float | None) -> float:
    """How much event time records take, about: as long as they took to come, while their pace is not known.

    More than would be processed to find out count as any number.

    >>> [event_ms_of(np.arange(records) * 1_000, 50.0) for records in (0, 1, 11)]
    [0.0, 0.0, 500.0]
    >>> [event_ms_of(np.arange(records) * 1_000, None) for records in (0, 1, 100, 101)]
    [0.0, 0.0, 99000.0, inf]
    """
    if pace_ms is not None:
        return max(0, len(appended_ms) - 1) * pace_ms
    if len(appended_ms) > FIRST_RECORDS:
        return math.inf
    return float(np.ptp(appended_ms)) if len(appended_ms) else 0.0


class Backlog:
    """What the log has left of a partition, as far as fetches have told.

    >>> backlog = Backlog()
    >>> def found(records, event_ms, next_offset):
    ...     backlog.found(records, records * 100, event_ms, next_offset)
    ...     return backlog.is_behind
    >>> [found(50, event_ms, 50) for event_ms in (19_999.0, 20_000.0, 5_000.0, 4_999.0, 5_000.0)]
    [False, True, True, False, False]
    >>> backlog.is_worked_off(committed=49), backlog.is_worked_off(committed=50)
    (False, True)
    """

    def __init__(self) -> None:
        self.share = 0.0  # how much the last fetch found, 0 to 1
        self.caught_up = False  # whether it found nothing
        self.is_behind = True  # whether that is a stretch of event time too, or nothing was asked for yet
        self.is_long = False  # whether a fetch at once found a stretch of event time
        self.was_looked_at = False
        self._ended_at = 0  # where it was no longer behind

    def found(self, records: int, size_bytes: int, event_ms: float, next_offset: int) -> None:
        """Note what a fetch found, how much event time that is, about, and where it ends."""
        self.caught_up, self.share = not records, backlog_of(records, size_bytes)
        self.is_long = event_ms >= STRETCH_MS
        least_ms = _SETTLED_MS if self.is_behind and self.was_looked_at else STRETCH_MS
        was_behind, self.is_behind = self.is_behind, self.share > 0 or event_ms >= least_ms
        if was_behind and not self.is_behind:
            self._ended_at = next_offset
        self.was_looked_at = True

    def is_worked_off(self, committed: int) -> bool:
        """Whether others have all of it, if it is committed up to there."""
        return not self.is_behind and committed >= self._ended_at


class Pace:
    """When the next early commit is due, in s of the caller's clock; the larger its backlog, the slower a partition's.

    >>> pace = Pace()
    >>> pace.committed(100.0, 0.002, backlog=0.0)
    >>> pace.committed(100.0, 0.004, backlog=1.0)
    >>> round(pace.due(backlog=0.0), 3), round(pace.due(backlog=1.0), 3)
    (100.018, 100.2)
    >>> pace.committed(200.0, 0.004, backlog=0.25)
    >>> round(pace.due(backlog=1.0), 3)
    200.05
    >>> for took_s in (0.005, 0.045):
    ...     pace.ended(300.0, took_s)
    >>> round(pace.due(backlog=0.0), 3)
    300.04
    """

    def __init__(self) -> None:
        self._live_at = 0.0
        self._behind_at = 0.0
        self._quickest_s = math.inf

    def due(self, *, backlog: float) -> float:
        """When a partition may commit early."""
        return max(self._live_at, self._behind_at) if backlog else self._live_at

    def committed(self, now: float, cost_s: float, *, backlog: float) -> None:
        """Note an early commit of a partition, and the processor time that it takes, s."""
        self._live_at = max(self._live_at, now) + _LIVE_SHARE * cost_s
        if backlog:
            self._behind_at = max(self._behind_at, now) + _BACKLOG_SHARE * backlog * cost_s

    def ended(self, now: float, took_s: float) -> None:
        """Note how long an early commit took, s: what exceeds the quickest says how busy the brokers are."""
        self._quickest_s = min(_FORGET * self._quickest_s, took_s)
        wait_s = min(_BUSY_SHARE * (took_s - self._quickest_s), _LONGEST_WAIT_S)
        self._live_at = max(self._live_at, now + wait_s)
