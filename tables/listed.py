"""Values that are listed until some time."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tables.cells.hashmap import MISSING, CodeMap
from tables.keys import NEVER, grown
from tables.slab import BLOCK, Dirty, Slab
from tables.text import hash_text

Int64 = NDArray[np.int64]


class Listed:
    """Texts, each with the event time from which on it is not listed any more, and why it is.

    Args:
        most: Most that are held; beyond it those that expire first go.

    Cost: 30 ns a look-up; 10 us a change; about 150 bytes and two texts each.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._slots: dict[str, int] = {}
        self._values: list[str | None] = []
        self._reasons: list[str] = []
        self._until_ms = np.full(BLOCK, NEVER, np.int64)
        self._free: list[int] = []
        self._map = CodeMap()
        self._dirty = Dirty(1)

    def __len__(self) -> int:
        """How many are held."""
        return len(self._slots)

    def put(self, value: str, until_ms: int, reason: str) -> None:
        """List a value, or change until when and why it is."""
        slot = self._slots.get(value)
        if slot is None:
            if len(self._slots) >= self._most:
                self._drop_first()
            slot = self._add(value)
        self._until_ms[slot], self._reasons[slot] = until_ms, reason
        self._dirty.mark(0, np.array([slot]))

    def drop(self, value: str) -> None:
        """Take a value off the list, if it is on it."""
        slot = self._slots.pop(value, None)
        if slot is None:
            return
        self._map.remove(np.array([hash_text(value)]))
        self._values[slot], self._reasons[slot], self._until_ms[slot] = None, "", NEVER
        self._free.append(slot)
        self._dirty.mark(0, np.array([slot]))

    def find(self, codes: Int64, now_ms: Int64) -> Int64:
        """The place of each value that is listed, shape ``(n,)``; -1 for others.

        Args:
            codes: Hashes of the values, shape ``(n,)``.
            now_ms: Stream time, shape ``(n,)``.
        """
        if not self._slots:
            return np.full(len(codes), MISSING)
        slots = self._map.find(codes)
        return np.where((slots != MISSING) & (self._until_ms[np.maximum(slots, 0)] > now_ms), slots, MISSING)

    def told(self, slot: int) -> tuple[int, str]:
        """Until when, and why."""
        return int(self._until_ms[slot]), self._reasons[slot]

    def _add(self, value: str) -> int:
        slot = self._free.pop() if self._free else len(self._values)
        self._reach(slot + 1)
        self._name(value, slot)
        return slot

    def _name(self, value: str, slot: int) -> None:
        self._values[slot], self._slots[value] = value, slot
        self._map.insert(np.array([hash_text(value)]), np.array([slot]))

    def _reach(self, slots: int) -> None:
        """Make room for so many."""
        more = max(0, slots - len(self._values))
        self._values += [None] * more
        self._reasons += [""] * more
        if slots > len(self._until_ms):
            self._until_ms = grown(self._until_ms, 2 * slots, NEVER)

    def _drop_first(self) -> None:
        """Make room: a sixteenth, so that a full list is not searched for each that comes."""
        held = np.fromiter(self._slots.values(), np.int64)
        order = np.lexsort((held, self._until_ms[held]))
        for slot in held[order][: max(1, self._most // 16)].tolist():
            self.drop(str(self._values[slot]))

    # ---- stored form ------------------------------------------------------------------------------------------------

    def take_dirty(self, applied: int) -> dict[str, Slab]:
        """Blocks that changed since the last call, by name."""
        slabs = {}
        for _, block in self._dirty.take():
            part = slice(block * BLOCK, min((block + 1) * BLOCK, len(self._values)))
            slabs[str(block)] = Slab(
                applied=applied,
                start=part.start,
                arrays={"until_ms": self._until_ms[part]},
                names=self._values[part],
                extra={"reasons": self._reasons[part]},
            )
        return slabs

    def load(self, slabs: Mapping[str, Slab]) -> None:
        """Restore from the latest blocks, by the names that ``take_dirty`` gave."""
        for slab in sorted(slabs.values(), key=lambda each: each.start):
            self._reach(slab.start + len(slab.names or []))
            rows = zip(slab.names or [], slab.arrays["until_ms"].tolist(), slab.extra["reasons"], strict=True)
            for slot, (value, until_ms, reason) in enumerate(rows, slab.start):
                if value is not None:
                    self._name(value, slot)
                    self._until_ms[slot], self._reasons[slot] = until_ms, reason
        self._free = [slot for slot, value in enumerate(self._values) if value is None]
