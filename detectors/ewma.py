"""Distance from the recent mean."""

from typing import ClassVar

import numpy as np

from detectors.base import ArrayDetector, Float, Int64, kept_share, require_smoothing, standardise


class EwmaZScore(ArrayDetector):
    """Score a value by its distance from the recent mean, in standard deviations; both weigh samples exponentially.

    Works on a roughly stationary series; a level shift is odd only until it is learned. Blind to a value that is odd
    only for its time of day. Values are learned as they are: clipping them kept the deviation narrow in incidents and
    after level shifts, and cost several times the false alarms on measured series.

    Args:
        half_life: Observations after which a sample's weight has halved.
        warmup: Observations to learn before scores are numbers.
        floor: The deviation counts as at least this fraction of the mean, so that a constant series does not alarm at
            its first flicker.

    Raises:
        ValueError: If ``half_life`` or ``floor`` is not positive and finite, or ``warmup < 2``.

    Cost: O(1) time and 40 bytes for each series.
    Reference: Finch (2009), Incremental calculation of weighted mean and variance.

    >>> detector = EwmaZScore(half_life=10, warmup=4)
    >>> detector.grow(1)
    >>> row = np.array([0])
    >>> for value in (5.0, 6.0, 4.0, 5.0):
    ...     detector.learn(row, np.array([value]))
    >>> detector.score(row, np.array([9.0])).round(1)
    array([5.7])
    >>> EwmaZScore(half_life=0)
    Traceback (most recent call last):
    ValueError: half_life must be a positive number of observations, got 0
    """

    cost: ClassVar[str] = "O(1) time, 40 bytes a series"
    best_for: ClassVar[str] = "spikes, drops and level shifts of a roughly stationary series"

    def __init__(self, *, half_life: float = 100.0, warmup: int = 30, floor: float = 0.01) -> None:
        require_smoothing(half_life, warmup, floor)
        # ``weight`` is the sum of all weights, ``squares`` that of the weighted squared distances from the mean.
        super().__init__({"count": 0.0, "weight": 0.0, "mean": 0.0, "squares": 0.0})
        self._keep = kept_share(half_life)
        self._warmup = warmup
        self._floor = floor

    def expected(self, rows: Int64) -> Float:
        """The recent mean, shape ``(m,)``; NaN until warm."""
        return np.where(self._columns["count"][rows] >= self._warmup, self._columns["mean"][rows], np.nan)

    def spread(self, rows: Int64) -> Float:
        """The recent standard deviation, at least the floor, shape ``(m,)``; NaN until warm."""
        return np.where(self._columns["count"][rows] >= self._warmup, self._unit(rows), np.nan)

    def _unit(self, rows: Int64) -> Float:
        variance = self._columns["squares"][rows] / np.maximum(self._columns["weight"][rows], 1.0)
        return np.maximum(np.sqrt(variance), self._floor * np.abs(self._columns["mean"][rows]))

    def _score(self, rows: Int64, values: Float) -> Float:
        score = standardise(values - self._columns["mean"][rows], self._unit(rows), self._floor * np.abs(values))
        return np.where(self._columns["count"][rows] >= self._warmup, score, np.nan)

    def _learn(self, rows: Int64, values: Float) -> None:
        weight = 1.0 + self._keep * self._columns["weight"][rows]
        mean = self._columns["mean"][rows]
        distance = values - mean
        moved = mean + distance / weight
        self._columns["count"][rows] += 1.0
        self._columns["weight"][rows] = weight
        self._columns["mean"][rows] = moved
        # Both factors have one sign, so the sum can't fall below 0 by rounding.
        self._columns["squares"][rows] = self._keep * self._columns["squares"][rows] + distance * (values - moved)
