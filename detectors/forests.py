"""Random partitions of the space of recent values."""

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import SMALLEST, ArrayDetector, Float, Int64

_SHINGLE: Final = 4
_TREES: Final = 8
_DEPTH: Final = 5
_NODES: Final = 2 ** (_DEPTH + 1)
_SAMPLE: Final = 64
_STRIDE: Final = 4
_CUTTERS: Final = 12
_MOST_CUTS: Final = 10


class _Shingled(ArrayDetector):
    """Follows the last values of each series as a point, oldest first."""

    def __init__(self, fresh: dict[str, float], widths: dict[str, int], warmup: int) -> None:
        if warmup < 2 * _SHINGLE:
            raise ValueError(f"warmup must be at least {2 * _SHINGLE} observations, got {warmup}")
        super().__init__({"count": 0.0, "shingle": 0.0, **fresh}, {"shingle": _SHINGLE, **widths})
        self._warmup = warmup

    def expected(self, rows: Int64) -> Float:
        """The mean of the last values, shape ``(m,)``; NaN until warm."""
        mean = np.cumsum(self._columns["shingle"][rows], axis=1)[:, -1] / _SHINGLE
        return np.where(self._columns["count"][rows] >= self._warmup, mean, np.nan)

    def spread(self, rows: Int64) -> Float:
        """The range of the last values, shape ``(m,)``; NaN until warm."""
        recent = self._columns["shingle"][rows]
        span = np.maximum(recent.max(axis=1) - recent.min(axis=1), SMALLEST)
        return np.where(self._columns["count"][rows] >= self._warmup, span, np.nan)

    def _point(self, rows: Int64, values: Float) -> Float:
        """The last values with this one, shape ``(m, shingle)``; a series begins as if it had always been so."""
        before = self._columns["shingle"][rows][:, 1:]
        begins = (self._columns["count"][rows] == 0.0)[:, None]
        return np.concatenate([np.where(begins, values[:, None], before), values[:, None]], axis=1)


class HalfSpaceTrees(_Shingled):
    """Score how empty the part of the space is in which the last four values lie.

    Random trees halve the unit cube, which spans the lowest to the highest value seen, again and again. A node counts
    the points of the last full window; a point in a node with few for its size is odd. The score is ``log10`` of the
    mass expected there by volume over the mass found. The trees are the same for all series.

    Written here over many series at once: the well-kept implementation walks Python objects, some 0.2 ms a sample.

    Args:
        warmup: Observations of a window; masses are those of the last full one.
        seed: Of the random trees.

    Raises:
        ValueError: If ``warmup < 8``.

    Cost: O(trees * depth) time and 8,256 bytes for each series.
    Reference: Tan, Ting, Liu (2011), Fast anomaly detection for streaming data.

    >>> detector = HalfSpaceTrees(warmup=50)
    >>> detector.grow(1)
    >>> for i in range(150):
    ...     detector.learn(np.array([0]), np.array([40.0 + i % 3 + 60.0 * (i == 5)]))
    >>> usual, odd = (detector.score(np.array([0]), np.array([value]))[0] for value in (41.0, 90.0))
    >>> bool(odd > usual + 0.5)
    True
    """

    cost: ClassVar[str] = "O(1) time, 8,256 bytes a series"
    best_for: ClassVar[str] = "rare combinations of successive values; many series, little time"

    def __init__(self, *, warmup: int = 250, seed: int = 1) -> None:
        super().__init__(
            {"low": np.inf, "high": -np.inf, "mass": 0.0, "latest": 0.0},
            {"mass": _TREES * _NODES, "latest": _TREES * _NODES},
            warmup,
        )
        rng = np.random.default_rng(seed)
        self._axes = rng.integers(0, _SHINGLE, (_TREES, _NODES))
        self._cuts = _half_spaces(self._axes, rng)

    def _path(self, point: Float) -> Int64:
        """Nodes from below the root down to the leaf, shape ``(m, trees, depth)``."""
        trees = np.arange(_TREES)
        node = np.ones((len(point), _TREES), np.int64)
        path = np.empty((len(point), _TREES, _DEPTH), np.int64)
        for depth in range(_DEPTH):
            value = np.take_along_axis(point, self._axes[trees, node], axis=1)
            node = 2 * node + (value >= self._cuts[trees, node])
            path[:, :, depth] = node + trees * _NODES
        return path

    def _unit(self, rows: Int64, point: Float) -> Float:
        low, high = self._columns["low"][rows][:, None], self._columns["high"][rows][:, None]
        span = np.where(np.isfinite(low) & (high > low), high - low, 1.0)
        return np.clip((point - np.where(np.isfinite(low), low, point)) / span, -1.0, 2.0)

    def _score(self, rows: Int64, values: Float) -> Float:
        path = self._path(self._unit(rows, self._point(rows, values)))
        mass = np.take_along_axis(
            self._columns["mass"][rows], path.reshape(len(rows), _TREES * _DEPTH), axis=1
        ).reshape(path.shape)
        scaled = (mass + 0.5) * 2.0 ** np.arange(1, _DEPTH + 1)
        score = np.log10(self._warmup / scaled.min(axis=2))
        total = np.zeros(len(rows))
        for tree in range(_TREES):
            total = total + score[:, tree]
        return np.where(self._columns["count"][rows] >= self._warmup, np.maximum(total / _TREES, 0.0), np.nan)

    def _learn(self, rows: Int64, values: Float) -> None:
        point = self._point(rows, values)
        self._columns["low"][rows] = np.minimum(self._columns["low"][rows], values)
        self._columns["high"][rows] = np.maximum(self._columns["high"][rows], values)
        path = self._path(self._unit(rows, point)).reshape(len(rows), _TREES * _DEPTH)
        self._columns["latest"][rows[:, None], path] += 1.0  # nodes of a path differ
        self._columns["shingle"][rows] = point
        count = self._columns["count"][rows] + 1.0
        self._columns["count"][rows] = count
        full = rows[count % self._warmup == 0.0]
        self._columns["mass"][full] = self._columns["latest"][full]
        self._columns["latest"][full] = 0.0


