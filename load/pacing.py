"""Open-loop pacing: what is due depends on the clock alone, never on how fast earlier records went out.

A closed loop slows down with the system that it measures and so hides its stalls (coordinated omission). Here a late
sender gets everything that was due meanwhile, and how late each record went out is measured.
"""

from typing import NamedTuple, Protocol

import numpy as np

from agents.events import Int64, Outgoing

_BUCKETS_PER_DOUBLING = 8
_BUCKETS = 40 * _BUCKETS_PER_DOUBLING


class Load(Protocol):
    """A source of records that is driven by event time: generated payments or a replay."""

    @property
    def start_ms(self) -> int:
        """Event time of its start."""

    @property
    def finished(self) -> bool:
        """Whether nothing will come any more."""

    def until(self, time_ms: int) -> list[Outgoing]:
        """The records due before ``time_ms`` and not given yet."""


class Due(NamedTuple):
    """What to send now.

    Args:
        start_ms: Event time, inclusive.
        end_ms: Event time, exclusive; equal to ``start_ms`` when nothing is due.
        wait_ms: How long to wait before asking again; 0 while there is something to catch up.
        finished: Whether this is the end of the run.
    """

    start_ms: int
    end_ms: int
    wait_ms: int
    finished: bool


class DelayHistogram:
    """Delays in logarithmic buckets, eight to a doubling: quantiles are at most 9 % too high, the maximum is exact.

    >>> delays = DelayHistogram()
    >>> delays.add(np.array([1, 2, 3, 400]))
    >>> delays.quantile(0.5) <= 2.2, delays.max_ms
    (True, 400)
    """

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS, np.int64)
        self.max_ms = 0

    def __len__(self) -> int:
        return int(self._counts.sum())

    def add(self, delay_ms: Int64) -> None:
        """Count delays, shape ``(n,)``; negative ones count as 0."""
        if not len(delay_ms):
            return
        delay_ms = np.maximum(delay_ms, 0)
        bucket = np.ceil(_BUCKETS_PER_DOUBLING * np.log2(1.0 + delay_ms)).astype(np.int64)
        self._counts += np.bincount(np.minimum(bucket, _BUCKETS - 1), minlength=_BUCKETS)
        self.max_ms = max(self.max_ms, int(delay_ms.max()))

    def quantile(self, q: float) -> float:
        """The smallest bucket bound that at least a share ``q`` of the delays does not exceed; NaN when empty."""
        total = len(self)
        if not total:
            return float("nan")
        bucket = int(np.searchsorted(np.cumsum(self._counts), max(1, np.ceil(q * total))))
        return min(float(2 ** (bucket / _BUCKETS_PER_DOUBLING) - 1), float(self.max_ms))


class OpenLoop:
    """Say which interval of event time is due, and how late its records went out.

    Never sleeps and reads no clock: the caller asks ``due(now)``, sends what the load gives ``until(due.end_ms)``,
    reports ``sent(due, n, now)`` and waits ``due.wait_ms``. The rate (and its ramp) belongs to the load.

    ::

        wall   wall_ms ──────────── now             event = start_ms + (wall - wall_ms) * speed
        event  start_ms ──── position ──── due      [position, due) is handed out, at most a slice at once

    Args:
        start_ms: Event time of the start, Unix ms.
        wall_ms: Wall clock at the start, Unix ms; must not go back, so pass a monotonic clock's progress.
        speed: Milliseconds of event time in one of wall time.
        duration_ms: Wall time after which the run ends; ``None``: never.
        tick_ms: Wall time that is handed out at least, so that senders write batches.
        slice_ms: Wall time that is handed out at most, so that catching up takes bounded memory.

    Raises:
        ValueError: If speed, duration, tick or slice is not positive, or the slice shorter than a tick.
    """

    def __init__(
        self,
        *,
        start_ms: int,
        wall_ms: int,
        speed: float = 1.0,
        duration_ms: int | None = None,
        tick_ms: int = 20,
        slice_ms: int = 500,
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be positive, got {speed}")
        if duration_ms is not None and duration_ms <= 0:
            raise ValueError(f"duration must be positive, got {duration_ms} ms")
        if not 0 < tick_ms <= slice_ms:
            raise ValueError(f"a tick must be positive and no longer than a slice, got {tick_ms} and {slice_ms} ms")
        self._start_ms, self._wall_ms, self._speed = start_ms, wall_ms, speed
        self._duration_ms, self._tick_ms, self._slice_ms = duration_ms, tick_ms, slice_ms
        self._given_ms = 0  # wall time since the start that has been handed out
        self.delays = DelayHistogram()

    def due(self, now_ms: int) -> Due:
        """What is due at ``now_ms`` and not handed out yet; to be sent by the caller."""
        elapsed_ms = max(0, now_ms - self._wall_ms)
        limit_ms = elapsed_ms if self._duration_ms is None else min(elapsed_ms, self._duration_ms)
        at_end = limit_ms == self._duration_ms
        start_ms = self._given_ms
        if at_end or limit_ms - start_ms >= self._tick_ms:
            self._given_ms = min(limit_ms, start_ms + self._slice_ms)
        finished = at_end and self._given_ms == self._duration_ms
        if finished or limit_ms - self._given_ms >= self._tick_ms:
            wait_ms = 0
        else:
            wait_ms = self._given_ms + self._tick_ms - elapsed_ms
            if self._duration_ms is not None:
                wait_ms = min(wait_ms, self._duration_ms - elapsed_ms)
        return Due(self._event(start_ms), self._event(self._given_ms), max(0, wait_ms), finished)

    def sent(self, due: Due, n: int, now_ms: int) -> None:
        """Report that the ``n`` records of ``due`` were accepted at ``now_ms``; they count as spread evenly over it."""
        if n:
            share = (np.arange(n) + 0.5) / n
            event_ms = due.start_ms + share * (due.end_ms - due.start_ms)
            due_at_ms = self._wall_ms + (event_ms - self._start_ms) / self._speed
            self.delays.add(np.floor(now_ms - due_at_ms).astype(np.int64))

    def behind_ms(self, now_ms: int) -> int:
        """Wall time that is due and not handed out yet: 0 to a tick for a sender that keeps up."""
        elapsed_ms = max(0, now_ms - self._wall_ms)
        limit_ms = elapsed_ms if self._duration_ms is None else min(elapsed_ms, self._duration_ms)
        return limit_ms - self._given_ms

    def _event(self, elapsed_ms: int) -> int:
        return self._start_ms + int(elapsed_ms * self._speed)
