"""Records that wait for their label: found again by id, days later, with the features that they were scored by."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tables.cells.hashmap import MISSING, CodeMap
from tables.keys import NEVER
from tables.slab import BLOCK, Dirty, Slab

Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]
Names = NDArray[np.object_]

MOST_AT_ONCE = 65_536
_FIRST = 4_096


class Pending:
    """The newest records, each until it waited for too long or too many came after it.

    A record whose id is already waiting is not taken in: labels of that id are about the first one. A label is taken
    once; a second one of the same id finds nothing.

    Args:
        width: Features of a record.
        texts: Names of the text columns to keep, such as the keys that a label is then known by.
        most: Records after which one is forgotten.
        wait_ms: Stream time after which one is forgotten.

    Cost: about 0.2 us a record and label. Memory: ``4 * width + 8 * len(texts) + 60`` bytes a record, for as many as
        wait at once, rounded up to a power of two.
    """

    def __init__(self, *, width: int, texts: Sequence[str], most: int, wait_ms: int) -> None:
        if most < 1 or wait_ms < 1:
            raise ValueError(f"most and wait_ms must be at least 1, got {most} and {wait_ms}")
        self.most, self.wait_ms = most, wait_ms
        self.features = np.empty((_FIRST, width), np.float32)
        self.texts: dict[str, Names] = {name: np.full(_FIRST, None, np.object_) for name in texts}
        self._whole = {name: np.full(_FIRST, NEVER, np.int64) for name in ("code", "number", "head", "time", "value")}
        self._open = np.zeros(_FIRST, np.bool_)
        self._map = CodeMap()
        self._next = 0
        self._oldest = 0  # nothing before it is waiting
        self._dirty = Dirty(1)

    def __len__(self) -> int:
        return len(self._map)

    def stretches(self, code: Int64, is_label: Mask) -> Iterator[tuple[int, int]]:
        """Parts of a batch that may be taken in at once: no id twice, nor one that is held, unless at the beginning.

        Goes on as it is iterated, so a part must be taken in before the next one is asked for.
        """
        start, n = 0, len(code)
        while start < n:
            part = slice(start, min(n, start + MOST_AT_ONCE))
            records = np.flatnonzero(~is_label[part])
            codes = code[part][records]
            again = np.ones(len(records), np.bool_)
            again[np.unique(codes, return_index=True)[1]] = False
            again |= self._map.find(codes) != MISSING
            bounds = records[again] + start
            stop = int(next((at for at in bounds.tolist() if at > start), part.stop))
            yield start, stop
            start = stop

    def admit(self, code: Int64, time_ms: Int64, head_ms: Int64, value: Int64, *, since_ms: int) -> Int64:
        """Take the records of a part in, all columns of shape ``(n,)``, ``head_ms`` being the stream's time at each.

        Args:
            code: Hash of the id.
            time_ms: Event time.
            head_ms: The stream's time.
            value: A whole number to be kept, such as the amount.
            since_ms: The stream's time at the first of the part's records and labels.

        Returns:
            The place of each in ``features`` and ``texts``, to be filled in; -1 where it is not taken in.
        """
        number = self._next + np.arange(len(code))
        held = self._map.find(code)
        stale = (held != MISSING) & ~self._waits(held, number, head_ms)
        if stale.any():
            self._drop(held[stale])
        taken = np.flatnonzero((held == MISSING) | stale)
        if len(code):
            self._make_room(int(number[-1]) + 1, since_ms)
        place = np.full(len(code), MISSING, np.int64)
        place[taken] = number[taken] & (len(self._open) - 1)
        spot = place[taken]
        self._drop(spot[self._whole["number"][spot] != NEVER])
        columns = {"code": code, "number": number, "head": head_ms, "time": time_ms, "value": value}
        for name, column in columns.items():
            self._whole[name][spot] = column[taken]
        self._open[spot] = True
        self._map.insert(code[taken], spot)
        self._dirty.mark(0, spot)
        self._next += len(code)
        return place

    def fill_texts(self, place: Int64, texts: Mapping[str, Names]) -> None:
        """Note the texts of admitted records, which labels of the same part may ask for."""
        known = place != MISSING
        for name, column in texts.items():
            self.texts[name][place[known]] = column[known]

    def fill(self, place: Int64, features: NDArray[np.float32]) -> None:
        """Note what admitted records were scored by, shape ``(n, width)``."""
        known = place != MISSING
        self.features[place[known]] = features[known]

    def match(self, code: Int64, number: Int64, head_ms: Int64) -> Int64:
        """Where the record of each label is, once; -1 where nothing waits for it.

        Args:
            code: Hash of the id, shape ``(n,)``.
            number: How many records stood before the label, see ``count``, shape ``(n,)``.
            head_ms: The stream's time at the label, shape ``(n,)``.
        """
        place = self._map.find(code)
        found = (place != MISSING) & self._open[place]
        found &= self._waits(place, number, head_ms)
        places = place[found]
        first = np.zeros(len(places), np.bool_)
        first[np.unique(places, return_index=True)[1]] = True
        found[found] = first
        self._open[place[found]] = False
        self._dirty.mark(0, place[found])
        return np.where(found, place, MISSING)

    @property
    def count(self) -> int:
        """Records ever offered."""
        return self._next

    def time_ms(self, place: Int64) -> Int64:
        """Event time of the records at these places."""
        return self._whole["time"][place]

    def value(self, place: Int64) -> Int64:
        """Value of the records at these places."""
        return self._whole["value"][place]

    def _waits(self, place: Int64, number: Int64, head_ms: Int64) -> Mask:
        """Whether what is at ``place`` came before ``number`` and is not forgotten by then."""
        own = self._whole["number"][place]
        waits: Mask = (own < number) & (own >= number - self.most) & (own != NEVER)
        return waits & (head_ms - np.maximum(self._whole["head"][place], 0) <= self.wait_ms)

    def _drop(self, place: Int64) -> None:
        """Forget the records at these places."""
        if len(place):
            held = self._map.find(self._whole["code"][place]) == place
            self._map.remove(self._whole["code"][place[held]])
            self._whole["number"][place] = NEVER
            self._open[place] = False

    def _make_room(self, until: int, head_ms: int) -> None:
        """Grow so that nothing that still waits is overwritten by records up to number ``until``."""
        size = len(self._open)
        self._oldest = max(self._oldest, self._next - self.most, self._next - size)
        if until - self._oldest > size:  # else there is room, and no need to look for what is forgotten
            held = np.arange(self._oldest, self._next)
            gone = self._whole["head"][held & (size - 1)] < head_ms - self.wait_ms
            self._oldest += int(gone.argmin()) if not gone.all() else len(held)
        while size < until - self._oldest:
            size *= 2
        if size > len(self._open):
            self._resize(size)

    def _resize(self, size: int) -> None:
        old = np.flatnonzero(self._whole["number"] != NEVER)
        new = self._whole["number"][old] & (size - 1)
        self._whole = {name: _moved(column, old, new, size, NEVER) for name, column in self._whole.items()}
        self._open = _moved(self._open, old, new, size, 0)
        self.features = _moved(self.features, old, new, size, 0)
        for name, column in self.texts.items():
            moved = np.full(size, None, np.object_)
            moved[new] = column[old]
            self.texts[name] = moved
        self._index(new)
        self._dirty.mark(0, np.arange(0, size, BLOCK))

    def _index(self, place: Int64) -> None:
        self._map = CodeMap()
        self._map.insert(self._whole["code"][place], place)

    # ---- stored form ------------------------------------------------------------------------------------------------

    def take_dirty(self, applied: int) -> dict[str, Slab]:
        """Slabs that changed since the last call, by name."""
        slabs = {}
        for _, block in self._dirty.take():
            part = slice(block * BLOCK, (block + 1) * BLOCK)
            arrays = {**{name: column[part] for name, column in self._whole.items()}, "open": self._open[part]}
            texts = {name: column[part].tolist() for name, column in self.texts.items()}
            slabs[str(block)] = Slab(
                applied=applied,
                start=part.start,
                arrays={**arrays, "features": np.ascontiguousarray(self.features[part].T)},
                extra={"texts": texts, "next": self._next, "size": len(self._open)},
            )
        return slabs

    def load(self, slabs: Mapping[str, Slab]) -> None:
        """Restore from the latest slabs, by the names that ``take_dirty`` gave."""
        if not slabs:
            return
        newest = max(slabs.values(), key=lambda slab: int(slab.extra["next"]))
        self._next = int(newest.extra["next"])
        self._resize(int(newest.extra["size"]))
        for slab in slabs.values():
            part = slice(slab.start, slab.start + BLOCK)
            for name, column in self._whole.items():
                column[part] = slab.arrays[name]
            self._open[part] = slab.arrays["open"]
            self.features[part] = slab.arrays["features"].T
            for name, texts in slab.extra["texts"].items():
                self.texts[name][part] = texts
        held = np.flatnonzero(self._whole["number"] != NEVER)
        self._oldest = int(self._whole["number"][held].min(initial=self._next))
        self._index(held)


def _moved(column: NDArray[np.generic], old: Int64, new: Int64, size: int, fill: int) -> NDArray:  # type: ignore[type-arg]
    moved = np.full((size, *column.shape[1:]), fill, column.dtype)
    moved[new] = column[old]
    return moved
