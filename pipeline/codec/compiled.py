"""What numba compiles to read flat JSON objects into columns; see ``scanner``. Imported only where it is used.

A record is taken only if it is valid beyond doubt; whatever is unusual is left to the parser that knows all of JSON.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from pipeline.codec.tokens import (
    CLOSE,
    COLON,
    COMMA,
    GIVEN_UP,
    NULL,
    OPEN,
    QUOTE,
    byte,
    inlined,
    integer,
    literal,
    real,
    skip,
    space,
    string,
    word,
)

TEXT, INT, REAL, BOOL = range(4)
"""Kinds of fields."""
KIND, ROW, OPTIONAL, LEAST, MOST, NAME, NAME_END = range(7)
"""What is known of a field: where it goes (-1: nowhere), the bounds of a whole number, where its name stands."""
MOST_MEMBERS: Final = 64
"""A record with more members is given up; fewer fields are declared, a bit of a word for each."""

_NONE: Final = np.uint64(0)


@inlined  # type: ignore[untyped-decorator]
def _is_named(at: Any, names: Any, start: Any, stop: Any) -> Any:  # pragma: no cover - compiled
    """Whether ``names[start:stop]`` stands at ``at``; both are compared eight bytes at a time."""
    while start < stop:
        differing = word(at) ^ word(names + start)
        if start + 8 > stop:
            differing <<= np.uint64(8 * (start + 8 - stop))
        if differing != _NONE:
            return False
        start += 8
        at += 8
    return True


@inlined  # type: ignore[untyped-decorator]
def _member(at: Any, names: Any, fields: Any, guess: Any) -> Any:  # pragma: no cover - compiled
    """The field whose name, with its quotes, stands at ``at``, or their number if it is none of them."""
    count = len(fields)
    if guess < count and _is_named(at, names, fields[guess, NAME], fields[guess, NAME_END]):
        return guess
    for field in range(count):
        if _is_named(at, names, fields[field, NAME], fields[field, NAME_END]):
            return field
    return count


@inlined  # type: ignore[untyped-decorator]
def _read(at: Any, end: Any, kind: Any) -> Any:  # pragma: no cover - compiled
    """The whole number, where a text begins, or the real number at ``at``, and where it ends."""
    number, fraction = np.int64(0), 0.0
    if kind == TEXT:
        if byte(at) != QUOTE:
            return number, fraction, GIVEN_UP
        number = at + 1
        at = string(number, end)
        return number, fraction, at + 1 if at >= 0 else GIVEN_UP
    if kind == INT:
        number, at = integer(at, end)
    elif kind == REAL:
        fraction, at = real(at, end)
    else:
        truth, at = literal(at, end)
        number = np.int64(truth)
    return number, fraction, at


@inlined  # type: ignore[untyped-decorator]
def _colon(at: Any, end: Any) -> Any:  # pragma: no cover - compiled
    """Where the value begins whose name ends before ``at``."""
    at = space(at, end)
    if at >= end or byte(at) != COLON:
        return GIVEN_UP
    at = space(at + 1, end)
    return at if at < end else GIVEN_UP


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
        at = space(data + spans[0, record], end)
        taken[record] = False
        if at >= end or byte(at) != OPEN:
            continue
        at = space(at + 1, end)
        seen, member = np.int64(0), 0
        is_open = not (at < end and byte(at) == CLOSE)
        while is_open and 0 <= at < end and byte(at) == QUOTE and member < MOST_MEMBERS:
            field = _member(at, names, fields, order[member])
            order[member] = field
            if field == count:
                at = string(at + 1, end)
            else:
                at += fields[field, NAME_END] - fields[field, NAME] - 1
            at = _colon(at + 1, end) if at >= 0 else GIVEN_UP
            if at < 0:
                break
            if field == count:
                at = skip(at, end)
            elif seen >> field & 1:
                at = GIVEN_UP
            elif fields[field, OPTIONAL] and byte(at) == NULL:
                _, at = literal(at, end)
                seen |= np.int64(1) << field
            else:
                seen |= np.int64(1) << field
                start = at
                kind, row = fields[field, KIND], fields[field, ROW]
                number, fraction, at = _read(start, end, kind)
                if kind == TEXT:
                    if row >= 0 and at >= 0:
                        numbers[2 * row, record] = number - data
                        numbers[2 * row + 1, record] = at - 1 - number
                elif kind == REAL:
                    if not -below[field] < fraction < below[field]:
                        at = GIVEN_UP
                    elif row >= 0:
                        reals[row, record] = fraction
                elif number < fields[field, LEAST] or number > fields[field, MOST]:
                    at = GIVEN_UP
                elif row >= 0:
                    if fields[field, OPTIONAL]:
                        reals[row, record] = number
                    else:
                        numbers[2 * row, record] = number
            if at < 0:
                break
            at = space(at, end)
            if at < end and byte(at) == COMMA:
                at = space(at + 1, end)
                member += 1
            elif at < end and byte(at) == CLOSE:
                is_open = False
            else:
                at = GIVEN_UP
        if not is_open and at >= 0 and seen & required == required:
            taken[record] = space(at + 1, end) == end
