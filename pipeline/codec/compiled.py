"""What numba compiles to read flat JSON objects into columns; see ``scanner``. Imported only where it is used.

A record is taken only if it is valid beyond doubt; whatever is unusual is left to the parser that knows all of JSON.
"""

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

TEXT, INT, REAL, BOOL = range(4)
"""Kinds of fields."""
KIND, ROW, OPTIONAL, LEAST, MOST, NAME, NAME_END = range(7)
"""What is known of a field: where it goes (-1: nowhere), the bounds of a whole number, where its name stands."""
MOST_MEMBERS: Final = 64
"""A record with more members is given up; fewer fields are declared, a bit of a word for each."""

_GIVEN_UP: Final = -1
_QUOTE, _BACKSLASH, _COLON, _COMMA, _OPEN, _CLOSE = 0x22, 0x5C, 0x3A, 0x2C, 0x7B, 0x7D
_ZERO, _NINE, _MINUS, _PLUS, _DOT, _NULL = 0x30, 0x39, 0x2D, 0x2B, 0x2E, 0x6E
_MOST_DIGITS: Final = 18  # of a whole number that certainly fits int64
_EXACT_DIGITS: Final = 15  # of a mantissa that certainly fits float64
_ONES, _HIGH, _NONE = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080), np.uint64(0)
_POWERS: Final = 10.0 ** np.arange(23)  # exact, so one multiplication or division rounds correctly (Clinger, 1990)


_inlined = njit(cache=True, nogil=True, inline="always")  # a call costs more than most of these functions do


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def _byte(_context: Any, _address: Any) -> Any:
    """The byte at an address: an array as an argument would cost more than what these functions do."""

    def load(_: Any, builder: Any, __: Any, arguments: Any) -> Any:  # pragma: no cover - compiled
        return builder.zext(builder.load(builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())), ir.IntType(64))

    return types.int64(types.int64), load


@intrinsic  # type: ignore[untyped-decorator]
def _word(_context: Any, _address: Any) -> Any:
    """The eight bytes from an address on."""

    def load(_: Any, builder: Any, __: Any, arguments: Any) -> Any:  # pragma: no cover - compiled
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()), align=1)

    return types.uint64(types.int64), load


