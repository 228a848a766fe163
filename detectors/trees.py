"""Oblivious decision trees, and what they say of records, in columns.

An oblivious tree asks the same question of all records at a level, so a record's leaf is the number that its answers
spell, and a tree of depth 4 is scored by four comparisons of whole columns and one look-up::

    streak > 2.5?  ratio > 3.1?  amount > 18250?      leaf = 0b101 = 5      margin += leaves[5]
         1              0              1

A missing value (NaN) answers no.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]
Single = NDArray[np.float32]
State = dict[str, NDArray[np.generic]]

_BLOCK = 8_192  # columns of so many records stay in the processor's cache


@cache
def compiled() -> ModuleType | None:
    """Compiled loops for what takes longest; ``None`` where numba, an extra, is not installed."""
    try:
        return import_module("detectors.compiled")
    except ImportError:
        return None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ObliviousTrees:
    """A fitted model; its margin is the log odds of fraud.

    Args:
        base: Margin before the first tree.
        feature: Which feature each question is about, shape ``(trees, depth)``.
        limit: The answer is yes above it, shape ``(trees, depth)``.
        leaves: What each leaf adds to the margin, shape ``(trees, 2 ** depth)``.
        cover: Weight of the examples in each leaf, shape ``(trees, 2 ** depth)``.
    """

    base: float
    feature: Int64
    limit: Single
    leaves: Float
    cover: Float

    def margin(self, x: Single) -> Float:
        """Log odds of each record, shape ``(n,)``, from features of shape ``(n, n_features)``.

        Cost: about 5 ns a record and tree of depth 4, 1 ns where it is compiled.
        """
        margins, loops = np.full(len(x), self.base), compiled()
        for start, columns in _blocks(x):
            total = margins[start : start + columns.shape[1]]
            if loops is not None:
                loops.add_leaves(columns, self.feature, self.limit, self.leaves, total)
                continue
            for tree in range(len(self.leaves)):
                total += self.leaves[tree, self._leaf(tree, columns)]
        return margins

    def contributions(self, x: Single) -> Float:
        """What each feature adds to the margin, shape ``(n, n_features)``; the rest of the margin is the same for all.

        Each answer moves the expected leaf; the move is put down to the feature that was asked about.

        Cost: about 20 us a call and tree, and 0.1 us a record and tree, a tenth of it where it is compiled; for records
        that are shown to people.
        Reference: Saabas (2014), Interpreting random forests.
        """
        added, loops = np.zeros(x.shape), compiled()
        columns, depth = np.ascontiguousarray(x.T), self.feature.shape[1]
        expected = [_prefix_means(self.leaves, self.cover, level) for level in range(depth + 1)]
        if loops is not None:
            loops.add_moves(np.ascontiguousarray(x), self.feature, self.limit, np.concatenate(expected, axis=1), added)
            return added
        for tree in range(len(self.leaves)):
            leaf = self._leaf(tree, columns).astype(np.int64)
            for level in range(depth):
                before = expected[level][tree, leaf >> (depth - level)]
                after = expected[level + 1][tree, leaf >> (depth - level - 1)]
                added[:, self.feature[tree, level]] += after - before
        return added

    def _leaf(self, tree: int, columns: Single) -> NDArray[np.uint8]:
        leaf = np.zeros(columns.shape[1], np.uint8)
        for feature, limit in zip(self.feature[tree].tolist(), self.limit[tree], strict=True):
            leaf <<= 1
            leaf |= columns[feature] > limit
        return leaf

    def state(self) -> State:
        """Copies of everything, for ``from_state``."""
        names = ("feature", "limit", "leaves", "cover")
        return {"base": np.array([self.base]), **{name: getattr(self, name).copy() for name in names}}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.generic]]) -> "ObliviousTrees":
        """The model with a copy of ``state``, in the layout of a fitted one: sums then have the same order."""
        return cls(
            base=float(state["base"][0]),
            feature=np.array(state["feature"], np.int64, order="C"),
            limit=np.array(state["limit"], np.float32, order="C"),
            leaves=np.array(state["leaves"], np.float64, order="C"),
            cover=np.array(state["cover"], np.float64, order="C"),
        )


def _blocks(x: Single) -> Iterator[tuple[int, Single]]:
    for start in range(0, len(x), _BLOCK):
        yield start, np.ascontiguousarray(x[start : start + _BLOCK].T)


def _prefix_means(leaves: Float, cover: Float, level: int) -> Float:
    """The expected leaf of each tree once ``level`` answers are known, shape ``(trees, 2 ** level)``."""
    shape = (len(leaves), 1 << level, -1)
    weight = cover.reshape(shape)
    total = weight.sum(axis=2)
    mean = (weight * leaves.reshape(shape)).sum(axis=2) / np.where(total > 0.0, total, 1.0)
    return np.asarray(mean, np.float64)
