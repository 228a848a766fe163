"""Distance from what is usual at this time of the day and of the week."""

from typing import ClassVar

import numpy as np

from detectors import rhythm
from detectors.base import ArrayDetector, Float, Int64, kept_share, require_smoothing, standardise
from detectors.rhythm import Rhythm


class SeasonalProfile(ArrayDetector):
    """Score a value by its distance from the mean of its half-hour of the day or week, in usual distances.

    Works on series that follow people: traffic, orders, load. Until a profile forecasts clearly better than the plain
    mean, after a day or two, and for samples without a time, the plain mean is what a value is compared with.

    Args:
        half_life: Observations after which a distance's weight in the usual one has halved.
        warmup: Observations to learn before scores are numbers.
        floor: The usual distance counts as at least this fraction of the forecast.

    Raises:
        ValueError: If ``half_life`` or ``floor`` is not positive and finite, or ``warmup < 2``.

    Cost: O(1) time and 6,216 bytes for each series.
    Reference: Winters (1960), Forecasting sales by exponentially weighted moving averages; Hyndman, Athanasopoulos
        (2021), Forecasting: principles and practice, chapter 3 (seasonal means).

    >>> detector = SeasonalProfile(warmup=10)
    >>> detector.grow(1)
    >>> hour = 3_600_000
    >>> for i in range(24 * 21):  # three weeks with a busy noon
    ...     value = 90.0 if i % 24 == 12 else 10.0 + i % 2
    ...     detector.learn(np.array([0]), np.array([value]), np.array([i * hour]))
    >>> score = detector.score(np.array([0]), np.array([90.0]), np.array([(24 * 21 + 12) * hour]))
    >>> float(score[0]) < 1
    True
    """

    cost: ClassVar[str] = "O(1) time, 6,216 bytes a series"
    best_for: ClassVar[str] = "series with a daily or weekly course"

    def __init__(self, *, half_life: float = 300.0, warmup: int = 100, floor: float = 0.01) -> None:
        require_smoothing(half_life, warmup, floor)
        super().__init__({"weight": 0.0, "squares": 0.0, "forecast": 0.0, **rhythm.COLUMNS}, rhythm.WIDTHS)
        self._keep, self._warmup, self._floor = kept_share(half_life), warmup, floor
        self._rhythm = Rhythm()

    def expected(self, rows: Int64) -> Float:
        """The forecast for the value before, shape ``(m,)``: the next one's time is not known; NaN until warm."""
        return np.where(self._warm(rows), self._columns["forecast"][rows], np.nan)

    def spread(self, rows: Int64) -> Float:
        """The usual distance, shape ``(m,)``; NaN until warm."""
        return np.where(self._warm(rows), self._unit(rows, self._columns["forecast"][rows]), np.nan)

    def _warm(self, rows: Int64) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return self._columns["rhythm_seen"][rows] >= self._warmup

    def _unit(self, rows: Int64, forecast: Float) -> Float:
        square = self._columns["squares"][rows] / np.maximum(self._columns["weight"][rows], 1.0)
        return np.maximum(np.sqrt(square), self._floor * np.abs(forecast))

    def _score_at(self, rows: Int64, values: Float, time_ms: Int64 | None) -> Float:
        forecast = self._rhythm.forecast(self._columns, rows, time_ms)
        score = standardise(values - forecast, self._unit(rows, forecast), self._floor * np.abs(values))
        return np.where(self._warm(rows), score, np.nan)

    def _learn_at(self, rows: Int64, values: Float, time_ms: Int64 | None) -> None:
        forecast = self._rhythm.forecast(self._columns, rows, time_ms)
        distance = np.where(self._columns["rhythm_seen"][rows] > 0.0, values - forecast, 0.0)
        self._columns["squares"][rows] = self._keep * self._columns["squares"][rows] + distance * distance
        self._columns["weight"][rows] = self._keep * self._columns["weight"][rows] + 1.0
        self._columns["forecast"][rows] = forecast
        self._rhythm.learn(self._columns, rows, values, time_ms)
