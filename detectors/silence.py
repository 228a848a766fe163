"""How surprising it is to hear nothing for so long."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.base import LARGEST


def silence_score(
    gap_ms: ArrayLike, mean_gap_ms: ArrayLike, count: ArrayLike, *, warmup: int = 10
) -> NDArray[np.float64]:
    """Score how surprising a gap is after ``count`` earlier ones: ``-log10`` of the chance of one at least as long.

    Gaps are taken as exponential with a mean that is itself only known from ``count`` of them, so the gap to come has
    a Lomax tail, ``(1 + gap / (count · mean))^-count``: few gaps give a cautious score, many the plain
    ``gap / (mean · ln 10)``. A source that ticks regularly is missed sooner than the score says, never later.

    Args:
        gap_ms: Time since the key was last seen, shape ``(n,)``; negative (an out-of-order record) counts as 0.
        mean_gap_ms: Mean of the earlier gaps, without this one, shape ``(n,)``; below 1 ms it counts as 1 ms.
        count: Number of earlier gaps, shape ``(n,)``.
        warmup: Earlier gaps needed for an opinion.

    Returns:
        Shape ``(n,)``; NaN where fewer than ``warmup`` gaps are known or an input is not finite.

    Raises:
        ValueError: If ``warmup < 1``.

    Cost: 20 ns a record; no state.
    Reference: Hayashibara, Défago, Yared, Katayama (2004), The φ accrual failure detector (the score); Gelman et al.
        (2013), Bayesian data analysis, 2.6 (the predictive tail of an exponential with unknown rate).

    >>> silence_score([1_000, 30_000], 1_000, 50).round(2)
    array([ 0.43, 10.21])
    >>> silence_score([30_000], 1_000, 3)
    array([nan])
    """
    if warmup < 1:
        raise ValueError(f"warmup must be at least 1 gap, got {warmup}")
    gap, mean, gaps = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in (gap_ms, mean_gap_ms, count)))
    known = (gaps >= warmup) & (gaps <= LARGEST) & (np.abs(gap) <= LARGEST) & (np.abs(mean) <= LARGEST)
    n = np.where(known, gaps, 1.0)
    ratio = np.where(known, np.maximum(gap, 0.0), 0.0) / (n * np.where(known, np.maximum(mean, 1.0), 1.0))
    return np.where(known, n * np.log1p(ratio) / math.log(10.0), np.nan)
