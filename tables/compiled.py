"""What numba compiles for text that stands in bytes: hashes, copies, look-ups. Imported only where it is used."""

from typing import Any, Final

import numpy as np
from numba import njit

LONGEST: Final = 64
"""Texts of more bytes are not hashed here."""
EMPTY: Final = -1
"""No slot."""

_SECRET: Final = np.frombuffer(
    bytes.fromhex(
        "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
        "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
        "3c2852bb91c300cb"
    ),
    np.uint8,
)
_PRIME_1: Final = np.uint64(0x9E3779B185EBCA87)
_PRIME_2: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_PRIME_3: Final = np.uint64(0x165667B19E3779F9)
_MIX: Final = np.uint64(0x165667919E3779F9)
_ROT_MIX: Final = np.uint64(0x9FB21C651E98DF25)
_SPARSE: Final = 16  # places for each that is sought: nearly every row meets an empty one
_LOW: Final = np.uint64(0xFFFFFFFF)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is untyped
def _word(data: Any, at: Any) -> Any:  # pragma: no cover - compiled
    return (
        np.uint64(data[at])
        | np.uint64(data[at + 1]) << np.uint64(8)
        | np.uint64(data[at + 2]) << np.uint64(16)
        | np.uint64(data[at + 3]) << np.uint64(24)
        | np.uint64(data[at + 4]) << np.uint64(32)
        | np.uint64(data[at + 5]) << np.uint64(40)
        | np.uint64(data[at + 6]) << np.uint64(48)
        | np.uint64(data[at + 7]) << np.uint64(56)
    )


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _half(data: Any, at: Any) -> Any:  # pragma: no cover - compiled
    return (
        np.uint64(data[at])
        | np.uint64(data[at + 1]) << np.uint64(8)
        | np.uint64(data[at + 2]) << np.uint64(16)
        | np.uint64(data[at + 3]) << np.uint64(24)
    )


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _folded(left: Any, right: Any) -> Any:  # pragma: no cover - compiled
    """The two halves of a 128-bit product, combined by exclusive or."""
    low = (left & _LOW) * (right & _LOW)
    high_low = (left >> np.uint64(32)) * (right & _LOW)
    low_high = (left & _LOW) * (right >> np.uint64(32))
    high = (left >> np.uint64(32)) * (right >> np.uint64(32))
    cross = (low >> np.uint64(32)) + (high_low & _LOW) + low_high
    upper = (high_low >> np.uint64(32)) + (cross >> np.uint64(32)) + high
    lower = (cross << np.uint64(32)) | (low & _LOW)
    return upper ^ lower


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _avalanche(h: Any) -> Any:  # pragma: no cover - compiled
    h ^= h >> np.uint64(37)
    h *= _MIX
    return h ^ (h >> np.uint64(32))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _avalanche_64(h: Any) -> Any:  # pragma: no cover - compiled
    h ^= h >> np.uint64(33)
    h *= _PRIME_2
    h ^= h >> np.uint64(29)
    h *= _PRIME_3
    return h ^ (h >> np.uint64(32))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _mixed_16(data: Any, at: Any, secret_at: Any) -> Any:  # pragma: no cover - compiled
    return _folded(_word(data, at) ^ _word(_SECRET, secret_at), _word(data, at + 8) ^ _word(_SECRET, secret_at + 8))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _hash(data: Any, at: Any, size: Any) -> Any:  # pragma: no cover - compiled
    """XXH3, 64 bits, seed 0, at most ``LONGEST`` bytes. Reference: xxhash.com, the specification of XXH3."""
    length = np.uint64(size)
    if size == 0:
        return _avalanche_64(_word(_SECRET, 56) ^ _word(_SECRET, 64))
    if size <= 3:
        combined = (
            (np.uint64(data[at]) << np.uint64(16))
            | (np.uint64(data[at + (size >> 1)]) << np.uint64(24))
            | np.uint64(data[at + size - 1])
            | (length << np.uint64(8))
        )
        return _avalanche_64(combined ^ (_half(_SECRET, 0) ^ _half(_SECRET, 4)))
    if size <= 8:
        keyed = (_half(data, at + size - 4) + (_half(data, at) << np.uint64(32))) ^ (
            _word(_SECRET, 8) ^ _word(_SECRET, 16)
        )
        h = keyed
        h ^= ((keyed << np.uint64(49)) | (keyed >> np.uint64(15))) ^ (
            (keyed << np.uint64(24)) | (keyed >> np.uint64(40))
        )
        h *= _ROT_MIX
        h ^= (h >> np.uint64(35)) + length
        h *= _ROT_MIX
        return h ^ (h >> np.uint64(28))
    if size <= 16:
        low = _word(data, at) ^ (_word(_SECRET, 24) ^ _word(_SECRET, 32))
        high = _word(data, at + size - 8) ^ (_word(_SECRET, 40) ^ _word(_SECRET, 48))
        swapped = low
        swapped = ((swapped & np.uint64(0x00FF00FF00FF00FF)) << np.uint64(8)) | (
            (swapped >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
        )
        swapped = ((swapped & np.uint64(0x0000FFFF0000FFFF)) << np.uint64(16)) | (
            (swapped >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
        )
        swapped = (swapped << np.uint64(32)) | (swapped >> np.uint64(32))
        return _avalanche(length + swapped + high + _folded(low, high))
    acc = length * _PRIME_1
    if size > 32:
        acc += _mixed_16(data, at + 16, 32)
        acc += _mixed_16(data, at + size - 32, 48)
    acc += _mixed_16(data, at, 0)
    acc += _mixed_16(data, at + size - 16, 16)
    return _avalanche(acc)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def hash_texts(data: Any, starts: Any, sizes: Any, hashes: Any) -> Any:  # pragma: no cover - compiled
    """Fill ``hashes``; whether none was too long."""
    complete = True
    for i in range(len(starts)):
        if sizes[i] > LONGEST:
            complete = False
        else:
            hashes[i] = np.int64(_hash(data, starts[i], sizes[i]))
    return complete


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def gather(data: Any, starts: Any, sizes: Any, into: Any, at: Any) -> Any:  # pragma: no cover - compiled
    """Copy the texts one after the other into ``into`` from ``at`` on; where they end."""
    for i in range(len(starts)):
        start = starts[i]
        for j in range(sizes[i]):
            into[at + j] = data[start + j]
        at += sizes[i]
    return at


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _put_head(into: Any, at: Any, short: Any, most: Any, size: Any) -> Any:  # pragma: no cover - compiled
    """A size in MessagePack: in the byte ``short`` up to ``most``, else in 1 (of texts only), 2 or 4 bytes behind."""
    is_text = most > 15
    if size <= most:
        into[at] = short | size
        return at + 1
    width = 1 if is_text and size < 1 << 8 else 2 if size < 1 << 16 else 4
    into[at] = (0xD9 if width == 1 else 0xDA if width == 2 else 0xDB) if is_text else (0xDC if width == 2 else 0xDD)
    for byte in range(width):
        into[at + 1 + byte] = (size >> (8 * (width - 1 - byte))) & 0xFF
    return at + 1 + width


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def pack_texts(data: Any, starts: Any, sizes: Any, into: Any) -> Any:  # pragma: no cover - compiled
    """Write the texts into ``into`` as a list in MessagePack; how many bytes it has."""
    at = _put_head(into, 0, 0x90, 15, len(starts))
    for i in range(len(starts)):
        at = _put_head(into, at, 0xA0, 31, sizes[i])
        for j in range(sizes[i]):
            into[at + j] = data[starts[i] + j]
        at += sizes[i]
    return at


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def find_slots(
    table: Any, held: Any, data: Any, starts: Any, sizes: Any, hashes: Any, found: Any
) -> Any:  # pragma: no cover - compiled
    """Fill ``found`` with the slot of each text, or ``EMPTY``; how many were not found.

    ``table`` of a power of two of places holds slots, probed linearly from the hash; ``held`` is ``(hashes, arena,
    starts, sizes)`` by slot. A text is the same when its bytes are.
    """
    held_hashes, arena, held_starts, held_sizes = held
    mask = len(table) - 1
    missing = 0
    for i in range(len(starts)):
        hashed, size, start = hashes[i], sizes[i], starts[i]
        place = hashed & mask
        result = EMPTY
        while True:
            slot = table[place]
            if slot == EMPTY:
                missing += 1
                break
            if held_hashes[slot] == hashed and held_sizes[slot] == size:
                other = held_starts[slot]
                same = True
                for j in range(size):
                    if arena[other + j] != data[start + j]:
                        same = False
                        break
                if same:
                    result = slot
                    break
            place = (place + 1) & mask
        found[i] = result
    return missing


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def place_slots(table: Any, hashes: Any, slots: Any) -> Any:  # pragma: no cover - compiled
    """Put ``slots``, which are not in it, into ``table``, which has room."""
    mask = len(table) - 1
    for i in range(len(slots)):
        place = hashes[slots[i]] & mask
        while table[place] != EMPTY:
            place = (place + 1) & mask
        table[place] = slots[i]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def newest_rows(columns: Any, wanted: Any, bounds: Any, found: Any, counts: Any) -> None:  # pragma: no cover - compiled
    """Fill ``found``, shape ``(k, most)``, from ``counts`` on with the newest of the rows that each of ``k`` wants.

    Those of its hash, from its start to its end, not late by its grace, between its ``bounds`` of rows and behind its
    position; the upper bounds ascend but for those of 0. One pass over the rows: who wants a hash is found by hash.
    """
    hashes, times, clocks, positions = columns
    keys, starts_ms, ends_ms, graces_ms = wanted
    firsts, stops, behind = bounds
    k, most = found.shape
    places = 256
    while places < _SPARSE * k:
        places *= 2
    mask = places - 1
    heads = np.full(places, EMPTY, np.int64)
    follows = np.full(k, EMPTY, np.int64)
    lowest, highest, left = len(hashes), 0, 0
    for i in range(k):  # ascending, so that each chain begins with the latest
        if stops[i] > firsts[i] and counts[i] < most:
            place = keys[i] & mask
            follows[i], heads[place] = heads[place], i
            left += 1
            lowest, highest = min(lowest, firsts[i]), max(highest, stops[i])
    for row in range(highest - 1, lowest - 1, -1):
        hashed = hashes[row]
        before, i = EMPTY, heads[hashed & mask]
        while i != EMPTY and stops[i] > row:
            if keys[i] == hashed and row >= firsts[i]:
                at = times[row]
                if starts_ms[i] <= at < ends_ms[i] and at >= clocks[row] - graces_ms[i] and positions[row] > behind[i]:
                    found[i, counts[i]] = row
                    counts[i] += 1
            if counts[i] < most:
                before = i
            else:
                left -= 1
                if before == EMPTY:
                    heads[hashed & mask] = follows[i]
                else:
                    follows[before] = follows[i]
            i = follows[i]
        if not left:
            break


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def bounds(values: Any) -> Any:  # pragma: no cover - compiled
    """The smallest and the largest of whole numbers, of which there is one at least."""
    low = high = values[0]
    for i in range(len(values)):
        low, high = min(low, values[i]), max(high, values[i])
    return low, high
