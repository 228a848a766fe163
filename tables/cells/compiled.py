"""What numba compiles of a table's accumulators: a record at a time instead of a pass for each step.

Imported only where it is used. Sums are whole numbers, and an extreme is the same whichever comes first, so that what
NumPy gives in ``panes`` and ``segments`` is given here bit for bit.
"""

from typing import Any

from numba import njit


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
