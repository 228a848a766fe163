"""Compiled: the tokens of JSON, by their addresses. What is wrong or unusual is given up.

These functions are inlined into ``compiled``, and what numba cached of it does not notice changes made here: whoever
edits this file removes the ``__pycache__`` beside it.
"""

from typing import Any, Final

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # has no types
from numba import njit, types
from numba.extending import intrinsic

GIVEN_UP: Final = -1
QUOTE, _BACKSLASH, COLON, COMMA, OPEN, CLOSE = 0x22, 0x5C, 0x3A, 0x2C, 0x7B, 0x7D
_ZERO, _NINE, _MINUS, _PLUS, _DOT, NULL = 0x30, 0x39, 0x2D, 0x2B, 0x2E, 0x6E
_MOST_DIGITS: Final = 18  # of a whole number that certainly fits int64
_EXACT_DIGITS: Final = 15  # of a mantissa that certainly fits float64
_ONES, _HIGH, _NONE = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080), np.uint64(0)
_HALF: Final = np.uint64(0xFFFFFFFF)
_TRUE, _NULL_WORD = (np.uint64(int.from_bytes(text, "little")) for text in (b"true", b"null"))
_FALSE: Final = np.frombuffer(b"false", np.uint8)
_POWERS: Final = 10.0 ** np.arange(23)  # exact, so one multiplication or division rounds correctly (Clinger, 1990)


inlined = njit(cache=True, nogil=True, inline="always")  # a call costs more than most of these functions do


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def byte(_context: Any, _address: Any) -> Any:
    """The byte at an address: an array as an argument would cost more than what these functions do."""

    def load(_: Any, builder: Any, __: Any, arguments: Any) -> Any:  # pragma: no cover - compiled
        return builder.zext(builder.load(builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())), ir.IntType(64))

    return types.int64(types.int64), load


@intrinsic  # type: ignore[untyped-decorator]
def word(_context: Any, _address: Any) -> Any:
    """The eight bytes from an address on."""

    def load(_: Any, builder: Any, __: Any, arguments: Any) -> Any:  # pragma: no cover - compiled
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()), align=1)

    return types.uint64(types.int64), load


