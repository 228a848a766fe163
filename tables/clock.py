"""Event time of one partition: how far it has come, and how far what feeds it has come."""

import numpy as np
from numpy.typing import NDArray

from tables.keys import NEVER

Int64 = NDArray[np.int64]


class StreamClock:
    """The newest event time so far, of the partition and of each origin that feeds it.

    A source partition is its own and only origin. A repartitioned one is fed from several, which drain unevenly: a
    record is late by the clock of its own origin, and windows close by the slowest origin, but not more than
    ``skew_ms`` behind the fastest, so that a quiet origin does not hold them open for ever. One that was not heard of
    yet is the slowest: which origin comes first is chance, and must not close the windows of the others.

    Args:
        skew_ms: See above; 0 for a source partition.
        expected: How many origins there are; 0 for a source partition.
    """

    def __init__(self, *, skew_ms: int = 0, expected: int = 0) -> None:
        self.skew_ms = skew_ms
        self._expected = expected
        self.head_ms = NEVER
        self._origins: dict[int, int] = {}

    def observe(self, own_ms: Int64) -> Int64:
        """The partition's clock at each record, shape ``(n,)``, given event times or the clocks of their origins."""
        head = np.maximum.accumulate(np.maximum(own_ms, self.head_ms))
        if len(head):
            self.head_ms = int(head[-1])
        return head

    def arrived(self, origin: int, own_ms: int) -> None:
        """Note how far an origin has come."""
        self._origins[origin] = max(own_ms, self._origins.get(origin, NEVER))

    def advance(self, time_ms: int) -> None:
        """Let the partition's clock come to ``time_ms`` without a record."""
        self.head_ms = max(self.head_ms, time_ms)

    @property
    def closed_ms(self) -> int:
        """Event time up to which windows may close; never goes back."""
        if self.head_ms == NEVER or not self._expected:
            return self.head_ms
        slowest = min(self._origins.values()) if len(self._origins) == self._expected else NEVER
        return max(slowest, self.head_ms - self.skew_ms)

    @property
    def origins(self) -> dict[int, int]:
        """How far each origin has come; empty for a source partition."""
        return dict(self._origins)

    def restore(self, head_ms: int, origins: dict[int, int]) -> None:
        """Take up where another clock stood."""
        self.head_ms = head_ms
        self._origins = dict(origins)