def _half_spaces(axes: NDArray[np.int64], rng: np.random.Generator) -> Float:
    """Where each node cuts its axis: in the middle of its box, within a random work space around the unit cube."""
    centre = rng.uniform(0.0, 1.0, (_TREES, _SHINGLE))
    reach = 2.0 * np.maximum(centre, 1.0 - centre)
    boxes = np.empty((_TREES, _NODES, _SHINGLE, 2))
    boxes[:, 1] = np.stack([centre - reach, centre + reach], axis=-1)
    cuts = np.zeros(axes.shape)
    for node in range(1, _NODES // 2):
        for tree in range(_TREES):
            axis = axes[tree, node]
            cuts[tree, node] = boxes[tree, node, axis].mean()
            for side in (0, 1):
                boxes[tree, 2 * node + side] = boxes[tree, node]
                boxes[tree, 2 * node + side, axis, 1 - side] = cuts[tree, node]
    return cuts


class RandomCuts(_Shingled):
    """Score by how many kept points random cuts part from the last four values at once: a bounded random cut forest.

    The forest's trees are not kept: 64 points, every fourth of the last 256, are. For a new point the cuts along its
    own path are drawn, an axis by its share of the ranges, a place uniformly, until it is alone. A cut that parts many
    points from few displaces many; the score is the largest such ratio on the path, meant over the paths.

    Written here: the well-kept implementation holds trees of Python objects, several ms a sample. All series and
    samples share the random numbers, so a score is a function of the points alone.

    Args:
        warmup: Observations to learn before scores are numbers.
        seed: Of the random numbers.

    Raises:
        ValueError: If ``warmup < 8``.

    Cost: O(paths * points) time, about 1 ms for one series and 0.2 ms each for many; 2,096 bytes a series.
    Reference: Guha, Mishra, Roy, Schrijvers (2016), Robust random cut forest based anomaly detection on streams.

    >>> detector = RandomCuts(warmup=50)
    >>> detector.grow(1)
    >>> for i in range(300):
    ...     detector.learn(np.array([0]), np.array([40.0 + i % 3]))
    >>> usual, odd = (detector.score(np.array([0]), np.array([value]))[0] for value in (40.0, 90.0))
    >>> bool(odd > 3 * usual)
    True
    """

    cost: ClassVar[str] = "O(1) time but 0.2 ms a sample, 2,096 bytes a series"
    best_for: ClassVar[str] = "odd shapes of successive values in few series"

    def __init__(self, *, warmup: int = 256, seed: int = 1) -> None:
        super().__init__({"points": np.nan}, {"points": _SAMPLE * _SHINGLE}, warmup)
        self._axis, self._place = np.random.default_rng(seed).uniform(size=(2, _MOST_CUTS, _CUTTERS))

    def _score(self, rows: Int64, values: Float) -> Float:
        point = self._point(rows, values)[:, None, :]
        points = self._columns["points"][rows].reshape(len(rows), 1, _SAMPLE, _SHINGLE)
        together = np.repeat(~np.isnan(points[..., 0]), _CUTTERS, axis=1)  # (m, paths, points)
        worst = np.zeros((len(rows), _CUTTERS))
        for axis_at, place in zip(self._axis, self._place, strict=True):
            mask = together[..., None]
            low = np.minimum(np.where(mask, points, np.inf).min(axis=2), point)
            high = np.maximum(np.where(mask, points, -np.inf).max(axis=2), point)
            span = np.cumsum(high - low, axis=2)
            axis = (axis_at[None, :, None] * span[..., -1:] >= span).sum(axis=2).clip(max=_SHINGLE - 1)[..., None]
            bottom, top = (np.take_along_axis(edge, axis, axis=2) for edge in (low, high))
            cut = bottom + place[None, :, None] * (top - bottom)
            own = np.take_along_axis(np.broadcast_to(point, low.shape), axis, axis=2) > cut
            theirs = np.take_along_axis(np.broadcast_to(points, (*together.shape, _SHINGLE)), axis[:, :, None], 3)
            parted = together & ((theirs[..., 0] > cut) != own)
            n_parted, n_left = parted.sum(axis=2), (together & ~parted).sum(axis=2)
            worst = np.maximum(worst, n_parted / (n_left + 1.0))
            together &= ~parted
        total = np.zeros(len(rows))
        for path in range(_CUTTERS):
            total = total + worst[:, path]
        return np.where(self._columns["count"][rows] >= self._warmup, total / _CUTTERS, np.nan)

    def _learn(self, rows: Int64, values: Float) -> None:
        point = self._point(rows, values)
        count = self._columns["count"][rows].astype(np.int64)
        kept = np.flatnonzero(count % _STRIDE == 0)
        slot = (count[kept] // _STRIDE) % _SAMPLE
        self._columns["points"][rows[kept][:, None], slot[:, None] * _SHINGLE + np.arange(_SHINGLE)] = point[kept]
        self._columns["shingle"][rows] = point
        self._columns["count"][rows] = count + 1.0
