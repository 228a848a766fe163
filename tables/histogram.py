"""Latencies in 128 fixed buckets: exact below 9 ms, within 7.3 % up to a day, added to merge.

The bucket bounds are those of a log histogram with a fixed relative error, laid on a grid that the bits of a double
give for free, so that counting is a shift and a ``bincount`` and every machine puts a value into the same bucket.

References: Masson, Rim and Lee (2019), DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees (bounds that grow by a constant factor, the estimate between two bounds, the rank); HdrHistogram (Tene) and
DDSketch's interpolated mappings (the exponent and the leading bits of the fraction as the index).
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

WIDTH: Final = 128
"""Buckets of a histogram: bucket 0 holds 0 ms (and what was negative), the last one all from ``LIMIT_MS`` up."""
LIMIT_MS: Final = 83 << 20
"""Where the last bucket begins: a day and ten minutes, a line of the grid below."""

# The grid: 64 steps in each power of two, so every whole number below 128 is a line of it, and so is each bound.
_GRID_BITS: Final = 6
_SHIFT: Final = 52 - _GRID_BITS
_ORIGIN: Final = int(np.float64(1.0).view(np.int64)) >> _SHIFT
_EXACT_MS: Final = 9


def _on_grid(value_ms: float) -> int:
    step = math.ldexp(1.0, math.frexp(value_ms)[1] - 1 - _GRID_BITS)
    return math.ceil(round(value_ms / step) * step)


def _bounds() -> Int64:
    """Lower bounds: one by one up to 9, then by a constant factor, each moved to the nearest line of the grid."""
    steps = WIDTH - 1 - _EXACT_MS
    factor = math.pow(LIMIT_MS / _EXACT_MS, 1.0 / steps)
    growing = (_on_grid(_EXACT_MS * math.pow(factor, step)) for step in range(steps))
    return np.array([*range(_EXACT_MS), *growing, LIMIT_MS], np.int64)


BOUNDS_MS: Final[Int64] = _bounds()
"""Lower bound of each bucket in ms, inclusive, shape ``(WIDTH,)``; a bucket ends before the next one's bound."""

# Between whole numbers a and b the estimate 2ab / (a + b) is off by at most (b - a) / (b + a), relatively.
_LAST_MS: Final[Int64] = np.append(BOUNDS_MS[1:] - 1, LIMIT_MS)
_SUM_MS: Final[Int64] = np.maximum(BOUNDS_MS + _LAST_MS, 1)
_ESTIMATE_MS: Final[Float64] = 2.0 * BOUNDS_MS * _LAST_MS / _SUM_MS
RELATIVE_ERROR: Final = float(np.max((_LAST_MS - BOUNDS_MS) / _SUM_MS))
"""Largest relative error of a quantile below ``LIMIT_MS``."""


def _lines(values_ms: Int64) -> Int64:
    """The grid's line below each value: 1 at 1 ms; 0 at 0, whose double has no bit set."""
    lines = values_ms.astype(np.float64).view(np.int64)
    lines >>= _SHIFT
    lines -= _ORIGIN - 1
    return np.maximum(lines, 0, out=lines)


_LINES: Final[Int64] = _lines(BOUNDS_MS)


def bucket_counts(values_ms: Int64) -> Int64:
    """Count latencies by bucket.

    Args:
        values_ms: Whole milliseconds, shape ``(n,)``. Negative ones (clocks that disagree) count as 0; whoever measures
            counts them.

    Returns:
        Shape ``(WIDTH,)``; adding two of them merges them.

    Cost: about 8 ns a value, 10 µs a call.
    """
    lines = _lines(np.clip(values_ms, 0, LIMIT_MS))
    fine = np.bincount(lines, minlength=int(_LINES[-1]) + 1)
    return np.add.reduceat(fine, _LINES).astype(np.int64, copy=False)


def quantile(counts: Int64, q: float) -> Float64:
    """The ``q``-quantile of each histogram, within ``RELATIVE_ERROR`` of the value of rank ``floor(q * (n - 1))``.

    Args:
        counts: Shape ``(..., WIDTH)``.
        q: Fraction, 0-1; 1 is the maximum.

    Returns:
        Milliseconds, shape ``(...)``: NaN for an empty histogram, ``LIMIT_MS`` for "at least a day".

    Raises:
        ValueError: If ``q`` is no fraction or the last axis isn't ``WIDTH`` long.

    Cost: a pass over ``counts``.
    """
    if not 0.0 <= q <= 1.0:
        raise ValueError(f"a quantile is asked for by a fraction between 0 and 1, got {q}")
    if counts.shape[-1] != WIDTH:
        raise ValueError(f"a latency histogram has {WIDTH} buckets, got shape {counts.shape}")
    cumulative = np.cumsum(counts, axis=-1)
    total = cumulative[..., -1]
    rank = np.floor(q * (total - 1)).astype(np.int64)
    bucket = np.argmax(cumulative > rank[..., np.newaxis], axis=-1)
    result: Float64 = np.where(total > 0, _ESTIMATE_MS[bucket], np.nan)
    return result


def maximum(counts: Int64) -> Float64:
    """The largest value of each histogram, within ``RELATIVE_ERROR``.

    Args:
        counts: Shape ``(..., WIDTH)``.

    Returns:
        Milliseconds, shape ``(...)``; NaN for an empty histogram, ``LIMIT_MS`` for "at least a day".

    Raises:
        ValueError: If the last axis isn't ``WIDTH`` long.
    """
    return quantile(counts, 1.0)
