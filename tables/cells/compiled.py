"""What numba compiles of a table's accumulators and hash maps: a record at a time instead of a pass for each step.

Imported only where it is used. Sums are whole numbers, and an extreme is the same whichever comes first, so that what
NumPy gives in ``panes`` and ``segments`` is given here bit for bit.
"""

from typing import Any, Final

import numpy as np
from numba import njit

_EMPTY: Final = -1  # as in ``hashmap``


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba is untyped
def add_sums(
    order: Any,
    starts: Any,
    sizes: Any,
    keys: Any,
    values: Any,
    target: Any,
    running: Any,
    panes: Any,
    rows: Any,
    capacity: Any,
) -> None:  # pragma: no cover - compiled
    """Add ``values`` to ``target`` by group, and to ``panes``, flat, by row and group; fill ``running`` with totals.

    ``running`` and ``panes`` are empty where they are not wanted. Many arguments: a tuple takes longer to unpack.
    """
    wanted, by_pane = len(running) > 0, len(panes) > 0
    for group in range(len(keys)):
        key = keys[group]
        total = target[key]
        for at in range(starts[group], starts[group] + sizes[group]):
            record = order[at]
            value = values[record]
            total += value
            if wanted:
                running[record] = total
            if by_pane:
                panes[rows[record] * capacity + key] += value
        target[key] = total


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def add_extremes(
    order: Any,
    starts: Any,
    sizes: Any,
    keys: Any,
    values: Any,
    target: Any,
    running: Any,
    panes: Any,
    rows: Any,
    capacity: Any,
    sign: Any,
) -> None:  # pragma: no cover - compiled
    """The same for the largest value, or where ``sign`` is -1 the smallest; NaN is no value."""
    wanted, by_pane = len(running) > 0, len(panes) > 0
    for group in range(len(keys)):
        key = keys[group]
        extreme = target[key]
        for at in range(starts[group], starts[group] + sizes[group]):
            record = order[at]
            value = values[record]
            if value * sign > extreme * sign or extreme != extreme:  # noqa: PLR0124 - NaN
                extreme = value
            if wanted:
                running[record] = extreme
            if by_pane:
                cell = rows[record] * capacity + key
                held = panes[cell]
                if value * sign > held * sign or held != held:  # noqa: PLR0124
                    panes[cell] = value
        target[key] = extreme


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def find_places(held: Any, rows: Any, codes: Any, places: Any) -> None:  # pragma: no cover - compiled
    """Fill ``places`` with where each of ``codes`` stands in an open hash table, or the empty place its search ends at.

    ``held`` and ``rows`` are the table, of a power of two of places; -1 in ``rows`` is an empty one, -2 one to pass by.
    """
    mask = len(rows) - 1
    for i in range(len(codes)):
        place = codes[i] & mask
        while rows[place] != _EMPTY and (rows[place] < 0 or held[place] != codes[i]):
            place = (place + 1) & mask
        places[i] = place


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def place_codes(held: Any, rows: Any, codes: Any, values: Any) -> None:  # pragma: no cover - compiled
    """Put ``codes``, which are not in it, with ``values`` into an open hash table as above, which has room."""
    mask = len(rows) - 1
    for i in range(len(codes)):
        place = codes[i] & mask
        while rows[place] != _EMPTY:
            place = (place + 1) & mask
        rows[place], held[place] = values[i], codes[i]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def place_new_codes(
    held: Any, rows: Any, codes: Any, free: Any, found: Any, is_first: Any
) -> Any:  # pragma: no cover - compiled
    """Where ``found`` is negative, give each code a row of ``free`` in turn, the same code the same one.

    The table, as above, has room for all of them. Returns how many rows were given.
    """
    mask, given = len(rows) - 1, 0
    for i in range(len(codes)):
        if found[i] >= 0:
            continue
        place = codes[i] & mask
        while rows[place] != _EMPTY and (rows[place] < 0 or held[place] != codes[i]):
            place = (place + 1) & mask
        if rows[place] == _EMPTY:
            rows[place], held[place] = free[given], codes[i]
            is_first[i] = True
            given += 1
        found[i] = rows[place]
    return given


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def group_codes(codes: Any, table: Any, known: Any, starts: Any, places: Any) -> Any:  # pragma: no cover - compiled
    """Group ``codes``, which are hashes; how many groups there are.

    Those of ``known[g]`` stand at ``places[starts[g] : starts[g + 1]]``, in order. ``table`` finds ``g``; it has a
    power of two of places, at least twice as many as there are codes, all ``_EMPTY``.
    """
    mask, count = len(table) - 1, 0
    groups = np.empty(len(codes), np.int64)
    starts[:] = 0
    for i in range(len(codes)):
        place = codes[i] & mask
        while table[place] != _EMPTY and known[table[place]] != codes[i]:
            place = (place + 1) & mask
        if table[place] == _EMPTY:
            table[place], known[count] = count, codes[i]
            count += 1
        groups[i] = table[place]
        starts[groups[i] + 1] += 1
    for group in range(count):
        starts[group + 1] += starts[group]
    filled = starts[:count].copy()
    for i in range(len(codes)):
        places[filled[groups[i]]] = i
        filled[groups[i]] += 1
    return count


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def newest_before(
    table: Any, known: Any, starts: Any, places: Any, codes: Any, before: Any, found: Any
) -> None:  # pragma: no cover - compiled
    """Fill ``found`` with the last place of each code below ``before`` in what was grouped, or ``_EMPTY``."""
    mask = len(table) - 1
    for i in range(len(codes)):
        place, found[i] = codes[i] & mask, _EMPTY
        while table[place] != _EMPTY and known[table[place]] != codes[i]:
            place = (place + 1) & mask
        if table[place] == _EMPTY:
            continue
        low, high = starts[table[place]], starts[table[place] + 1]
        first = low
        while low < high:
            middle = (low + high) >> 1
            if places[middle] < before[i]:
                low = middle + 1
            else:
                high = middle
        if low > first:
            found[i] = places[low - 1]
