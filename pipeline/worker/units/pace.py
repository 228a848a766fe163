"""How often units commit early: alerts are to be out soon, but commits must leave the time to process."""

from typing import Final

_EARLY_SHARE: Final = 3
"""The next early commit waits so many times as long as the last one kept the processor busy."""
_BACKLOG_SHARE: Final = 50
"""The same for partitions that lie behind: there a commit costs more than it hurries."""


class Pace:
    """When the next early commit is due, in s of the caller's clock; partitions with a backlog have a slower pace.

    >>> pace = Pace()
    >>> pace.committed(100.0, 0.002, is_behind=False)
    >>> pace.committed(100.0, 0.004, is_behind=True)
    >>> round(pace.due(is_behind=False), 3), round(pace.due(is_behind=True), 3)
    (100.018, 100.2)
    """

    def __init__(self) -> None:
        self._live_at = 0.0
        self._behind_at = 0.0

    def due(self, *, is_behind: bool) -> float:
        """When a partition may commit early."""
        return max(self._live_at, self._behind_at) if is_behind else self._live_at

    def committed(self, now: float, cost_s: float, *, is_behind: bool) -> None:
        """Note an early commit, and the processor time that it takes, s."""
        self._live_at = max(self._live_at, now) + _EARLY_SHARE * cost_s
        if is_behind:
            self._behind_at = max(self._behind_at, now) + _BACKLOG_SHARE * cost_s
