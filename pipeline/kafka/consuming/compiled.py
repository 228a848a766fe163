"""What numba compiles, so that it is imported only where records are split; see ``splitting``."""

from typing import Any, Final

import numpy as np
from numba import njit

HEADERS: Final = -2
"""A record has headers."""
BROKEN: Final = -3
"""A record does not end where it says."""
OFFSET, TIME, KEY_AT, KEY_BYTES, VALUE_AT, VALUE_BYTES = range(6)
"""Rows of what ``split_records`` fills."""


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is untyped
def _varint(data: Any, at: int, end: int) -> Any:  # pragma: no cover - compiled
    """A zigzag integer at ``at``, and where the next one begins; beyond ``end`` if it is cut off."""
    value, shift = np.uint64(0), np.uint64(0)
    while at < end:
        byte = data[at]
        at += 1
        value |= np.uint64(byte & 0x7F) << shift
        if byte < 0x80:
            return np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1)), at
        shift += np.uint64(7)
    return 0, end + 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is untyped
def split_records(data: Any, at: int, count: int, found: Any) -> int:  # pragma: no cover - compiled
    """Fill ``found`` of shape ``(6, count)``; the number of records, ``HEADERS`` or ``BROKEN``."""
    end = len(data)
    for record in range(count):
        length, at = _varint(data, at, end)
        stop = at + length
        if length < 0 or stop > end:
            return BROKEN
        found[TIME, record], at = _varint(data, at + 1, stop)
        found[OFFSET, record], at = _varint(data, at, stop)
        for kind in (KEY_AT, VALUE_AT):
            size, at = _varint(data, at, stop)
            found[kind, record], found[kind + 1, record] = at, size
            at += max(size, 0)
            if at > stop:
                return BROKEN
        headers, at = _varint(data, at, stop)
        if headers:
            return HEADERS
        if at != stop:
            return BROKEN
    return count
