"""What numba compiles of boosted trees and medians: what NumPy gives, in the same order, in fewer passes.

Imported only where it is used. Whatever has more than one right answer in floating point, such as an exponential or a
sum in pairs, stays in NumPy, so that both give the same trees bit for bit.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from detectors.base import LARGEST, SMALLEST

_BINS: Final = 256
_NORMAL: Final = 1.4826  # as in ``robust``


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]  # numba is untyped
def _fill(sums: Any, bins: Any, leaf: Any, gradients: Any) -> None:  # pragma: no cover - compiled
    """Both derivatives by leaf and bin of one feature, shape ``(leaves, bins, 2)``."""
    sums[:] = 0.0
    for i in range(len(bins)):
        cell = sums[leaf[i], bins[i]]
        cell[0] += gradients[i, 0]
        cell[1] += gradients[i, 1]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _add_gains(sums: Any, n_leaves: Any, ridge: Any, gains: Any) -> None:  # pragma: no cover - compiled
    """How much better the best steps are when every leaf is parted above a bin, shape ``(bins,)``."""
    gains[:] = 0.0
    slopes, curves = np.empty(_BINS), np.empty(_BINS)
    for leaf in range(n_leaves):
        slope = curve = 0.0
        for at in range(_BINS):
            slope += sums[leaf, at, 0]
            curve += sums[leaf, at, 1]
            slopes[at], curves[at] = slope, curve
        for at in range(_BINS):
            low = slopes[at] * slopes[at] / (curves[at] + ridge)
            rest = slope - slopes[at]
            gains[at] += low + rest * rest / (max(curve - curves[at], 0.0) + ridge)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def ask(
    small: Any, asked: Any, drawn: Any, gradients: Any, ridge: Any, feature: Any, cut: Any
) -> None:  # pragma: no cover - compiled
    """Fill ``feature`` and ``cut``, level by level, with what parts the drawn examples best.

    ``small`` are the bins, shape ``(n_features, n)``; ``gradients`` are of the drawn ones, shape ``(n_drawn, 2)``.
    """
    n_asked, n_drawn = len(asked), len(drawn)
    bins = np.empty((n_asked, n_drawn), np.uint8)
    for at in range(n_asked):
        row = small[asked[at]]
        for i in range(n_drawn):
            bins[at, i] = row[drawn[i]]
    leaf = np.zeros(n_drawn, np.uint8)
    sums, gains = np.empty((1 << (len(feature) - 1), _BINS, 2)), np.empty(_BINS)
    for level in range(len(feature)):
        n_leaves = 1 << level
        best, best_at, best_bin = -1.0, 0, 0
        for at in range(n_asked):
            _fill(sums[:n_leaves], bins[at], leaf, gradients)
            _add_gains(sums, n_leaves, ridge, gains)
            for after in range(_BINS - 1):
                if gains[after] > best:
                    best, best_at, best_bin = gains[after], at, after
        feature[level], cut[level] = asked[best_at], best_bin
        for i in range(n_drawn):
            leaf[i] = 2 * leaf[i] + (bins[best_at, i] > best_bin)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def sort_in(
    small: Any, feature: Any, cut: Any, columns: Any, leaf: Any, sums: Any
) -> None:  # pragma: no cover - compiled
    """Fill ``leaf``, shape ``(n,)``, and ``sums``, shape ``(leaves, 3)``, with those of the three columns by leaf."""
    leaf[:] = 0
    for level in range(len(feature)):
        row, limit = small[feature[level]], cut[level]
        for i in range(len(leaf)):
            leaf[i] = 2 * leaf[i] + (row[i] > limit)
    sums[:] = 0.0
    slope, curve, weight = columns
    for i in range(len(leaf)):
        cell = sums[leaf[i]]
        cell[0] += slope[i]
        cell[1] += curve[i]
        cell[2] += weight[i]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def add_leaves(columns: Any, feature: Any, limit: Any, leaves: Any, total: Any) -> None:  # pragma: no cover - compiled
    """Add each tree's leaf to ``total``, shape ``(n,)``; ``columns`` are the features, shape ``(n_features, n)``."""
    n, depth = len(total), feature.shape[1]
    leaf = np.empty(n, np.uint8)
    for tree in range(len(leaves)):
        leaf[:] = 0
        for level in range(depth):
            column, least = columns[feature[tree, level]], limit[tree, level]
            for i in range(n):
                leaf[i] = 2 * leaf[i] + (column[i] > least)
        own = leaves[tree]
        for i in range(n):
            total[i] += own[leaf[i]]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def add_moves(x: Any, feature: Any, limit: Any, expected: Any, added: Any) -> None:  # pragma: no cover - compiled
    """Add to ``added``, shape ``(n, n_features)``, how each answer moves the expected leaf.

    ``expected`` holds those of all levels one after the other, shape ``(trees, 2 ** (depth + 1) - 1)``.
    """
    depth = feature.shape[1]
    for i in range(len(x)):
        for tree in range(len(feature)):
            leaf, before = 0, expected[tree, 0]
            for level in range(depth):
                asked = feature[tree, level]
                leaf = 2 * leaf + (x[i, asked] > limit[tree, level])
                after = expected[tree, (2 << level) - 1 + leaf]
                added[i, asked] += after - before
                before = after


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _middle(recent: Any, order: Any, held: Any) -> Any:  # pragma: no cover - compiled
    """The median of the ``held`` values of a window."""
    low = recent[order[(held - 1) // 2]]
    return 0.5 * low + 0.5 * (low if held % 2 else recent[order[held // 2]]) + 0.0


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _deviation(recent: Any, order: Any, held: Any, centre: Any) -> Any:  # pragma: no cover - compiled
    """The median of their distances from ``centre``, which grow from it to either side."""
    below = (held - 1) // 2
    while below + 1 < held and recent[order[below + 1]] <= centre:
        below += 1
    while below >= 0 and recent[order[below]] > centre:
        below -= 1
    above = below + 1
    low = high = 0.0
    for _ in range(held // 2 + 1):
        low = high
        left = centre - recent[order[below]] if below >= 0 else np.inf
        right = recent[order[above]] - centre if above < held else np.inf
        if left <= right:
            high = left
            below -= 1
        else:
            high = right
            above += 1
    return 0.5 * (high if held % 2 else low) + 0.5 * high + 0.0


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _replace(recent: Any, order: Any, count: Any, value: Any) -> None:  # pragma: no cover - compiled
    """Put ``value`` where the oldest of the window is, or behind the newest, and its place into the order."""
    window = len(recent)
    place = count % window
    at = min(count, window)
    if count >= window:
        at = 0
        while order[at] != place:
            at += 1
    recent[place] = value
    while at > 0 and recent[order[at - 1]] > value:
        order[at] = order[at - 1]
        at -= 1
    last = min(count, window - 1)
    while at < last and recent[order[at + 1]] < value:
        order[at] = order[at + 1]
        at += 1
    order[at] = place


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def follow_medians(
    counts: Any,
    recents: Any,
    ignored: Any,
    orders: Any,
    rows: Any,
    values: Any,
    begins: Any,
    limits: Any,
    found: Any,
) -> None:  # pragma: no cover - compiled
    """Score and learn ``values`` one after the other; ``orders`` are the places of ``recents`` by value.

    ``limits`` are the window, the warm-up and the floor; ``found`` takes scores, medians and units.
    """
    _, warmup, floor = limits
    scores, centres, units = found
    for i in range(len(rows)):
        row, value = rows[i], values[i]
        recent, order = recents[row], orders[row]
        if begins[i]:
            recent[:] = np.nan
            counts[row] = ignored[row] = 0.0
        count = int(counts[row])
        held = min(count, len(recent))
        usable = abs(value) <= LARGEST
        scores[i] = centres[i] = units[i] = np.nan
        if count >= warmup:
            centre = _middle(recent, order, held)
            unit = max(_NORMAL * _deviation(recent, order, held, centre), floor * abs(centre))
            centres[i], units[i] = centre, unit
            if usable:
                divisor = unit if unit > 0.0 else floor * abs(value)
                scores[i] = (value - centre) / max(divisor, SMALLEST)
        if usable:
            _replace(recent, order, count, value)
            counts[row] = count + 1.0
        else:
            ignored[row] += 1.0
