"""When each key's values were first seen: is this device, country or payee new for it?"""

import numpy as np
from numpy.typing import NDArray

from tables.cells.pairs import FREE, Pairs
from tables.cells.panes import Placement
from tables.keys import grown
from tables.slab import Slab
from tables.text import mix

Int64 = NDArray[np.int64]
ALWAYS = np.iinfo(np.int64).min
_STEPS_IN_TTL = 64
_PAIRS_PER_KEY = 64


class Newness:
    """Whether a record's value was first seen for its key within the window.

    A key's first value ever is its baseline and never new: a fresh account has no new country. A value not seen for
    ``ttl_ms`` of stream time is forgotten, and would be new again.

    Args:
        capacity: Slots.
        ttl_ms: See above; kept in steps of a 64th, so that state is not rewritten for each sighting.
        max_keys: At most 64 values are remembered for each of so many keys; beyond it those seen longest ago go.

    Cost: one look-up in a hash map of arrays a record; about 70 bytes a value of a key.
    """

    def __init__(self, capacity: int, *, ttl_ms: int, max_keys: int) -> None:
        self._pairs = Pairs("first", "last")
        self._known = np.zeros(capacity, np.bool_)
        self._step_ms = max(1, ttl_ms // _STEPS_IN_TTL)
        self._max_pairs = _PAIRS_PER_KEY * max_keys
        self.evicted = 0

    def update(
        self, at: Placement, values: Int64, time_ms: Int64, stream_ms: Int64, window_start_ms: Int64
    ) -> NDArray[np.bool_]:
        """Take ``values`` in, all arguments of shape ``(n,)``; which of them are new, each record on its own."""
        pair, fresh = self._pairs.intern(mix(values, at.slots), at.slots)
        first, last = self._pairs.column("first"), self._pairs.column("last")
        step = stream_ms // self._step_ms
        if fresh.any():
            records = np.flatnonzero(fresh)
            first[pair[records]] = time_ms[records]
            last[pair[records]] = ALWAYS
            unknown = records[~self._known[at.slots[records]]]
            _, earliest = np.unique(at.slots[unknown], return_index=True)
            first[pair[unknown[earliest]]] = ALWAYS
            self._known[at.slots[unknown]] = True
        newer = (step > last[pair]).nonzero()[0]
        last[pair[newer]] = step[newer]  # stream time only grows, and the last assignment wins
        self._pairs.touch(pair[newer])
        new: NDArray[np.bool_] = first[pair] >= window_start_ms
        return new

    def sweep(self, before_ms: int) -> None:
        """Forget values not seen since ``before_ms`` of stream time, and the oldest ones beyond the bound."""
        used = self._pairs.used
        held = self._pairs.column("slot")[:used] != FREE
        last = self._pairs.column("last")[:used]
        self._drop(np.flatnonzero(held & (last < before_ms // self._step_ms)))
        surplus = len(self._pairs) - self._max_pairs
        if surplus > 0:
            alive = np.flatnonzero(self._pairs.column("slot")[:used] != FREE)
            self._drop(alive[np.argsort(last[alive], kind="stable")[:surplus]])
            self.evicted += surplus

    def clear_slots(self, slots: Int64) -> None:
        """The keys at ``slots`` are forgotten."""
        self._pairs.drop(self._pairs.of_slots(slots, len(self._known)))
        self._known[slots] = False

    def grow(self, capacity: int) -> None:
        """Make room for more slots."""
        self._known = grown(self._known, capacity)

    def take_dirty(self, applied: int) -> dict[str, Slab]:
        """Changed slabs by name."""
        return self._pairs.take_dirty(applied)

    def load(self, slab: Slab) -> None:
        """Take a stored slab in."""
        self._pairs.load(slab)

    def settle(self) -> None:
        """To be called once after the last ``load``."""
        self._pairs.settle()
        self._know()

    def _drop(self, rows: Int64) -> None:
        if len(rows):
            self._pairs.drop(rows)
            self._known[:] = False
            self._know()

    def _know(self) -> None:
        slot = self._pairs.column("slot")[: self._pairs.used]
        self._known[slot[slot != FREE]] = True
