"""The newest labelled examples of one kind, in a ring, so that few blocks of it change when a few come in."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Single = NDArray[np.float32]
State = dict[str, NDArray[np.generic]]

BLOCK = 1024
"""Examples that are stored together."""


class Examples:
    """At most ``most`` examples; the oldest goes first. The ``k``-th ever taken in stands at ``k % most``.

    ::

        most = 4, added = 6        slot     0  1  2  3
                                   example  4  5  2  3        the next one takes the place of 2

    Args:
        most: How many are kept.
        n_features: Of an example.

    Cost: a copy of what comes in. Memory: ``4 * n_features + 8`` bytes an example, for as many as are there, rounded up
        to a power of two.
    """

    def __init__(self, most: int, n_features: int) -> None:
        self.added = 0
        self._most = most
        self._x = np.empty((0, n_features), np.float32)
        self._number = np.empty(0, np.int64)

    def __len__(self) -> int:
        return min(self.added, self._most)

    @property
    def oldest(self) -> int:
        """Number of the label before which nothing is known: 0 until an example had to go."""
        return int(self._number[self.added % self._most]) if len(self) == self._most else 0

    def add(self, x: Single, number: Int64) -> None:
        """Take examples in.

        Args:
            x: Their features, shape ``(n, n_features)``.
            number: Of the label of each, ascending, shape ``(n,)``.
        """
        skipped = max(0, len(x) - self._most)
        slots = (self.added + np.arange(skipped, len(x))) % self._most
        self.added += len(x)
        self._reach(len(self))
        self._x[slots], self._number[slots] = x[skipped:], number[skipped:]

    def rows(self) -> Single:
        """Features, oldest first, shape ``(n, n_features)``."""
        start = self.added % self._most if len(self) == self._most else 0
        return np.concatenate([self._x[start : len(self)], self._x[:start]])

    def since(self, number: int) -> int:
        """Examples of labels from ``number`` on."""
        return int((self._number[: len(self)] >= number).sum())

    def changed(self, since: int) -> list[int]:
        """Blocks of the ring that hold an example taken in after the first ``since`` ones, ascending."""
        fresh = np.arange(max(since, self.added - self._most), self.added)
        return [int(block) for block in np.unique(fresh % self._most // BLOCK)]

    def block(self, number: int) -> State:
        """Copies of what one block of the ring holds."""
        part = slice(number * BLOCK, min((number + 1) * BLOCK, len(self)))
        return {"x": self._x[part].copy(), "number": self._number[part].copy()}

    def state(self) -> State:
        """Copies of everything."""
        held = slice(0, len(self))
        return {"x": self._x[held].copy(), "number": self._number[held].copy(), "added": np.array([self.added])}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Replace everything by copies of ``state``.

        Raises:
            ValueError: If ``state`` is not of such a ring.
        """
        x, number, added = state["x"], state["number"], int(state["added"][0])
        fits = x.shape == (len(number), self._x.shape[1]) and len(number) == min(added, self._most)
        if not fits:
            raise ValueError(
                f"stored examples of shape {x.shape} do not fit, expected at most {self._most} of {self._x.shape[1]}"
            )
        self._x, self._number = np.array(x, np.float32, order="C"), np.array(number, np.int64)
        self.added = added

    def _reach(self, size: int) -> None:
        """Make room for ``size`` examples."""
        if size > len(self._number):
            more = min(self._most, max(size, 2 * len(self._number))) - len(self._number)
            self._x = np.concatenate([self._x, np.empty((more, self._x.shape[1]), np.float32)])
            self._number = np.concatenate([self._number, np.zeros(more, np.int64)])
