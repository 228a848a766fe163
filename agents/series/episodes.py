"""When a series' scores become an alert: once an episode, and never while it is only learned."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.spec import DetectorSpec
from tables.slices import optional

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]
Mask = NDArray[np.bool_]

compiled = optional(lambda: import_module("agents.series.compiled"))

_NONE: Final = np.empty(0, np.int64)
_SIGNS: Final = {"both": 0.0, "up": 1.0, "down": -1.0}
_FRESH: Final = {
    "firing": (np.bool_, False),
    "samples": (np.int64, 0),
    "beyond": (np.int64, -1),
    "raised": (np.bool_, False),
}


def passes(rows: Int64) -> Iterator[Int64]:
    """Indices of the first sample of each row, then of the second of each row that has one, and so on."""
    if len(rows) == 0:
        return
    order = np.argsort(rows, kind="stable")
    begins = np.flatnonzero(np.diff(rows[order], prepend=-1))
    lengths = np.diff(begins, append=len(rows))
    ordinal = np.arange(len(rows)) - np.repeat(begins, lengths)
    by_ordinal = order[np.argsort(ordinal, kind="stable")]
    yield from np.split(by_ordinal, np.cumsum(np.bincount(ordinal))[:-1])


class Step(NamedTuple):
    """What a step said, each of shape ``(m,)``.

    Args:
        fires: Samples that begin an episode and raise an alert.
        scores: To report: as given, but at or beyond the threshold only where one fires; others are folded to between
            half of it and all of it, in their order.
        ends: Samples that end an episode which had raised one.
    """

    fires: Mask
    scores: Float
    ends: Mask


class Episodes:
    r"""Where each series stands between quiet and alarmed, in arrays with a row a series.

    An episode begins with a score at or beyond the threshold, which fires. It ends with a score back below ``clear``,
    but not before the series was below the threshold for the share ``rest`` of all the samples it ever had; a missing
    score neither begins nor ends one. A rest as a share has no unit: an incident of a series known for an hour lasts
    minutes, of one known for months days. During calibration episodes begin and end, but none fires::

        score  ___/^^\\__/^\\_____________/^^\\___      ^ at or beyond the threshold
        fires     |                     |
        rest          <-->  <---------->              counted anew from each sample beyond

    Args:
        spec: Limits, direction and rest.

    Raises:
        ValueError: If the limits make no sense.

    Cost: some numpy calls for all series of a pass, or 20 ns a score where it is compiled; 18 bytes a series.
    """

    def __init__(self, spec: DetectorSpec) -> None:
        clear = spec.threshold if spec.clear is None else spec.clear
        if not 0.0 < spec.threshold < float("inf"):
            raise ValueError(f"threshold of detector {spec.name!r} must be a positive score, got {spec.threshold}")
        if not 0.0 < clear <= spec.threshold:
            raise ValueError(
                f"clear of detector {spec.name!r} must be positive and at most threshold {spec.threshold}, got {clear}"
            )
        if not 0.0 <= spec.rest < 1.0:
            raise ValueError(f"rest of detector {spec.name!r} must be a share from 0 to less than 1, got {spec.rest}")
        self.clear = float(clear)
        self._threshold, self._rest, self._direction = float(spec.threshold), float(spec.rest), spec.direction
        self._columns: dict[str, NDArray[Any]] = {name: np.empty(0, dtype) for name, (dtype, _) in _FRESH.items()}

    def grow(self, n_series: int) -> None:
        """Make room, new series fresh; never shrinks."""
        have = len(self._columns["firing"])
        if n_series > have:
            more = max(16, n_series)
            for name, (dtype, fresh) in _FRESH.items():
                self._columns[name] = np.concatenate([self._columns[name], np.full(more, fresh, dtype)])

    def forget(self, rows: Int64) -> None:
        """Make these series fresh again, shape ``(m,)``."""
        for name, (_, fresh) in _FRESH.items():
            self._columns[name][rows] = fresh

    def step(self, rows: Int64, score: Float, calibration: Int64 | None = None) -> Step:
        """Move each series on by one score.

        Args:
            rows: Unique series, shape ``(m,)``.
            score: Shape ``(m,)``, NaN for none.
            calibration: How many first samples of each series only teach, shape ``(m,)``; ``None`` for none.
        """
        firing, samples, beyond, raised = (self._columns[name] for name in _FRESH)
        odd = {"both": np.abs, "up": np.positive, "down": np.negative}[self._direction](score)
        over = odd >= self._threshold
        at, last = samples[rows], beyond[rows]
        resting = (last >= 0) & (at - last <= self._rest * (at + 1))
        fires = over & ~firing[rows] & ~resting
        if calibration is not None:
            fires &= at >= calibration
        goes_on = over | (firing[rows] & ~(odd < self.clear))
        ends = raised[rows] & ~goes_on
        firing[rows] = goes_on
        raised[rows] = fires | (raised[rows] & goes_on)
        beyond[rows] = np.where(over, at, last)
        samples[rows] = at + 1
        size = np.where(over, np.abs(score), 0.0)
        folded = np.sign(score) * self._threshold * size / (self._threshold + size)
        return Step(fires, np.where(over & ~fires, folded, score), ends)

    def follow(self, rows: Int64, begins: Mask, score: Float, calibration: Int64 | None = None) -> Step:
        """Move series on by scores in stream order.

        Args:
            rows: Series, shape ``(n,)``; any may stand there again and again.
            begins: Scores before which their series is made fresh, shape ``(n,)``.
            score: See ``step``, shape ``(n,)``.
            calibration: See ``step``, shape ``(n,)``.
        """
        n, loops = len(rows), compiled()
        found = Step(np.empty(n, np.bool_), np.empty(n), np.empty(n, np.bool_))
        if loops is None:
            for at in passes(rows):
                self.forget(rows[at][begins[at]])
                taught = None if calibration is None else calibration[at]
                for whole, part in zip(found, self.step(rows[at], score[at], taught), strict=True):
                    whole[at] = part
            return found
        limits = (self._threshold, self.clear, self._rest, _SIGNS[self._direction])
        columns = tuple(self._columns[name] for name in _FRESH)
        loops.follow(columns, limits, rows, begins, score, _NONE if calibration is None else calibration, tuple(found))
        return found

    def state(self, n_series: int) -> dict[str, NDArray[np.generic]]:
        """Copies of the first rows of everything, for ``restore``."""
        return {name: column[:n_series].copy() for name, column in self._columns.items()}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Replace everything by copies of what ``state`` gave; without ``raised`` nobody waits for an end."""
        quiet = np.zeros(len(state["firing"]), np.bool_)
        self._columns = {
            name: np.array(state.get(name, quiet) if name == "raised" else state[name], dtype)
            for name, (dtype, _) in _FRESH.items()
        }

    @staticmethod
    def names() -> tuple[str, ...]:
        """Names of the columns of a state."""
        return tuple(_FRESH)
