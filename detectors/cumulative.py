"""Sums of deviations: small shifts that last."""

from typing import ClassVar

import numpy as np

from detectors.base import ArrayDetector, Float, Int64, kept_share, standardise

_LARGEST_STEP = 10.0


class Cusum(ArrayDetector):
    """Score how much more than chance a series has drifted to one side: the cumulative sum of its deviations.

    Each value adds its distance from the mean, in standard deviations and less ``slack``, to a sum for its side that
    does not fall below 0. A shift by ``2 * slack`` is found fastest. One value adds at most 10, so a spike alone does
    not look like a shift. Mean and deviation are exponentially weighted, slowly, so a shift is forgotten in time.

    Args:
        slack: Standard deviations that a value may lie off without adding.
        half_life: Observations after which a value's weight in mean and deviation has halved.
        warmup: Observations to learn before scores are numbers.
        floor: The deviation counts as at least this fraction of the mean.

    Raises:
        ValueError: If a setting is not positive and finite, or ``warmup < 2``.

    Cost: O(1) time and 56 bytes for each series.
    Reference: Page (1954), Continuous inspection schemes; Hawkins, Olwell (1998), Cumulative sum charts.

    >>> detector = Cusum(warmup=4)
    >>> detector.grow(1)
    >>> for value in (9.0, 11.0, 9.0, 11.0, 12.0, 12.0):
    ...     detector.learn(np.array([0]), np.array([value]))
    >>> detector.score(np.array([0]), np.array([12.0])).round(1)
    array([2.9])
    """

    cost: ClassVar[str] = "O(1) time, 56 bytes a series"
    best_for: ClassVar[str] = "small lasting shifts of a stationary series"

    def __init__(
        self, *, slack: float = 0.5, half_life: float = 1_000.0, warmup: int = 100, floor: float = 0.01
    ) -> None:
        _require(slack=slack, half_life=half_life, floor=floor)
        if warmup < 2:
            raise ValueError(f"warmup must be at least 2 observations, got {warmup}")
        super().__init__({"count": 0.0, "weight": 0.0, "mean": 0.0, "squares": 0.0, "up": 0.0, "down": 0.0})
        self._slack, self._warmup, self._floor = slack, warmup, floor
        self._keep = kept_share(half_life)

    def expected(self, rows: Int64) -> Float:
        """The mean, shape ``(m,)``; NaN until warm."""
        return np.where(self._warm(rows), self._columns["mean"][rows], np.nan)

    def spread(self, rows: Int64) -> Float:
        """The standard deviation, at least the floor, shape ``(m,)``; NaN until warm."""
        return np.where(self._warm(rows), self._unit(rows), np.nan)

    def _warm(self, rows: Int64) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return self._columns["count"][rows] >= self._warmup

    def _unit(self, rows: Int64) -> Float:
        variance = self._columns["squares"][rows] / np.maximum(self._columns["weight"][rows], 1.0)
        return np.maximum(np.sqrt(variance), self._floor * np.abs(self._columns["mean"][rows]))

    def _sums(self, rows: Int64, values: Float) -> tuple[Float, Float]:
        distance = values - self._columns["mean"][rows]
        z = np.clip(
            standardise(distance, self._unit(rows), self._floor * np.abs(values)), -_LARGEST_STEP, _LARGEST_STEP
        )
        z = np.where(self._warm(rows), z, 0.0)
        up = np.maximum(self._columns["up"][rows] + z - self._slack, 0.0)
        return up, np.maximum(self._columns["down"][rows] - z - self._slack, 0.0)

    def _score(self, rows: Int64, values: Float) -> Float:
        up, down = self._sums(rows, values)
        return np.where(self._warm(rows), np.where(up >= down, up, -down), np.nan)

    def _learn(self, rows: Int64, values: Float) -> None:
        self._columns["up"][rows], self._columns["down"][rows] = self._sums(rows, values)
        weight = 1.0 + self._keep * self._columns["weight"][rows]
        mean = self._columns["mean"][rows]
        distance = values - mean
        moved = mean + distance / weight
        self._columns["squares"][rows] = self._keep * self._columns["squares"][rows] + distance * (values - moved)
        self._columns["mean"][rows] = moved
        self._columns["weight"][rows] = weight
        self._columns["count"][rows] += 1.0


class PageHinkley(Cusum):
    """Score how far a series has moved off the mean of all it ever was: the Page-Hinkley test.

    Like ``Cusum``, but mean and deviation forget nothing, and a value may lie off by a mere ``slack``: made for the one
    change of a long stationary series. After it the score stays high until the mean of all follows.

    Args:
        slack: Standard deviations that a value may lie off without adding.
        warmup: Observations to learn before scores are numbers.
        floor: The deviation counts as at least this fraction of the mean.

    Raises:
        ValueError: If ``slack`` or ``floor`` is not positive and finite, or ``warmup < 2``.

    Cost: O(1) time and 56 bytes for each series.
    Reference: Hinkley (1971), Inference about the change-point from cumulative sum tests; Gama et al. (2013), On
        evaluating stream learning algorithms.

    >>> detector = PageHinkley(warmup=4)
    >>> detector.grow(1)
    >>> for value in (9.0, 11.0, 9.0, 11.0, 12.0, 12.0):
    ...     detector.learn(np.array([0]), np.array([value]))
    >>> float(detector.score(np.array([0]), np.array([12.0]))[0]) > 3
    True
    """

    cost: ClassVar[str] = "O(1) time, 56 bytes a series"
    best_for: ClassVar[str] = "the one change of a long stationary series"

    def __init__(self, *, slack: float = 0.1, warmup: int = 100, floor: float = 0.01) -> None:
        super().__init__(slack=slack, half_life=1e12, warmup=warmup, floor=floor)


def _require(**settings: float) -> None:
    for name, value in settings.items():
        if not 0.0 < value < float("inf"):
            raise ValueError(f"{name} must be positive and finite, got {value}")
