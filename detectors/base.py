"""What every series detector can do, and the arrays in which it keeps what it learned."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]
Mask = NDArray[np.bool_]
State = dict[str, Float]

LARGEST = 1e150
"""A value beyond it is treated like an infinite one: its square can't be kept."""
SMALLEST = 1e-150
"""No unit of distance is smaller, so that every score is finite."""


class Followed(NamedTuple):
    """What was said of ``n`` values before each was learned, columns of shape ``(n,)``.

    Args:
        score: As ``score`` gives it.
        expected: As ``expected`` gives it.
        spread: As ``spread`` gives it.
    """

    score: Float
    expected: Float
    spread: Float


class SeriesDetector(Protocol):
    """A detector that follows many series at once, each in a row of its arrays.

    Rows never influence each other: the same values give the same scores, bit for bit, whether series are scored
    together or alone. ``rows`` are unique within a call, so a series moves on by at most one value a call.
    """

    cost: ClassVar[str]
    best_for: ClassVar[str]

    def __init__(self, **settings: Any) -> None:
        """Every class has keyword-only settings of its own, and validates them at once."""

    @property
    def n_series(self) -> int:
        """Number of rows."""

    @property
    def ignored(self) -> int:
        """Values that were not usable, over all present series."""

    def grow(self, n_series: int) -> None:
        """Make room for ``n_series`` series, new ones fresh; never shrinks."""

    def forget(self, rows: Int64) -> None:
        """Make these series fresh again, shape ``(m,)``."""

    def score(self, rows: Int64, values: Float, time_ms: Int64 | None = None) -> Float:
        """How odd each value is for its series, shape ``(m,)``: positive above, negative below, NaN until warm.

        Never learns. NaN also where the value is not finite. ``time_ms`` are event times, Unix ms, shape ``(m,)``, for
        detectors that know the time of day; without it they do without.
        """

    def learn(self, rows: Int64, values: Float, time_ms: Int64 | None = None) -> None:
        """Move each series on by its value, shape ``(m,)``. A value that is not finite is counted and ignored."""

    def follow(self, rows: Int64, values: Float, begins: Mask) -> Followed | None:
        """Score and learn values in stream order, in compiled code; ``None`` where there is none, and nothing is done.

        Gives what scoring and learning them one after the other gives, bit for bit.

        Args:
            rows: Series of each value, shape ``(n,)``; any may stand there again and again.
            values: Shape ``(n,)``.
            begins: Values before which their series is made fresh, shape ``(n,)``.
        """

    def expected(self, rows: Int64) -> Float:
        """What the next value is compared with, shape ``(m,)``; NaN where there is nothing yet."""

    def spread(self, rows: Int64) -> Float:
        """The unit in which the distance from ``expected`` is measured, shape ``(m,)``; NaN where there is none yet."""

    def state(self) -> State:
        """Copies of everything learned, each of shape ``(n_series,)`` or ``(n_series, width)``."""

    def view(self) -> State:
        """The same without a copy, to be read before anything else is learned."""

    def restore(self, state: Mapping[str, Float]) -> None:
        """Replace everything learned by copies of ``state``.

        Raises:
            ValueError: If ``state`` is not of this class.
        """


