"""What numba compiles to read flat JSON objects into columns; see ``scanner``. Imported only where it is used.

A record is taken only if it is valid beyond doubt; whatever is unusual is left to the parser that knows all of JSON.
"""

from typing import Any, Final

import numpy as np
from numba import njit

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
_POWERS: Final = 10.0 ** np.arange(23)  # exact, so one multiplication or division rounds correctly (Clinger, 1990)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is untyped
def _space(data: Any, at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    while at < end and (data[at] == 0x20 or data[at] == 0x0A or data[at] == 0x0D or data[at] == 0x09):
        at += 1
    return at


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sequence(data: Any, at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """Behind the UTF-8 sequence of several bytes at ``at``. Reference: RFC 3629, section 4."""
    first = data[at]
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
    if at + more >= end or data[at + 1] < low or data[at + 1] > high:
        return _GIVEN_UP
    for k in range(2, more + 1):
        if data[at + k] < 0x80 or data[at + k] > 0xBF:
            return _GIVEN_UP
    return at + more + 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _string(data: Any, at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """The closing quote of the string that goes on at ``at``; one with escapes is given up."""
    while at < end:
        byte = data[at]
        if byte == _QUOTE:
            return at
        if byte < 0x20 or byte == _BACKSLASH:
            return _GIVEN_UP
        if byte < 0x80:
            at += 1
        else:
            at = _sequence(data, at, end)
            if at < 0:
                return _GIVEN_UP
    return _GIVEN_UP


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _is_digit(data: Any, at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    return at < end and _ZERO <= data[at] <= _NINE


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _digits(data: Any, at: Any, end: Any, before: Any) -> Any:  # pragma: no cover - compiled
    """The number that digits from ``at`` on continue, and where they end."""
    value = before
    while at < end and _ZERO <= data[at] <= _NINE:
        value = value * 10 + np.int64(data[at] - _ZERO)
        at += 1
    return value, at


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _whole(data: Any, at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """The magnitude of the digits before a point, and where they end."""
    if not _is_digit(data, at, end) or (data[at] == _ZERO and _is_digit(data, at + 1, end)):
        return np.int64(0), _GIVEN_UP
    value, stop = _digits(data, at, end, np.int64(0))
    return (value, stop) if stop - at <= _MOST_DIGITS else (np.int64(0), _GIVEN_UP)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _integer(data: Any, at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    is_negative = data[at] == _MINUS
    value, at = _whole(data, at + 1 if is_negative else at, end)
    if at < 0 or (is_negative and value == 0):
        return value, _GIVEN_UP
    return (-value if is_negative else value), at


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _real(data: Any, at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    is_negative = data[at] == _MINUS
    start = at + 1 if is_negative else at
    value, at = _whole(data, start, end)
    if at < 0:
        return 0.0, _GIVEN_UP
    digits, exponent = at - start, 0
    if at < end and data[at] == _DOT:
        point = at + 1
        if not _is_digit(data, point, end):
            return 0.0, _GIVEN_UP
        value, at = _digits(data, point, end, value)
        digits, exponent = digits + at - point, point - at
    if at < end and (data[at] | 0x20) == 0x65:
        at += 1
        is_small = at < end and data[at] == _MINUS
        if is_small or (at < end and data[at] == _PLUS):
            at += 1
        power, stop = _digits(data, at, end, np.int64(0))
        if stop == at or stop - at > 3:
            return 0.0, _GIVEN_UP
        at = stop
        exponent += -power if is_small else power
    if digits > _EXACT_DIGITS or exponent < -22 or exponent > 22 or (is_negative and value == 0):
        return 0.0, _GIVEN_UP
    real = value / _POWERS[-exponent] if exponent < 0 else value * _POWERS[exponent]
    return (-real if is_negative else real), at


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _literal(data: Any, at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """1, 0 or -1 for ``true``, ``false`` or ``null``, and where it ends."""
    if at + 4 <= end:
        if data[at] == 0x74 and data[at + 1] == 0x72 and data[at + 2] == 0x75 and data[at + 3] == 0x65:
            return 1, at + 4
        if data[at] == 0x6E and data[at + 1] == 0x75 and data[at + 2] == 0x6C and data[at + 3] == 0x6C:
            return -1, at + 4
    if at + 5 <= end and data[at] == 0x66 and data[at + 1] == 0x61 and data[at + 2] == 0x6C:
        if data[at + 3] == 0x73 and data[at + 4] == 0x65:
            return 0, at + 5
    return 0, _GIVEN_UP


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _skip(data: Any, at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """Behind a value that nobody declared; objects, arrays and exponents are given up."""
    if data[at] == _QUOTE:
        close = _string(data, at + 1, end)
        return close + 1 if close >= 0 else _GIVEN_UP
    if data[at] == _MINUS or _is_digit(data, at, end):
        _, at = _whole(data, at + 1 if data[at] == _MINUS else at, end)
        if at >= 0 and at < end and data[at] == _DOT:
            if not _is_digit(data, at + 1, end):
                return _GIVEN_UP
            _, at = _digits(data, at + 1, end, np.int64(0))
        return at
    _, at = _literal(data, at, end)
    return at


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _is_named(data: Any, at: Any, end: Any, names: Any, start: Any, stop: Any) -> Any:  # pragma: no cover - compiled
    """Whether ``names[start:stop]`` and a quote stand at ``at``."""
    quote = at + stop - start
    if quote >= end or data[quote] != _QUOTE:
        return False
    for j in range(start, stop):
        if data[at] != names[j]:
            return False
        at += 1
    return True


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _member(data: Any, at: Any, end: Any, names: Any, fields: Any, guess: Any) -> Any:  # pragma: no cover - compiled
    """The field whose name stands at ``at``, or their number if it is none of them."""
    count = len(fields)
    if guess < count and _is_named(data, at, end, names, fields[guess, NAME], fields[guess, NAME_END]):
        return guess
    for field in range(count):
        if _is_named(data, at, end, names, fields[field, NAME], fields[field, NAME_END]):
            return field
    return count


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _read(data: Any, at: Any, end: Any, kind: Any) -> Any:  # pragma: no cover - compiled
    """The whole number, where a text begins, or the real number at ``at``, and where it ends."""
    number, real = np.int64(0), 0.0
    if kind == TEXT:
        if data[at] != _QUOTE:
            return number, real, _GIVEN_UP
        number = at + 1
        at = _string(data, number, end)
        return number, real, at + 1 if at >= 0 else _GIVEN_UP
    if kind == INT:
        number, at = _integer(data, at, end)
    elif kind == REAL:
        real, at = _real(data, at, end)
    else:
        truth, at = _literal(data, at, end)
        number = np.int64(truth)
    return number, real, at


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _colon(data: Any, at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """Where the value begins whose name ends before ``at``."""
    at = _space(data, at, end)
    if at >= end or data[at] != _COLON:
        return _GIVEN_UP
    at = _space(data, at + 1, end)
    return at if at < end else _GIVEN_UP


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def scan_records(
    data: Any, spans: Any, names: Any, fields: Any, below: Any, numbers: Any, reals: Any, taken: Any
) -> None:  # pragma: no cover - compiled
    """Read each record into the columns.

    Args:
        data: Where the records stand.
        spans: Start and end of each, shape ``(2, n)``.
        names: Of all fields, one after the other.
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
        end = spans[1, record]
        at = _space(data, spans[0, record], end)
        taken[record] = False
        if at >= end or data[at] != _OPEN:
            continue
        at = _space(data, at + 1, end)
        seen, member = np.int64(0), 0
        is_open = not (at < end and data[at] == _CLOSE)
        while is_open and 0 <= at < end and data[at] == _QUOTE and member < MOST_MEMBERS:
            field = _member(data, at + 1, end, names, fields, order[member])
            order[member] = field
            if field == count:
                at = _string(data, at + 1, end)
            else:
                at += 1 + fields[field, NAME_END] - fields[field, NAME]
            at = _colon(data, at + 1, end) if at >= 0 else _GIVEN_UP
            if at < 0:
                break
            if field == count:
                at = _skip(data, at, end)
            elif seen >> field & 1:
                at = _GIVEN_UP
            elif fields[field, OPTIONAL] and data[at] == _NULL:
                _, at = _literal(data, at, end)
                seen |= np.int64(1) << field
            else:
                seen |= np.int64(1) << field
                start = at
                kind, row = fields[field, KIND], fields[field, ROW]
                number, real, at = _read(data, start, end, kind)
                if kind == TEXT:
                    if row >= 0:
                        numbers[2 * row, record] = number
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
            at = _space(data, at, end)
            if at < end and data[at] == _COMMA:
                at = _space(data, at + 1, end)
                member += 1
            elif at < end and data[at] == _CLOSE:
                is_open = False
            else:
                at = _GIVEN_UP
        if not is_open and at >= 0 and seen & required == required:
            taken[record] = _space(data, at + 1, end) == end