@inlined  # type: ignore[untyped-decorator]
def space(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """Behind the white space at ``at``."""
    while at < end and (byte(at) == 0x20 or byte(at) == 0x0A or byte(at) == 0x0D or byte(at) == 0x09):
        at += 1
    return at


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sequence(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """Behind the UTF-8 sequence of several bytes at ``at``. Reference: RFC 3629, section 4."""
    first = byte(at)
    more, low, high = 1, 0x80, 0xBF
    if first < 0xC2 or first > 0xF4:
        return GIVEN_UP
    if first >= 0xF0:
        more = 3
        if first == 0xF0:
            low = 0x90
        elif first == 0xF4:
            high = 0x8F
    elif first >= 0xE0:
        more = 2
        if first == 0xE0:
            low = 0xA0
        elif first == 0xED:
            high = 0x9F
    if at + more >= end or byte(at + 1) < low or byte(at + 1) > high:
        return GIVEN_UP
    for k in range(2, more + 1):
        if byte(at + k) < 0x80 or byte(at + k) > 0xBF:
            return GIVEN_UP
    return at + more + 1


@inlined  # type: ignore[untyped-decorator]
def _plain_bytes(eight: Any) -> Any:  # pragma: no cover - compiled
    """How many of eight bytes, from the lowest on, can only be the inside of a string.

    Reference: Hacker's Delight, section 6-1; what a borrow marks wrongly lies above a byte that is marked rightly.
    """
    quote, escape = eight ^ (_ONES * np.uint64(QUOTE)), eight ^ (_ONES * np.uint64(_BACKSLASH))
    marked = (quote - _ONES) & ~quote
    marked |= (escape - _ONES) & ~escape
    marked |= (eight - _ONES * np.uint64(0x20)) & ~eight
    marked = (marked | eight) & _HIGH
    if marked == _NONE:
        return 8
    count = 0
    if marked & np.uint64(0xFFFFFFFF) == _NONE:
        marked >>= np.uint64(32)
        count = 4
    if marked & np.uint64(0xFFFF) == _NONE:
        marked >>= np.uint64(16)
        count += 2
    return count + 1 if marked & np.uint64(0xFF) == _NONE else count


@inlined  # type: ignore[untyped-decorator]
def string(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """The closing quote of the string that goes on at ``at``; one with escapes is given up."""
    while at < end:
        if at + 8 <= end:
            plain = _plain_bytes(word(at))
            at += plain
            if plain == 8:
                continue
        here = byte(at)
        if here == QUOTE:
            return at
        if here < 0x20 or here == _BACKSLASH:
            return GIVEN_UP
        if here < 0x80:
            at += 1
        else:
            at = _sequence(at, end)
            if at < 0:
                return GIVEN_UP
    return GIVEN_UP


@inlined  # type: ignore[untyped-decorator]
def is_digit(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """Whether a digit stands at ``at``."""
    return at < end and _ZERO <= byte(at) <= _NINE


@inlined  # type: ignore[untyped-decorator]
def digits(at: Any, end: Any, before: Any) -> Any:  # pragma: no cover - compiled
    """The number that digits from ``at`` on continue, and where they end."""
    value = before
    while at < end and _ZERO <= byte(at) <= _NINE:
        value = value * 10 + np.int64(byte(at) - _ZERO)
        at += 1
    return value, at


@inlined  # type: ignore[untyped-decorator]
def whole(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """The magnitude of the digits before a point, and where they end."""
    if not is_digit(at, end) or (byte(at) == _ZERO and is_digit(at + 1, end)):
        return np.int64(0), GIVEN_UP
    value, stop = digits(at, end, np.int64(0))
    return (value, stop) if stop - at <= _MOST_DIGITS else (np.int64(0), GIVEN_UP)


@inlined  # type: ignore[untyped-decorator]
def integer(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """The whole number at ``at``, and where it ends."""
    is_negative = byte(at) == _MINUS
    value, at = whole(at + 1 if is_negative else at, end)
    if at < 0 or (is_negative and value == 0):
        return value, GIVEN_UP
    return (-value if is_negative else value), at


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def real(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """The number at ``at`` as float64, and where it ends."""
    is_negative = byte(at) == _MINUS
    start = at + 1 if is_negative else at
    value, at = whole(start, end)
    if at < 0:
        return 0.0, GIVEN_UP
    length, exponent = at - start, 0
    if at < end and byte(at) == _DOT:
        point = at + 1
        if not is_digit(point, end):
            return 0.0, GIVEN_UP
        value, at = digits(point, end, value)
        length, exponent = length + at - point, point - at
    if at < end and (byte(at) | 0x20) == 0x65:
        at += 1
        is_small = at < end and byte(at) == _MINUS
        if is_small or (at < end and byte(at) == _PLUS):
            at += 1
        power, stop = digits(at, end, np.int64(0))
        if stop == at or stop - at > 3:
            return 0.0, GIVEN_UP
        at = stop
        exponent += -power if is_small else power
    if length > _EXACT_DIGITS or exponent < -22 or exponent > 22 or (is_negative and value == 0):
        return 0.0, GIVEN_UP
    size = value / _POWERS[-exponent] if exponent < 0 else value * _POWERS[exponent]
    return (-size if is_negative else size), at


@inlined  # type: ignore[untyped-decorator]
def literal(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """1, 0 or -1 for ``true``, ``false`` or ``null``, and where it ends."""
    if at + 4 <= end and word(at) & _HALF == _TRUE:
        return 1, at + 4
    if at + 4 <= end and word(at) & _HALF == _NULL_WORD:
        return -1, at + 4
    for j in range(5):
        if at + j >= end or byte(at + j) != _FALSE[j]:
            return 0, GIVEN_UP
    return 0, at + 5


@inlined  # type: ignore[untyped-decorator]
def skip(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """Behind a value that nobody declared; objects, arrays and exponents are given up."""
    if byte(at) == QUOTE:
        close = string(at + 1, end)
        return close + 1 if close >= 0 else GIVEN_UP
    if byte(at) == _MINUS or is_digit(at, end):
        _, at = whole(at + 1 if byte(at) == _MINUS else at, end)
        if at >= 0 and at < end and byte(at) == _DOT:
            if not is_digit(at + 1, end):
                return GIVEN_UP
            _, at = digits(at + 1, end, np.int64(0))
        return at
    _, at = literal(at, end)
    return at
