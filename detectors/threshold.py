"""Fixed limits."""

import math
from typing import ClassVar

import numpy as np

from detectors.base import SMALLEST, ArrayDetector, Float, Int64


class Threshold(ArrayDetector):
    """Score how far a value lies beyond a fixed limit; a series near its limit doesn't flicker.

    A series goes on at a value at or beyond a limit, and off only once a value is back on the near side of the limit
    by at least ``margin``. While on, the score is 1 plus the excess as a fraction of the limit (of 1 if the limit is
    0): 1.5 is half as much again as allowed. While off it is 0. So 1 is the natural alert threshold.

    Right where the limit is known beforehand (an agreed latency, a full disk); it needs no warm-up and learns nothing.

    Args:
        above: Upper limit in the value's unit; ``None`` if there is none.
        below: Lower limit; ``None`` if there is none.
        margin: How far back within the limit a value must be to switch off.

    Raises:
        ValueError: If there is no limit, one is not finite, ``margin`` is negative, or the limits are not further
            apart than twice the margin.

    Cost: O(1) time and 16 bytes for each series.
    Reference: Schmitt (1938), A thermionic trigger (the two limits); ISA-18.2 (2016), Management of alarm systems
        (deadband against chattering alarms).

    >>> detector = Threshold(above=100, margin=10)
    >>> detector.grow(1)
    >>> row = np.array([0])
    >>> for value in (95.0, 150.0, 95.0, 90.0, 95.0):
    ...     print(detector.score(row, np.array([value])))
    ...     detector.learn(row, np.array([value]))
    [0.]
    [1.5]
    [1.]
    [0.]
    [0.]
    >>> Threshold(above=5, below=7)
    Traceback (most recent call last):
    ValueError: below (7) must be less than above (5) by more than twice the margin (0.0)
    """

    cost: ClassVar[str] = "O(1) time, 16 bytes a series"
    best_for: ClassVar[str] = "limits known beforehand: agreed latencies, capacities, zero rejects"

    def __init__(self, *, above: float | None = None, below: float | None = None, margin: float = 0.0) -> None:
        if above is None and below is None:
            raise ValueError("a threshold needs a limit: above or below, got neither")
        for name, limit in (("above", above), ("below", below)):
            if limit is not None and not math.isfinite(limit):
                raise ValueError(f"{name} must be a finite limit, got {limit}")
        if not 0.0 <= margin < math.inf:
            raise ValueError(f"margin must be 0 or positive, in the unit of the value, got {margin}")
        if above is not None and below is not None and not above - below > 2 * margin:
            raise ValueError(
                f"below ({below}) must be less than above ({above}) by more than twice the margin ({margin})"
            )
        super().__init__({"side": 0.0})  # 1 while beyond the upper limit, -1 while beyond the lower one
        self._above = math.inf if above is None else float(above)
        self._below = -math.inf if below is None else float(below)
        self._margin = float(margin)

    def expected(self, rows: Int64) -> Float:
        """The limit, shape ``(m,)``; NaN if there are two, as the value decides which."""
        limits = [limit for limit in (self._above, self._below) if math.isfinite(limit)]
        return np.full(len(rows), limits[0] if len(limits) == 1 else np.nan)

    def spread(self, rows: Int64) -> Float:
        """What an excess of 1 is, in the value's unit, shape ``(m,)``; NaN if there are two limits."""
        limit = np.abs(self.expected(rows))
        return np.where(limit == 0.0, 1.0, limit)

    def _side(self, rows: Int64, values: Float) -> Float:
        """Where each series is with its new value."""
        side = self._columns["side"][rows]
        stays_above = (side > 0.0) & (values > self._above - self._margin)
        stays_below = (side < 0.0) & (values < self._below + self._margin)
        low = np.where((values <= self._below) | stays_below, -1.0, 0.0)
        return np.where((values >= self._above) | stays_above, 1.0, low)

    def _score(self, rows: Int64, values: Float) -> Float:
        side = self._side(rows, values)
        limit = np.where(side > 0.0, self._above, self._below)
        limit = np.where(side == 0.0, 0.0, limit)
        excess = np.maximum(side * (values - limit), 0.0) / np.where(
            limit == 0.0, 1.0, np.maximum(np.abs(limit), SMALLEST)
        )
        return np.where(side == 0.0, 0.0, side * (1.0 + excess))

    def _learn(self, rows: Int64, values: Float) -> None:
        self._columns["side"][rows] = self._side(rows, values)
