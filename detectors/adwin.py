"""An adaptive window: has the mean changed?"""

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import SMALLEST, ArrayDetector, Float, Int64

_LEVELS: Final = 16  # a window of at most 5 * 65,535 values
_SLOTS: Final = 6  # five buckets a level, and one before two of them are merged
_SIZES: Final = np.repeat(2.0 ** np.arange(_LEVELS - 1, -1, -1), _SLOTS)  # oldest bucket first


class Adwin(ArrayDetector):
    """Score how surely the newest values of a window have another mean than those before: 1 is a change.

    The window is kept as buckets of doubling size (exponential histogram). At each border the means on both sides are
    compared; the score is the largest difference in units of what chance allows, positive for a rise. At 1 or more the
    older side is dropped, so the window is as long as the mean lasts.

    Written here over many series at once: the well-kept implementations hold one series an object, which costs a call a
    sample, and their state is no array.

    Args:
        delta: Probability of a false cut.
        warmup: Observations to learn before scores are numbers.

    Raises:
        ValueError: If ``delta`` is not between 0 and 1, or ``warmup < 2``.

    Cost: O(log n) time and 1,680 bytes for each series.
    Reference: Bifet, Gavalda (2007), Learning from time-changing data with adaptive windowing.

    >>> detector = Adwin(warmup=10)
    >>> detector.grow(1)
    >>> row = np.array([0])
    >>> for i in range(200):
    ...     detector.learn(row, np.array([i % 3 + (0.0 if i < 150 else 5.0)]))
    >>> detector.expected(row).round(1)
    array([6.])
    """

    cost: ClassVar[str] = "O(log n) time, 1,680 bytes a series"
    best_for: ClassVar[str] = "when the mean has changed for good, and since when"

    def __init__(self, *, delta: float = 0.002, warmup: int = 30) -> None:
        if not 0.0 < delta < 1.0:
            raise ValueError(f"delta must be a probability between 0 and 1, got {delta}")
        if warmup < 2:
            raise ValueError(f"warmup must be at least 2 observations, got {warmup}")
        buckets = _LEVELS * _SLOTS
        super().__init__(
            {"count": 0.0, "used": 0.0, "sums": 0.0, "squares": 0.0},
            {"used": _LEVELS, "sums": buckets, "squares": buckets},
        )
        self._delta, self._warmup = delta, warmup

    def expected(self, rows: Int64) -> Float:
        """The mean of the window, shape ``(m,)``; NaN until warm."""
        size, total, _ = self._totals(rows)
        return np.where(self._columns["count"][rows] >= self._warmup, total / np.maximum(size, 1.0), np.nan)

    def spread(self, rows: Int64) -> Float:
        """The standard deviation of the window, shape ``(m,)``; NaN until warm."""
        size, total, squares = self._totals(rows)
        mean = total / np.maximum(size, 1.0)
        deviation = np.sqrt(np.maximum(squares / np.maximum(size, 1.0) - mean * mean, 0.0))
        return np.where(self._columns["count"][rows] >= self._warmup, deviation, np.nan)

    def _held(self, rows: Int64) -> Float:
        """Values in each bucket, oldest first, 0 where there is none, shape ``(m, buckets)``."""
        used = self._columns["used"][rows][:, ::-1]  # level 0 holds the newest
        slot = np.tile(np.arange(_SLOTS), _LEVELS)
        return np.where(slot < np.repeat(used, _SLOTS, axis=1), _SIZES, 0.0)

    def _totals(self, rows: Int64) -> tuple[Float, Float, Float]:
        parts = (self._held(rows), self._columns["sums"][rows], self._columns["squares"][rows])
        size, total, squares = (np.cumsum(part, axis=1)[:, -1] for part in parts)
        return size, total, squares

    def _cuts(self, rows: Int64, values: Float) -> Float:
        """Difference of the means at each border in units of what chance allows, shape ``(m, buckets)``."""
        old = np.cumsum(self._held(rows), axis=1)
        old_sum = np.cumsum(self._columns["sums"][rows], axis=1)
        total_size = old[:, -1:] + 1.0
        total = old_sum[:, -1:] + values[:, None]
        square = np.cumsum(self._columns["squares"][rows], axis=1)[:, -1:] + (values * values)[:, None]
        new, new_sum = total_size - old, total - old_sum
        mean = total / total_size
        variance = np.maximum(square / total_size - mean * mean, 0.0)
        harmonic = 1.0 / (1.0 / np.maximum(old, 1.0) + 1.0 / new)
        log = np.log(2.0 * np.log(np.maximum(total_size, 3.0)) / self._delta)
        # The paper's second term is for values from 0 to 1; here the deviation is the unit.
        unit = np.sqrt(variance)
        allowed = unit * (np.sqrt(2.0 / harmonic * log) + 2.0 / (3.0 * harmonic) * log)
        difference = new_sum / new - old_sum / np.maximum(old, 1.0)
        # Rounding of the sums is no difference.
        noise = 1e-9 * np.abs(mean)
        usable = (old > 0.0) & (np.abs(difference) > noise)
        return np.where(usable, difference / np.maximum(allowed, SMALLEST + noise), 0.0)

    def _score(self, rows: Int64, values: Float) -> Float:
        cuts = self._cuts(rows, values)
        best = np.abs(cuts).argmax(axis=1)
        return np.where(self._columns["count"][rows] >= self._warmup, cuts[np.arange(len(rows)), best], np.nan)

    def _learn(self, rows: Int64, values: Float) -> None:
        self._drop(rows, values)
        used, sums, squares = (self._columns[name][rows] for name in ("used", "sums", "squares"))
        sums, squares = (part.reshape(len(rows), _LEVELS, _SLOTS) for part in (sums, squares))
        add = np.ones(len(rows), np.bool_)
        carried = values, values * values
        for level in range(_LEVELS):
            at = _LEVELS - 1 - level
            slot = np.minimum(used[:, level], _SLOTS - 1).astype(np.int64)
            for part, carry in zip((sums, squares), carried, strict=True):
                part[add, at, slot[add]] = carry[add]
            used[:, level] += add
            full = used[:, level] >= _SLOTS
            carried = _pair(sums, at, full), _pair(squares, at, full)
            for part in (sums, squares):
                part[full, at, :-2], part[full, at, -2:] = part[full, at, 2:], 0.0
            used[full, level] -= 2
            add = full
        self._columns["used"][rows] = used
        self._columns["sums"][rows] = sums.reshape(len(rows), _LEVELS * _SLOTS)
        self._columns["squares"][rows] = squares.reshape(len(rows), _LEVELS * _SLOTS)
        self._columns["count"][rows] += 1.0

    def _drop(self, rows: Int64, values: Float) -> None:
        """Forget the older side of the surest cut, where one is sure."""
        cuts = np.abs(self._cuts(rows, values))
        best = np.where(self._columns["count"][rows] >= self._warmup, cuts.argmax(axis=1), -1)
        sure = (best >= 0) & (cuts[np.arange(len(rows)), np.maximum(best, 0)] >= 1.0)
        if not sure.any():
            return
        rows, best = rows[sure], best[sure]
        gone = np.arange(_LEVELS * _SLOTS) <= best[:, None]
        kept = (~gone & (self._held(rows) > 0.0)).reshape(len(rows), _LEVELS, _SLOTS)
        order = np.argsort(~kept, axis=2, kind="stable")
        for name in ("sums", "squares"):
            part = np.where(kept, self._columns[name][rows].reshape(kept.shape), 0.0)
            self._columns[name][rows] = np.take_along_axis(part, order, axis=2).reshape(len(rows), _LEVELS * _SLOTS)
        self._columns["used"][rows] = kept.sum(axis=2)[:, ::-1]


def _pair(part: Float, at: int, full: NDArray[np.bool_]) -> Float:
    """The two oldest buckets of a level as one, where it is full."""
    return np.where(full, part[:, at, 0] + part[:, at, 1], 0.0)
