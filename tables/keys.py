"""Keys as small integers: slots into the arrays of all tables that share a key."""

import heapq
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tables.lookup import SlotLookup
from tables.slices import Texts, compiled, texts_of
from tables.text import hash_text

Int64 = NDArray[np.int64]
T = TypeVar("T", bound=np.generic)
NEVER = np.iinfo(np.int64).min


class KeyIndex:
    """The slot of each key, when it was seen, and which to evict.

    Slots are dense and reused, smallest free one first, so that they follow from the set of keys held and not from the
    order in which others were evicted.

    Args:
        capacity: Initial length of the arrays; they double when full.

    Cost: one dictionary look-up a record, or 20 ns where texts stand in bytes; about 200 bytes and the key's own text
    for each key.
    """

    def __init__(self, *, capacity: int = 1024) -> None:
        self.names: list[str | None] = []
        self.hashes = np.zeros(capacity, np.int64)
        self.first_ms = np.full(capacity, NEVER, np.int64)
        self.last_ms = np.full(capacity, NEVER, np.int64)
        self.touched_ms = np.full(capacity, NEVER, np.int64)
        self._slots = _Slots(self)
        self._free: list[int] = []
        loops = compiled()
        self._lookup = None if loops is None else SlotLookup(loops)
        self._unknown: list[int] = []  # slots that the look-up does not know yet

    def __len__(self) -> int:
        """Keys held."""
        return len(self._slots)

    def __contains__(self, key: str) -> bool:
        return key in self._slots

    @property
    def capacity(self) -> int:
        """Length of the arrays; slots are below it."""
        return len(self.hashes)

    @property
    def used(self) -> int:
        """Slots ever in use: all held keys lie below."""
        return len(self.names)

    def slot(self, key: str) -> int | None:
        """The slot of ``key`` if it is held."""
        return self._slots.get(key)

    def intern(self, keys: Sequence[str]) -> Int64:
        """Slots of ``keys``, shape ``(n,)``; new keys get one."""
        if not isinstance(keys, Texts) or self._lookup is None:
            return np.fromiter(map(self._slots.__getitem__, keys), np.int64, len(keys))
        self._teach(self._lookup)
        slots = self._lookup.find(keys)
        missing = np.flatnonzero(slots < 0)
        if len(missing):
            slots[missing] = self._admit(keys.take(missing), self._lookup)
        return slots

    def _admit(self, keys: Texts, lookup: SlotLookup) -> Int64:
        """Slots of keys that have none yet, shape ``(n,)``."""
        names, first = list(keys), dict[str, int]()
        for at, name in enumerate(names):
            first.setdefault(name, at)
        slots = [heapq.heappop(self._free) for _ in range(min(len(self._free), len(first)))]
        for slot, name in zip(slots, first, strict=False):
            self.names[slot] = name
        used, more = self.used, len(first) - len(slots)
        self._grow(used + more)
        self.names += list(first)[len(slots) :]
        slots += range(used, used + more)
        self._slots.update(zip(first, slots, strict=True))
        new = keys.take(np.fromiter(first.values(), np.int64, len(first)))
        self.hashes[slots] = new.hashes
        lookup.add(slots, new)
        return np.fromiter(map(self._slots.__getitem__, names), np.int64, len(names))

    def _teach(self, lookup: SlotLookup) -> None:
        """Let the look-up know the keys that came since."""
        if self._unknown:
            slots, self._unknown = self._unknown, []
            lookup.add(slots, texts_of([str(self.names[slot]) for slot in slots]))

    def _note(self, slot: int) -> None:
        if self._lookup is not None:
            self._unknown.append(slot)

    def prefix_within(self, keys: Sequence[str], room: int) -> int:
        """How many of ``keys``, from the start, can be interned with at most ``room`` new ones among them."""
        new: set[str] = set()
        for position, key in enumerate(keys):
            if key not in self._slots and key not in new:
                if len(new) == room:
                    return position
                new.add(key)
        return len(keys)

    def touch(self, slots: Int64, time_ms: Int64, stream_ms: Int64) -> None:
        """Note event times and the stream time at which each slot was seen, all of shape ``(n,)``."""
        self.touched_ms[slots] = stream_ms  # non-decreasing, and the last assignment wins
        np.maximum.at(self.last_ms, slots, time_ms)
        fresh = self.first_ms[slots] == NEVER
        if fresh.any():
            where = np.flatnonzero(fresh)[::-1]  # the earliest record of a new key is assigned last
            self.first_ms[slots[where]] = time_ms[where]

    def expired(self, before_ms: int) -> Int64:
        """Slots not seen since ``before_ms`` of stream time, ascending."""
        held = self.touched_ms[: self.used]
        return np.flatnonzero((held < before_ms) & (held != NEVER))

    def oldest(self, count: int) -> Int64:
        """The ``count`` slots seen longest ago, ascending; ties go to the smaller slot."""
        held = self.touched_ms[: self.used]
        alive = np.flatnonzero(held != NEVER)
        return np.sort(alive[np.argsort(held[alive], kind="stable")[:count]])

    def evict(self, slots: Int64) -> None:
        """Forget these slots."""
        if self._lookup is not None:
            self._teach(self._lookup)
            self._lookup.remove(slots)
        for slot in slots.tolist():
            name = self.names[slot]
            if name is not None:
                del self._slots[name]
                self.names[slot] = None
                heapq.heappush(self._free, slot)
        for times in (self.first_ms, self.last_ms, self.touched_ms):
            times[slots] = NEVER

    def load(self, start: int, names: list[str | None]) -> None:
        """Put ``names`` at slots from ``start`` on, as restored from a slab."""
        self._grow(start + len(names))
        self.names.extend([None] * (start + len(names) - len(self.names)))
        for slot, name in enumerate(names, start):
            self.names[slot] = name
            if name is not None:
                dict.__setitem__(self._slots, name, slot)
                self._note(slot)
                self.hashes[slot] = hash_text(name)

    def loaded(self) -> None:
        """To be called once after the last ``load``: finds the free slots."""
        while self.names and self.names[-1] is None:
            self.names.pop()
        self._free = [slot for slot, name in enumerate(self.names) if name is None]

    def add(self, key: str) -> int:
        """Give ``key`` a slot."""
        if self._free:
            slot = heapq.heappop(self._free)
            self.names[slot] = key
        else:
            slot = len(self.names)
            self._grow(slot + 1)
            self.names.append(key)
        self.hashes[slot] = hash_text(key)
        self._note(slot)
        return slot

    def _grow(self, needed: int) -> None:
        capacity = self.capacity
        if needed <= capacity:
            return
        while capacity < needed:
            capacity *= 2
        self.hashes = grown(self.hashes, capacity)
        self.first_ms = grown(self.first_ms, capacity, NEVER)
        self.last_ms = grown(self.last_ms, capacity, NEVER)
        self.touched_ms = grown(self.touched_ms, capacity, NEVER)


class _Slots(dict[str, int]):
    """Key to slot; a missing key gets one, so that a column is one ``map`` of look-ups."""

    def __init__(self, index: KeyIndex) -> None:
        super().__init__()
        self._index = index

    def __missing__(self, key: str) -> int:
        slot = self[key] = self._index.add(key)
        return slot


def grown(array: NDArray[T], capacity: int, fill: float = 0) -> NDArray[T]:
    """``array`` with its last axis made ``capacity`` long, new places holding ``fill``.

    Zeros are left to the operating system, which gives memory only for what is written to later.
    """
    have, shape = array.shape[-1], (*array.shape[:-1], capacity)
    larger = np.empty(shape, array.dtype) if fill else np.zeros(shape, array.dtype)
    larger[..., :have] = array
    if fill:
        larger[..., have:] = fill
    return larger