@_inlined  # type: ignore[untyped-decorator]
def _space(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    while at < end and (_byte(at) == 0x20 or _byte(at) == 0x0A or _byte(at) == 0x0D or _byte(at) == 0x09):
        at += 1
    return at


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sequence(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """Behind the UTF-8 sequence of several bytes at ``at``. Reference: RFC 3629, section 4."""
    first = _byte(at)
    more, low, high = 1, 0x80, 0xBF
    if first < 0xC2 or first > 0xF4:
        return _GIVEN_UP
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
    if at + more >= end or _byte(at + 1) < low or _byte(at + 1) > high:
        return _GIVEN_UP
    for k in range(2, more + 1):
        if _byte(at + k) < 0x80 or _byte(at + k) > 0xBF:
            return _GIVEN_UP
    return at + more + 1


@_inlined  # type: ignore[untyped-decorator]
def _plain_bytes(word: Any) -> Any:  # pragma: no cover - compiled
    """How many of eight bytes, from the lowest on, can only be the inside of a string.

    Reference: Hacker's Delight, section 6-1; what a borrow marks wrongly lies above a byte that is marked rightly.
    """
    quote, escape = word ^ (_ONES * np.uint64(_QUOTE)), word ^ (_ONES * np.uint64(_BACKSLASH))
    marked = (quote - _ONES) & ~quote
    marked |= (escape - _ONES) & ~escape
    marked |= (word - _ONES * np.uint64(0x20)) & ~word
    marked = (marked | word) & _HIGH
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


@_inlined  # type: ignore[untyped-decorator]
def _string(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """The closing quote of the string that goes on at ``at``; one with escapes is given up."""
    while at < end:
        if at + 8 <= end:
            plain = _plain_bytes(_word(at))
            at += plain
            if plain == 8:
                continue
        byte = _byte(at)
        if byte == _QUOTE:
            return at
        if byte < 0x20 or byte == _BACKSLASH:
            return _GIVEN_UP
        if byte < 0x80:
            at += 1
        else:
            at = _sequence(at, end)
            if at < 0:
                return _GIVEN_UP
    return _GIVEN_UP


@_inlined  # type: ignore[untyped-decorator]
def _is_digit(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    return at < end and _ZERO <= _byte(at) <= _NINE


@_inlined  # type: ignore[untyped-decorator]
def _digits(at: Any, end: Any, before: Any) -> Any:  # pragma: no cover - compiled
    """The number that digits from ``at`` on continue, and where they end."""
    value = before
    while at < end and _ZERO <= _byte(at) <= _NINE:
        value = value * 10 + np.int64(_byte(at) - _ZERO)
        at += 1
    return value, at


@_inlined  # type: ignore[untyped-decorator]
def _whole(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """The magnitude of the digits before a point, and where they end."""
    if not _is_digit(at, end) or (_byte(at) == _ZERO and _is_digit(at + 1, end)):
        return np.int64(0), _GIVEN_UP
    value, stop = _digits(at, end, np.int64(0))
    return (value, stop) if stop - at <= _MOST_DIGITS else (np.int64(0), _GIVEN_UP)


@_inlined  # type: ignore[untyped-decorator]
def _integer(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    is_negative = _byte(at) == _MINUS
    value, at = _whole(at + 1 if is_negative else at, end)
    if at < 0 or (is_negative and value == 0):
        return value, _GIVEN_UP
    return (-value if is_negative else value), at


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _real(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    is_negative = _byte(at) == _MINUS
    start = at + 1 if is_negative else at
    value, at = _whole(start, end)
    if at < 0:
        return 0.0, _GIVEN_UP
    digits, exponent = at - start, 0
    if at < end and _byte(at) == _DOT:
        point = at + 1
        if not _is_digit(point, end):
            return 0.0, _GIVEN_UP
        value, at = _digits(point, end, value)
        digits, exponent = digits + at - point, point - at
    if at < end and (_byte(at) | 0x20) == 0x65:
        at += 1
        is_small = at < end and _byte(at) == _MINUS
        if is_small or (at < end and _byte(at) == _PLUS):
            at += 1
        power, stop = _digits(at, end, np.int64(0))
        if stop == at or stop - at > 3:
            return 0.0, _GIVEN_UP
        at = stop
        exponent += -power if is_small else power
    if digits > _EXACT_DIGITS or exponent < -22 or exponent > 22 or (is_negative and value == 0):
        return 0.0, _GIVEN_UP
    real = value / _POWERS[-exponent] if exponent < 0 else value * _POWERS[exponent]
    return (-real if is_negative else real), at


@_inlined  # type: ignore[untyped-decorator]
def _literal(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """1, 0 or -1 for ``true``, ``false`` or ``null``, and where it ends."""
    if at + 4 <= end:
        if _byte(at) == 0x74 and _byte(at + 1) == 0x72 and _byte(at + 2) == 0x75 and _byte(at + 3) == 0x65:
            return 1, at + 4
        if _byte(at) == 0x6E and _byte(at + 1) == 0x75 and _byte(at + 2) == 0x6C and _byte(at + 3) == 0x6C:
            return -1, at + 4
    if at + 5 <= end and _byte(at) == 0x66 and _byte(at + 1) == 0x61 and _byte(at + 2) == 0x6C:
        if _byte(at + 3) == 0x73 and _byte(at + 4) == 0x65:
            return 0, at + 5
    return 0, _GIVEN_UP


@_inlined  # type: ignore[untyped-decorator]
def _skip(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """Behind a value that nobody declared; objects, arrays and exponents are given up."""
    if _byte(at) == _QUOTE:
        close = _string(at + 1, end)
        return close + 1 if close >= 0 else _GIVEN_UP
    if _byte(at) == _MINUS or _is_digit(at, end):
        _, at = _whole(at + 1 if _byte(at) == _MINUS else at, end)
        if at >= 0 and at < end and _byte(at) == _DOT:
            if not _is_digit(at + 1, end):
                return _GIVEN_UP
            _, at = _digits(at + 1, end, np.int64(0))
        return at
    _, at = _literal(at, end)
    return at


@_inlined  # type: ignore[untyped-decorator]
def _is_named(at: Any, names: Any, start: Any, stop: Any) -> Any:  # pragma: no cover - compiled
    """Whether ``names[start:stop]`` stands at ``at``; both are compared eight bytes at a time."""
    while start < stop:
        differing = _word(at) ^ _word(names + start)
        if start + 8 > stop:
            differing <<= np.uint64(8 * (start + 8 - stop))
        if differing != _NONE:
            return False
        start += 8
        at += 8
    return True


@_inlined  # type: ignore[untyped-decorator]
def _member(at: Any, names: Any, fields: Any, guess: Any) -> Any:  # pragma: no cover - compiled
    """The field whose name, with its quotes, stands at ``at``, or their number if it is none of them."""
    count = len(fields)
    if guess < count and _is_named(at, names, fields[guess, NAME], fields[guess, NAME_END]):
        return guess
    for field in range(count):
        if _is_named(at, names, fields[field, NAME], fields[field, NAME_END]):
            return field
    return count


@_inlined  # type: ignore[untyped-decorator]
def _read(at: Any, end: Any, kind: Any) -> Any:  # pragma: no cover - compiled
    """The whole number, where a text begins, or the real number at ``at``, and where it ends."""
    number, real = np.int64(0), 0.0
    if kind == TEXT:
        if _byte(at) != _QUOTE:
            return number, real, _GIVEN_UP
        number = at + 1
        at = _string(number, end)
        return number, real, at + 1 if at >= 0 else _GIVEN_UP
    if kind == INT:
        number, at = _integer(at, end)
    elif kind == REAL:
        real, at = _real(at, end)
    else:
        truth, at = _literal(at, end)
        number = np.int64(truth)
    return number, real, at


@_inlined  # type: ignore[untyped-decorator]
def _colon(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """Where the value begins whose name ends before ``at``."""
    at = _space(at, end)
    if at >= end or _byte(at) != _COLON:
        return _GIVEN_UP
    at = _space(at + 1, end)
    return at if at < end else _GIVEN_UP


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def scan_records(
    data: Any, spans: Any, names: Any, fields: Any, below: Any, numbers: Any, reals: Any, taken: Any
) -> None:  # pragma: no cover - compiled
    """Read each record into the columns.

    Args:
        data: Address of what they stand in; 256 more bytes can be read, so that no name is looked for beyond it.
        spans: Start and end of each, shape ``(2, n)``.
        names: Address of the fields' names in quotes, one after the other, with 8 more bytes.
        fields: What is known of each, shape ``(f, 7)``; see ``KIND`` and the like.
        below: Bound of the magnitude of each real number, shape ``(f,)``.
        numbers: Receives whole numbers, or in rows ``2 * row`` and the next start and size of a text.
        reals: Receives real numbers and all that may be missing; holds what a missing one is.
        taken: Receives whether each record was read.
    """
    count = len(fields)
    required = np.int64(0)
    for field in range(count):
        if not fields[field, OPTIONAL]:
            required |= np.int64(1) << field
    order = np.arange(MOST_MEMBERS)  # members of records mostly come in the order of the last record
    for record in range(spans.shape[1]):
        end = data + spans[1, record]
        at = _space(data + spans[0, record], end)
        taken[record] = False
        if at >= end or _byte(at) != _OPEN:
            continue
        at = _space(at + 1, end)
        seen, member = np.int64(0), 0
        is_open = not (at < end and _byte(at) == _CLOSE)
        while is_open and 0 <= at < end and _byte(at) == _QUOTE and member < MOST_MEMBERS:
            field = _member(at, names, fields, order[member])
            order[member] = field
            if field == count:
                at = _string(at + 1, end)
            else:
                at += fields[field, NAME_END] - fields[field, NAME] - 1
            at = _colon(at + 1, end) if at >= 0 else _GIVEN_UP
            if at < 0:
                break
            if field == count:
                at = _skip(at, end)
            elif seen >> field & 1:
                at = _GIVEN_UP
            elif fields[field, OPTIONAL] and _byte(at) == _NULL:
                _, at = _literal(at, end)
                seen |= np.int64(1) << field
            else:
                seen |= np.int64(1) << field
                start = at
                kind, row = fields[field, KIND], fields[field, ROW]
                number, real, at = _read(start, end, kind)
                if kind == TEXT:
                    if row >= 0:
                        numbers[2 * row, record] = number - data
                        numbers[2 * row + 1, record] = at - 1 - number
                elif kind == REAL:
                    if not -below[field] < real < below[field]:
                        at = _GIVEN_UP
                    elif row >= 0:
                        reals[row, record] = real
                elif number < fields[field, LEAST] or number > fields[field, MOST]:
                    at = _GIVEN_UP
                elif row >= 0:
                    if fields[field, OPTIONAL]:
                        reals[row, record] = number
                    else:
                        numbers[2 * row, record] = number
            if at < 0:
                break
            at = _space(at, end)
            if at < end and _byte(at) == _COMMA:
                at = _space(at + 1, end)
                member += 1
            elif at < end and _byte(at) == _CLOSE:
                is_open = False
            else:
                at = _GIVEN_UP
        if not is_open and at >= 0 and seen & required == required:
            taken[record] = _space(at + 1, end) == end
