"""Records grouped by cell: one stable sort, then running totals of every cell at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Groups:
    """Records grouped by their cell, in stream order within a group.

    ::

        cells   7 3 7 7 3          (stream order)
        order   1 4 0 2 3          (sorted position -> record)
        starts  0 2                (first sorted position of each group)
        keys    3 7                (cell of each group, ascending)
        sizes   2 3

    Args:
        order: Record at each sorted position, shape ``(n,)``.
        starts: Shape ``(g,)``.
        keys: Shape ``(g,)``.
        sizes: Shape ``(g,)``.
    """

    order: Int64
    starts: Int64
    keys: Int64
    sizes: Int64

    def unsort(self, sorted_values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Values in sorted order back in stream order, shape ``(n,)``."""
        values = np.empty_like(sorted_values)
        values[self.order] = sorted_values
        return values


def group_by(cells: Int64) -> Groups:
    """Group records by cell number, at least 0 and below ``2**40``.

    Cell and position are packed into one integer, so that a plain (vectorised, unstable) sort is a stable one.

    Cost: one sort of ``n`` 64-bit integers.
    """
    n = len(cells)
    if not n:
        empty = np.empty(0, np.int64)
        return Groups(empty, empty, empty, empty)
    bits = max(1, (n - 1).bit_length())
    packed = (cells << bits) | np.arange(n, dtype=np.int64)
    packed.sort()
    order = packed & ((1 << bits) - 1)
    cell = packed >> bits
    first = np.empty(n, np.bool_)
    first[0] = True
    np.not_equal(cell[1:], cell[:-1], out=first[1:])
    starts = first.nonzero()[0]
    sizes = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=sizes[:-1])
    sizes[-1] = n - starts[-1]
    return Groups(order, starts, cell[starts], sizes)


def running_sum(groups: Groups, values: Int64, base: Int64) -> tuple[Int64, Int64]:
    """Running totals within each group, each record included.

    Whole numbers only: their sums do not depend on the order of additions, fractions' sums do.

    Args:
        groups: Of ``n`` records.
        values: Shape ``(n,)``, in stream order.
        base: What each group starts from, shape ``(g,)``.

    Returns:
        The running total at each record in stream order, shape ``(n,)``, and each group's own sum, shape ``(g,)``.
    """
    in_order = values[groups.order]
    running = np.cumsum(in_order)
    before = running[groups.starts] - in_order[groups.starts]
    sums = np.empty_like(before)
    np.subtract(before[1:], before[:-1], out=sums[:-1])
    sums[-1] = running[-1] - before[-1]
    running += np.repeat(base - before, groups.sizes)
    trailing = np.empty_like(running)
    trailing[groups.order] = running
    return trailing, sums


def sums_by_group(groups: Groups, values: Int64) -> Int64:
    """Each group's sum, shape ``(g,)``."""
    return np.add.reduceat(values[groups.order], groups.starts)


def running_extreme(
    groups: Groups, values: NDArray[np.float64], base: NDArray[np.float64], extreme: np.ufunc
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Running ``np.fmin`` or ``np.fmax`` within each group, each record included; NaN is no value.

    A segmented scan by doubling (Hillis and Steele, 1986).

    Cost: one pass over the records for each doubling of the largest group.

    Returns:
        The extreme at each record in stream order, shape ``(n,)``, and each group's last one, shape ``(g,)``.
    """
    running = values[groups.order]
    ordinal = np.arange(len(running)) - np.repeat(groups.starts, groups.sizes)
    step, largest = 1, int(groups.sizes.max(initial=1))
    while step < largest:
        inside = ordinal[step:] >= step
        running[step:] = np.where(inside, extreme(running[step:], running[:-step]), running[step:])
        step *= 2
    running = extreme(running, np.repeat(base, groups.sizes))
    trailing = np.empty_like(running)
    trailing[groups.order] = running
    return trailing, running[groups.starts + groups.sizes - 1]
