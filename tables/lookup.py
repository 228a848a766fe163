"""Slots of texts that stand in bytes, found by compiled code without a string for each."""

from collections.abc import Iterable, Sequence
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from tables.slices import Texts, compiled, texts_of

Int64 = NDArray[np.int64]
Names = NDArray[np.object_]
_LEAST = 1 << 10
_LOAD = 2  # places for each slot, at least: a search passes 1.5 of them on average
_GONE = -1


class SlotLookup:
    """A hash table from text to slot, beside the dictionary that is the truth.

    Args:
        loops: What was compiled.

    Cost: about 20 ns a text; 45 bytes and the text itself for each slot.
    """

    def __init__(self, loops: ModuleType) -> None:
        self._loops = loops
        self._table = np.full(_LEAST, loops.EMPTY, np.int64)
        self._hashes = np.zeros(_LEAST, np.int64)
        self._starts = np.zeros(_LEAST, np.int64)
        self._sizes = np.full(_LEAST, _GONE, np.int32)
        self._arena = np.empty(_LEAST * 16, np.uint8)
        self._used = 0  # bytes of the arena
        self._placed = 0  # places taken in the table
        self._is_stale = False

    def find(self, texts: Texts) -> Int64:
        """The slot of each text, shape ``(n,)``; negative where it has none."""
        if self._is_stale:
            self._rebuild()
        found = np.empty(len(texts), np.int64)
        held = (self._hashes, self._arena, self._starts, self._sizes)
        data = np.frombuffer(texts.data, np.uint8)
        self._loops.find_slots(self._table, held, data, texts.starts, texts.sizes, texts.hashes, found)
        return found

    def add(self, slots: Iterable[int], texts: Texts) -> None:
        """Put each text at its slot; the slots are free."""
        at = np.fromiter(slots, np.int64)
        if not len(at):
            return
        self._fit(int(at.max()) + 1, int(texts.sizes.sum()))
        self._hashes[at] = texts.hashes
        self._starts[at] = self._used + np.cumsum(texts.sizes) - texts.sizes
        self._sizes[at] = texts.sizes
        data = np.frombuffer(texts.data, np.uint8)
        self._used = self._loops.gather(data, texts.starts, texts.sizes, self._arena, self._used)
        self._placed += len(at)
        if self._placed * _LOAD > len(self._table):
            self._is_stale = True
        elif not self._is_stale:
            self._loops.place_slots(self._table, self._hashes, at)

    def remove(self, slots: Int64) -> None:
        """Forget what is at ``slots``."""
        self._sizes[slots[slots < len(self._sizes)]] = _GONE
        self._is_stale = True

    def _fit(self, slots: int, size_bytes: int) -> None:
        if slots > len(self._sizes):
            more = max(slots, 2 * len(self._sizes)) - len(self._sizes)
            self._hashes = np.concatenate((self._hashes, np.zeros(more, np.int64)))
            self._starts = np.concatenate((self._starts, np.zeros(more, np.int64)))
            self._sizes = np.concatenate((self._sizes, np.full(more, _GONE, np.int32)))
        if self._used + size_bytes > len(self._arena):
            arena = np.empty(max(self._used + size_bytes, 2 * len(self._arena)), np.uint8)
            arena[: self._used] = self._arena[: self._used]
            self._arena = arena

    def _rebuild(self) -> None:
        """Make the table anew from what is held, and the arena without what is not."""
        held = np.flatnonzero(self._sizes != _GONE)
        sizes = self._sizes[held].astype(np.int64)
        if int(sizes.sum()) * 2 < self._used:
            arena = np.empty(max(_LEAST * 16, 2 * int(sizes.sum())), np.uint8)
            self._used = self._loops.gather(self._arena, self._starts[held], sizes, arena, 0)
            self._arena, self._starts[held] = arena, np.cumsum(sizes) - sizes
        places = max(_LEAST, 1 << (2 * _LOAD * len(held)).bit_length())
        self._table = np.full(places, self._loops.EMPTY, np.int64)
        self._loops.place_slots(self._table, self._hashes, held)
        self._placed = len(held)
        self._is_stale = False


class SharedTexts:
    """Text columns as objects, equal texts as the same one: for columns of which few different ones are kept for long.

    Args:
        most: Different texts remembered; all are forgotten when more come.

    Cost: about 30 ns a text that stands in bytes and is known; 60 bytes and twice the text itself for each.
    """

    def __init__(self, *, most: int = 1 << 18) -> None:
        self._most = most
        self._lookup: SlotLookup | None
        self._objects: Names
        self._held: int
        self._clear()

    def column(self, texts: Sequence[str]) -> Names:
        """The texts, shape ``(n,)``."""
        if self._lookup is None or not isinstance(texts, Texts):
            return np.fromiter(texts, np.object_, len(texts))
        slots = self._lookup.find(texts)
        missing = np.flatnonzero(slots < 0)
        if len(missing):
            if self._held and self._held + len(missing) > self._most:
                self._clear()
                return self.column(texts)
            slots[missing] = self._learned(self._lookup, texts.take(missing))
        return np.asarray(self._objects[slots], np.object_)

    def _learned(self, lookup: SlotLookup, texts: Texts) -> Int64:
        """Slots of texts that the look-up does not know, after it was told of them."""
        new: dict[str, int] = {}
        slots = [new.setdefault(text, self._held + len(new)) for text in texts]
        lookup.add(new.values(), texts_of(list(new)))
        held, self._held = self._held, self._held + len(new)
        if self._held > len(self._objects):
            more = max(self._held, 2 * len(self._objects)) - len(self._objects)
            self._objects = np.concatenate((self._objects, np.empty(more, np.object_)))
        self._objects[held : self._held] = list(new)
        return np.array(slots, np.int64)

    def _clear(self) -> None:
        loops = compiled()
        self._lookup = None if loops is None else SlotLookup(loops)
        self._objects = np.empty(_LEAST, np.object_)
        self._held = 0
