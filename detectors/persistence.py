"""Distance from the previous value."""

from typing import ClassVar

import numpy as np

from detectors.base import ArrayDetector, Float, Int64, kept_share, require_smoothing, standardise


class Persistence(ArrayDetector):
    """Score a value by its distance from the previous one, in units of the usual step.

    The forecast is "as before", so it works on series that wander or follow the time of day slowly, at any level. A
    jump is odd once, and so is the jump back; a slow drift never is.

    The usual step is the root of the recent mean square step. Sturdier averages of the steps (their mean size, the
    square of their mean root) found a quarter to a half fewer labelled incidents of measured series at equal false
    alarms: steps have heavy tails, and a unit that ignores the tails alarms at them.

    Args:
        half_life: Observations after which a step's weight has halved.
        warmup: Steps to learn before scores are numbers.
        floor: The usual step counts as at least this fraction of the previous value.

    Raises:
        ValueError: If ``half_life`` or ``floor`` is not positive and finite, or ``warmup < 2``.

    Cost: O(1) time and 40 bytes for each series.
    Reference: Hyndman, Koehler (2006), Another look at measures of forecast accuracy (errors in units of the naive
        forecast's own).

    >>> detector = Persistence(half_life=10, warmup=4)
    >>> detector.grow(1)
    >>> row = np.array([0])
    >>> for value in (5.0, 6.0, 7.0, 6.0, 7.0):
    ...     detector.learn(row, np.array([value]))
    >>> detector.score(row, np.array([12.0])).round(1)
    array([5.])
    >>> Persistence(warmup=1)
    Traceback (most recent call last):
    ValueError: warmup must be at least 2 observations, got 1
    """

    cost: ClassVar[str] = "O(1) time, 40 bytes a series"
    best_for: ClassVar[str] = "sudden jumps of a series that wanders or has a daily course"

    def __init__(self, *, half_life: float = 100.0, warmup: int = 30, floor: float = 0.01) -> None:
        require_smoothing(half_life, warmup, floor)
        # ``count`` counts values; ``weight`` and ``squares`` are the weighted sums of ones and of squared steps.
        super().__init__({"count": 0.0, "weight": 0.0, "previous": 0.0, "squares": 0.0})
        self._keep = kept_share(half_life)
        self._warmup = warmup
        self._floor = floor

    def expected(self, rows: Int64) -> Float:
        """The previous value, shape ``(m,)``; NaN until warm."""
        return np.where(self._warm(rows), self._columns["previous"][rows], np.nan)

    def spread(self, rows: Int64) -> Float:
        """The usual step, at least the floor, shape ``(m,)``; NaN until warm."""
        return np.where(self._warm(rows), self._unit(rows), np.nan)

    def _warm(self, rows: Int64) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return self._columns["count"][rows] > self._warmup

    def _unit(self, rows: Int64) -> Float:
        square = self._columns["squares"][rows] / np.maximum(self._columns["weight"][rows], 1.0)
        return np.maximum(np.sqrt(square), self._floor * np.abs(self._columns["previous"][rows]))

    def _score(self, rows: Int64, values: Float) -> Float:
        score = standardise(values - self._columns["previous"][rows], self._unit(rows), self._floor * np.abs(values))
        return np.where(self._warm(rows), score, np.nan)

    def _learn(self, rows: Int64, values: Float) -> None:
        count = self._columns["count"][rows]
        step = np.where(count > 0.0, values - self._columns["previous"][rows], 0.0)
        self._columns["weight"][rows] = self._keep * self._columns["weight"][rows] + np.where(count > 0.0, 1.0, 0.0)
        self._columns["squares"][rows] = self._keep * self._columns["squares"][rows] + step * step
        self._columns["previous"][rows] = values
        self._columns["count"][rows] = count + 1.0