class ArrayDetector:
    """Base of detectors whose state is a fixed count of numbers a series: columns of float64 that grow by doubling.

    A subclass gives the columns with the value with which a series begins, and works on usable values only. If it
    knows the time of day it overrides ``_score_at`` and ``_learn_at``, else ``_score`` and ``_learn``.

    Args:
        fresh: Column name to first value.
        widths: Numbers a series of the columns that hold more than one.

    Cost: 8 bytes a number and series, at most twice that while growing.
    """

    def __init__(self, fresh: Mapping[str, float], widths: Mapping[str, int] | None = None) -> None:
        self._fresh = {"ignored": 0.0, **fresh}
        self._shapes = {name: (width,) for name, width in (widths or {}).items()}
        self._columns: State = {name: np.empty((0, *self._shapes.get(name, ()))) for name in self._fresh}
        self._n_series = 0

    @property
    def n_series(self) -> int:
        """Number of rows."""
        return self._n_series

    @property
    def ignored(self) -> int:
        """Values that were not usable, over all present series."""
        return int(self._columns["ignored"][: self._n_series].sum())

    def grow(self, n_series: int) -> None:
        """Make room for ``n_series`` series, new ones fresh; never shrinks."""
        have = self._n_series
        for name, column in self._columns.items():
            if n_series > len(column):  # memory is given for what is written to, so room for later costs nothing yet
                larger = np.empty((max(n_series, 2 * len(column)), *self._shapes.get(name, ())))
                larger[:have] = column[:have]
                self._columns[name] = larger
            self._columns[name][have:n_series] = self._fresh[name]
        self._n_series = max(self._n_series, n_series)

    def forget(self, rows: Int64) -> None:
        """Make these series fresh again, shape ``(m,)``."""
        for name, column in self._columns.items():
            column[rows] = self._fresh[name]

    def score(self, rows: Int64, values: Float, time_ms: Int64 | None = None) -> Float:
        """How odd each value is for its series, shape ``(m,)``: positive above, negative below, NaN until warm."""
        usable = np.abs(values) <= LARGEST
        return np.where(usable, self._score_at(rows, np.where(usable, values, 0.0), time_ms), np.nan)

    def learn(self, rows: Int64, values: Float, time_ms: Int64 | None = None) -> None:
        """Move each series on by its value, shape ``(m,)``. A value that is not finite is counted and ignored."""
        usable = np.abs(values) <= LARGEST
        if not usable.all():
            self._columns["ignored"][rows[~usable]] += 1.0
            rows, values = rows[usable], values[usable]
            time_ms = None if time_ms is None else time_ms[usable]
        self._learn_at(rows, values, time_ms)

    def follow(self, rows: Int64, values: Float, begins: Mask) -> Followed | None:  # noqa: ARG002
        """Nothing: most detectors are not compiled."""
        return None

    def state(self) -> State:
        """Copies of everything learned, each of shape ``(n_series,)`` or ``(n_series, width)``."""
        return {name: column.copy() for name, column in self.view().items()}

    def view(self) -> State:
        """The same without a copy, to be read before anything else is learned."""
        return {name: column[: self._n_series] for name, column in self._columns.items()}

    def restore(self, state: Mapping[str, Float]) -> None:
        """Replace everything learned by copies of ``state``.

        Raises:
            ValueError: If ``state`` is not of this class.
        """
        if set(state) != set(self._fresh):
            raise ValueError(f"state has the columns {sorted(state)}, expected {sorted(self._fresh)}")
        shapes = {name: np.shape(column) for name, column in state.items()}
        if any(shape[1:] != self._shapes.get(name, ()) or not shape for name, shape in shapes.items()):
            raise ValueError(f"columns of a state must be of the shapes of this detector, got {shapes}")
        lengths = {shape[0] for shape in shapes.values()}
        if len(lengths) != 1:
            raise ValueError(f"columns of a state must be of one length, got {sorted(lengths)}")
        self._columns = {name: np.array(state[name], np.float64) for name in self._fresh}
        self._n_series = min(lengths)

    def _score_at(self, rows: Int64, values: Float, time_ms: Int64 | None) -> Float:  # noqa: ARG002
        return self._score(rows, values)

    def _learn_at(self, rows: Int64, values: Float, time_ms: Int64 | None) -> None:  # noqa: ARG002
        self._learn(rows, values)

    def _score(self, rows: Int64, values: Float) -> Float:
        raise NotImplementedError

    def _learn(self, rows: Int64, values: Float) -> None:
        raise NotImplementedError


def standardise(distance: Float, unit: Float, fallback: Float) -> Float:
    """``distance / unit``, or by ``fallback`` where a series has no unit because all it ever saw was 0."""
    return distance / np.maximum(np.where(unit > 0.0, unit, fallback), SMALLEST)


def kept_share(half_life: float) -> float:
    """The share of its weight that a sample keeps at each step."""
    return float(2.0 ** (-1.0 / half_life))


def require_smoothing(half_life: float, warmup: int, floor: float) -> None:
    """Check the settings that smoothing detectors share.

    Raises:
        ValueError: If ``half_life`` or ``floor`` is not positive and finite, or ``warmup < 2``.
    """
    if not 0.0 < half_life < float("inf"):
        raise ValueError(f"half_life must be a positive number of observations, got {half_life}")
    if warmup < 2:
        raise ValueError(f"warmup must be at least 2 observations, got {warmup}")
    if not 0.0 < floor < float("inf"):
        raise ValueError(f"floor must be a positive fraction of the mean, got {floor}")
