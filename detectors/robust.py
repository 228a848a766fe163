"""Distance from the recent median."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.base import ArrayDetector, Float, Followed, Int64, Mask, standardise
from detectors.trees import compiled

NORMAL = 1.4826
"""A normal distribution's standard deviation in median absolute deviations."""
_WIDEST = 256  # places in a window that fit into a byte


class RobustZScore(ArrayDetector):
    """Score a value by its distance from the median of the last values, in units of their median absolute deviation.

    Up to half of the window may be outliers without moving centre or unit, so an incident stays odd until it fills half
    of the window, and is normal from then on. Wrong for series that mostly stand still: the unit is then the floor.

    Args:
        window: Last values looked at.
        warmup: Observations to learn before scores are numbers, at most ``window``.
        floor: The unit counts as at least this fraction of the median.

    Raises:
        ValueError: If ``warmup < 2``, ``window < warmup`` or ``floor`` is not positive and finite.

    Cost: O(window) time, 528 bytes for each series at the default window; where it is compiled 0.3 us a value, and 64
        bytes more.
    Reference: Hampel (1974), The influence curve and its role in robust estimation; Iglewicz, Hoaglin (1993), How to
        detect and handle outliers.

    >>> detector = RobustZScore(window=5, warmup=5)
    >>> detector.grow(1)
    >>> for value in (10.0, 12.0, 9.0, 900.0, 11.0):
    ...     detector.learn(np.array([0]), np.array([value]))
    >>> detector.score(np.array([0]), np.array([17.0])).round(1)
    array([4.])
    """

    cost: ClassVar[str] = "O(window) time, 528 bytes a series at 64 values"
    best_for: ClassVar[str] = "spikes in noise that itself has outliers"

    def __init__(self, *, window: int = 64, warmup: int = 30, floor: float = 0.01) -> None:
        if warmup < 2:
            raise ValueError(f"warmup must be at least 2 observations, got {warmup}")
        if window < warmup:
            raise ValueError(f"window must hold at least warmup ({warmup}) values, got {window}")
        if not 0.0 < floor < float("inf"):
            raise ValueError(f"floor must be a positive fraction of the median, got {floor}")
        super().__init__({"count": 0.0, "recent": np.nan}, {"recent": window})
        self._window, self._warmup, self._floor = window, warmup, floor
        self._order: NDArray[np.uint8] | None = None  # places in ``recent`` by value, while nothing else learns

    def expected(self, rows: Int64) -> Float:
        """The median, shape ``(m,)``; NaN until warm."""
        return self._centre_and_unit(rows)[0]

    def spread(self, rows: Int64) -> Float:
        """The median absolute deviation scaled to a normal's standard deviation, shape ``(m,)``; NaN until warm."""
        return self._centre_and_unit(rows)[1]

    def follow(self, rows: Int64, values: Float, begins: Mask) -> Followed | None:
        """Score and learn values in stream order; ``None`` without numba or for a window of more than 256."""
        loops = compiled()
        if loops is None or self._window > _WIDEST:
            return None
        count, recent, ignored = (self._columns[name] for name in ("count", "recent", "ignored"))
        order = self._ordered(recent)
        found = Followed(*(np.empty(len(values)) for _ in Followed._fields))
        limits = (self._window, self._warmup, self._floor)
        loops.follow_medians(count, recent, ignored, order, rows, values, begins, limits, tuple(found))
        return found

    def _ordered(self, recent: Float) -> NDArray[np.uint8]:
        """The places of each series' values in ascending order, to be kept up from then on."""
        if self._order is None:
            self._order = np.argsort(recent[: self._n_series], axis=1).astype(np.uint8)  # NaN, no value, comes last
        if len(self._order) < self._n_series:
            have, self._order = self._order, np.zeros(recent.shape, np.uint8)
            self._order[: len(have)] = have
        return self._order

    def restore(self, state: Mapping[str, Float]) -> None:
        """Replace everything learned by copies of ``state``.

        Raises:
            ValueError: If ``state`` is not of this class.
        """
        super().restore(state)
        self._order = None

    def _centre_and_unit(self, rows: Int64) -> tuple[Float, Float]:
        count = self._columns["count"][rows]
        recent = self._columns["recent"][rows]
        held = np.minimum(count, self._window).astype(np.int64)
        centre = _median(recent, held)
        unit = np.maximum(NORMAL * _median(np.abs(recent - centre[:, None]), held), self._floor * np.abs(centre))
        warm = count >= self._warmup
        return np.where(warm, centre, np.nan), np.where(warm, unit, np.nan)

    def _score(self, rows: Int64, values: Float) -> Float:
        centre, unit = self._centre_and_unit(rows)
        score = standardise(values - centre, unit, self._floor * np.abs(values))
        return np.where(self._columns["count"][rows] >= self._warmup, score, np.nan)

    def _learn(self, rows: Int64, values: Float) -> None:
        self._order = None
        count = self._columns["count"][rows]
        self._columns["recent"][rows, count.astype(np.int64) % self._window] = values
        self._columns["count"][rows] = count + 1.0


def _median(values: Float, held: Int64) -> Float:
    """Of the first ``held`` values in order of each row; what is not held is NaN, which sorts last."""
    ordered = np.sort(values, axis=1)
    at = np.arange(len(values))
    low = ordered[at, np.maximum(held - 1, 0) // 2]
    high = np.where(held % 2 == 1, low, ordered[at, np.minimum(held // 2, values.shape[1] - 1)])
    return np.asarray(
        0.5 * low + 0.5 * high + 0.0, np.float64
    )  # no negative zero, which may stand anywhere among zeros
