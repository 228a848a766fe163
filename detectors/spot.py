"""Extreme values."""

from typing import ClassVar

import numpy as np

from detectors.base import SMALLEST, ArrayDetector, Float, Int64, kept_share

_HIGHEST = 300.0


class Spot(ArrayDetector):
    """Score a value by ``-log10`` of the probability of one so extreme, from the tail of those before it (DSPOT).

    What a moving mean leaves over is the quantity. The ``share`` of largest ones, on each side, are peaks; how far they
    exceed the limit follows a generalised Pareto distribution, whatever the quantity is distributed like. Its shape
    and scale come from the moments of the peaks, in O(1); the paper's maximum likelihood needs all of them. The shape
    is taken as at least 0: a tail that ends would make any value beyond it infinitely odd.

    Args:
        share: Share of values that count as peaks, on each side.
        depth: Observations over which the moving mean halves a weight; 0 for no moving mean (plain SPOT).
        memory: Observations after which a peak's weight has halved.
        warmup: Observations to learn before scores are numbers.

    Raises:
        ValueError: If ``share`` is not in (0, 0.5), ``depth`` is negative, ``memory`` not positive, or ``warmup < 2``.

    Cost: O(1) time and 96 bytes for each series.
    Reference: Siffer, Fouque, Termier, Largouet (2017), Anomaly detection in streams with extreme value theory;
        Hosking, Wallis (1987), Parameter and quantile estimation for the generalized Pareto distribution (moments).

    >>> detector = Spot(warmup=50)
    >>> detector.grow(1)
    >>> for i in range(300):
    ...     detector.learn(np.array([0]), np.array([10.0 + i * i % 7]))
    >>> float(detector.score(np.array([0]), np.array([60.0]))[0]) > 4
    True
    """

    cost: ClassVar[str] = "O(1) time, 96 bytes a series"
    best_for: ClassVar[str] = "a stated false alarm rate, whatever the noise is distributed like"

    def __init__(self, *, share: float = 0.02, depth: float = 10.0, memory: float = 5_000.0, warmup: int = 200) -> None:
        if not 0.0 < share < 0.5:
            raise ValueError(f"share must be between 0 and 0.5, got {share}")
        if not 0.0 <= depth < float("inf"):
            raise ValueError(f"depth must be 0 or a positive number of observations, got {depth}")
        if not 0.0 < memory < float("inf"):
            raise ValueError(f"memory must be a positive number of observations, got {memory}")
        if warmup < 2:
            raise ValueError(f"warmup must be at least 2 observations, got {warmup}")
        columns = {"count": 0.0, "mean": 0.0, "size": 0.0, "limit": 0.0, "peaks": 0.0, "excess": 0.0, "squares": 0.0}
        super().__init__(columns, dict.fromkeys(("limit", "peaks", "excess", "squares"), 2))
        self._share, self._warmup, self._memory = share, warmup, memory
        self._follow = 1.0 - kept_share(depth) if depth else 0.0
        self._keep = kept_share(memory)

    def expected(self, rows: Int64) -> Float:
        """The moving mean, shape ``(m,)``; NaN until warm."""
        return np.where(self._columns["count"][rows] >= self._warmup, self._columns["mean"][rows], np.nan)

    def spread(self, rows: Int64) -> Float:
        """The larger of both limits, shape ``(m,)``; NaN until warm."""
        limit = np.maximum(np.abs(self._columns["limit"][rows]).max(axis=1), SMALLEST)
        return np.where(self._columns["count"][rows] >= self._warmup, limit, np.nan)

    def _excess(self, rows: Int64, values: Float) -> Float:
        rest = values - self._columns["mean"][rows]
        return np.stack([rest, -rest], axis=1) - self._columns["limit"][rows]

    def _score(self, rows: Int64, values: Float) -> Float:
        excess = np.maximum(self._excess(rows, values), 0.0)
        size = self._columns["size"][rows][:, None]
        peaks = self._columns["peaks"][rows]
        mean = (self._columns["excess"][rows] + size) / (peaks + 1.0)  # one peak of the usual size as a prior
        square = (self._columns["squares"][rows] + 2.0 * size * size) / (peaks + 1.0)
        mean = np.maximum(mean, SMALLEST)
        ratio = mean * mean / np.maximum(square - mean * mean, SMALLEST * SMALLEST)
        shape = np.clip(0.5 * (1.0 - ratio), 1e-6, 0.5)
        scale = mean * (1.0 - shape)
        tail = np.log1p(shape * np.minimum(excess / scale, 1e300)) / shape / np.log(10.0) - np.log10(self._share)
        tail = np.where(excess > 0.0, np.minimum(tail, _HIGHEST), 0.0)
        score = np.where(tail[:, 0] >= tail[:, 1], tail[:, 0], -tail[:, 1])
        return np.where(self._columns["count"][rows] >= self._warmup, score, np.nan)

    def _learn(self, rows: Int64, values: Float) -> None:
        count = self._columns["count"][rows] + 1.0
        first = count == 1.0
        self._columns["mean"][rows] = np.where(first, values, self._columns["mean"][rows])
        excess = self._excess(rows, values)
        beyond = excess > 0.0
        peak = np.minimum(np.where(beyond, excess, 0.0), 1e150)
        keep = np.where(beyond, self._keep, 1.0)
        self._columns["peaks"][rows] = keep * self._columns["peaks"][rows] + beyond
        self._columns["excess"][rows] = keep * self._columns["excess"][rows] + peak
        self._columns["squares"][rows] = keep * self._columns["squares"][rows] + peak * peak
        rest = values - self._columns["mean"][rows]
        size = self._columns["size"][rows]
        pace = 1.0 / np.minimum(count, self._memory)
        size = size + (np.abs(rest) - size) * pace
        step = (20.0 * size * pace)[:, None]
        self._columns["limit"][rows] += step * np.where(beyond, 1.0 - self._share, -self._share)
        self._columns["size"][rows] = size
        follow = np.maximum(self._follow, pace)
        self._columns["mean"][rows] += follow * rest
        self._columns["count"][rows] = count
