"""From names of series to rows of arrays, at most so many of them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tables.lookup import SlotLookup
from tables.slices import Texts, compiled, texts_of

Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]
State = dict[str, NDArray[np.generic] | list[str]]


class SeriesIndex:
    """Give each series a row; when all are taken, the series unseen for longest loses its row to the new one.

    "Longest" is counted in samples, not in chunks, so rows don't depend on how the stream was cut.

    Args:
        max_series: Most rows.

    Raises:
        ValueError: If ``max_series < 1``.

    Cost: A dictionary look-up a sample, or 20 ns where names stand in bytes; O(rows) for an eviction; about 200 bytes a
        series beside its name.

    >>> index = SeriesIndex(max_series=2)
    >>> index.resolve(["a", "b", "a", "c"])
    (array([0, 1, 0, 1]), array([ True,  True, False,  True]))
    >>> index.evicted
    1
    """

    def __init__(self, *, max_series: int) -> None:
        if max_series < 1:
            raise ValueError(f"max_series must be at least 1, got {max_series}")
        self._max = max_series
        self._rows: dict[str, int] = {}
        self._names: list[str] = []
        self._seen = np.empty(0, np.int64)  # by row: number of the series' last sample
        self._samples = 0
        self.evicted = 0
        self._lookup: SlotLookup | None
        self._unknown: list[int]  # rows that the look-up does not know yet
        self._look_up_anew()

    def __len__(self) -> int:
        return len(self._names)

    def resolve(self, names: Sequence[str]) -> tuple[Int64, Mask]:
        """Rows of samples in stream order, and which samples begin a series, each of shape ``(n,)``.

        Where a sample begins a series, whatever its row held belongs to another series or to none.
        """
        numbers = np.arange(self._samples, self._samples + len(names))
        fresh = np.zeros(len(names), np.bool_)
        rows = self._known(names)
        missing = np.flatnonzero(rows < 0)
        if len(missing) and len(self._names) + len(missing) <= self._max:
            rows[missing] = self._admit(
                [names[i] for i in missing.tolist()], begins := np.zeros(len(missing), np.bool_)
            )
            fresh[missing] = begins
        elif len(missing):
            rows = self._admit(list(names), fresh)
        self._seen[rows] = numbers  # of several samples of a row the last one stays
        self._samples += len(names)
        return rows, fresh

    def _known(self, names: Sequence[str]) -> Int64:
        """Rows of the names that have one, negative for others."""
        if self._lookup is None or not isinstance(names, Texts):
            return np.fromiter((self._rows.get(name, -1) for name in names), np.int64, len(names))
        if self._unknown:
            new = list(dict.fromkeys(self._unknown))
            self._lookup.add(new, texts_of([self._names[row] for row in new]))
            self._unknown = []
        return self._lookup.find(names)

    def _admit(self, names: Sequence[str], fresh: Mask) -> Int64:
        """The slow way, taken only by names of which some are new; notes the samples that begin one in ``fresh``.

        Names that all have room are given without those that are known; else who is evicted depends on all of them.
        """
        rows = np.empty(len(names), np.int64)
        pending = 0  # samples from here on are not yet in ``_seen``
        for i, name in enumerate(names):
            row = self._rows.get(name)
            if row is None:
                fresh[i] = True
                if len(self._names) >= self._max:
                    self._seen[rows[pending:i]] = np.arange(self._samples + pending, self._samples + i)
                    pending = i
                row = self._take(name)
            rows[i] = row
        return rows

    def _take(self, name: str) -> int:
        if len(self._names) < self._max:
            row = len(self._names)
            self._names.append(name)
            if row >= len(self._seen):
                self._seen = np.concatenate([self._seen, np.zeros(max(16, row), np.int64)])
        else:
            row = int(self._seen[: len(self._names)].argmin())
            del self._rows[self._names[row]]
            self._names[row] = name
            self.evicted += 1
            if self._lookup is not None:
                self._lookup.remove(np.array([row]))
        self._rows[name] = row
        if self._lookup is not None:
            self._unknown.append(row)
        return row

    def _look_up_anew(self) -> None:
        loops = compiled()
        self._lookup = None if loops is None else SlotLookup(loops)
        self._unknown = list(range(len(self._names)))

    def state(self) -> State:
        """Copies of everything, for ``restore``."""
        return {
            "names": list(self._names),
            "seen": self._seen[: len(self._names)].copy(),
            "counters": np.array([self._samples, self.evicted], np.int64),
        }

    def restore(self, state: Mapping[str, NDArray[np.generic] | list[str]]) -> None:
        """Replace everything by copies of ``state``.

        Raises:
            ValueError: If its parts don't fit each other, or it holds more than ``max_series`` series.
        """
        names, seen, counters = list(state["names"]), np.array(state["seen"], np.int64), np.array(state["counters"])
        if len(names) > self._max:
            raise ValueError(f"state holds {len(names)} series, but max_series is {self._max}: raise max_series")
        if seen.shape != (len(names),) or counters.shape != (2,) or len(set(names)) != len(names):
            raise ValueError(f"state of a series index does not fit: {len(names)} names, seen {seen.shape}")
        self._names = names
        self._rows = {name: row for row, name in enumerate(names)}
        self._seen = seen
        self._samples, self.evicted = int(counters[0]), int(counters[1])
        self._look_up_anew()
