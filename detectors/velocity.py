"""How surprising it is to see so many events."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.base import LARGEST

Float = NDArray[np.float64]

_LN10 = math.log(10.0)
_DEPTH = 20.0  # the integrand is cut where it fell to exp(-20): 1e-9 of the score
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
# ln k! less Stirling's leading terms; its series is exact to the last bits only from 16 on.
_SMALL = np.array(
    [0.0] + [math.lgamma(k + 1) - ((k + 0.5) * math.log(k) - k + 0.5 * math.log(2 * math.pi)) for k in range(1, 16)]
)


def velocity_score(count: ArrayLike, expected: ArrayLike) -> Float:
    """Score how surprising at least ``count`` events are where ``expected`` are usual: ``-log10`` of the Poisson tail.

    A score of 6 says: one window in a million has so many, if events come independently. Events that come in bursts by
    nature (page views) are surprising more often than that; then ask for a higher score.

    Args:
        count: Events seen, whole, shape ``(n,)``.
        expected: Usual number of events in such a window, shape ``(n,)`` or a scalar.

    Returns:
        Shape ``(n,)``: 0 where ``count <= expected``, NaN where nothing is expected yet (``expected`` is not positive)
        or an input is not finite. Absolute error below 1e-8.

    Cost: 10 ns a record that is within expectation, 0.3 µs for one beyond it; no state.
    Reference: Loader (2000), Fast and accurate computation of binomial probabilities (the saddle-point form of the
        probability of exactly ``count``); DLMF 13.4.1 (the integral for the tail relative to it).

    >>> velocity_score([3, 12, 40], 4.0).round(2)
    array([ 0.  ,  3.04, 25.52])
    >>> velocity_score([5], [float("nan")])
    array([nan])
    """
    counts, usual = np.broadcast_arrays(np.asarray(count, np.float64), np.asarray(expected, np.float64))
    scores = np.where((np.abs(counts) <= LARGEST) & (usual <= LARGEST) & (usual > 0.0), 0.0, np.nan)
    beyond = (scores == 0.0) & (counts > usual)
    if beyond.any():
        scores[beyond] = np.maximum(_poisson_surprise(counts[beyond], usual[beyond]), 0.0)
    return scores


def _poisson_surprise(k: Float, mean: Float) -> Float:
    """``-log10 P(X >= k)`` for ``0 < mean < k``."""
    return (_deviance(k, mean) + 0.5 * np.log(2 * math.pi * k) + _stirling_error(k) - _log_tail_ratio(k, mean)) / _LN10


def _deviance(k: Float, mean: Float) -> Float:
    """``k ln(k / mean) - k + mean`` without losing the digits that cancel when both are close."""
    step = (mean - k) / k
    near = k * (step - np.log1p(np.maximum(step, -0.5)))
    far = k * (np.log(k) - np.log(mean)) - k + mean
    return np.where(step > -0.5, near, far)


def _stirling_error(k: Float) -> Float:
    """``ln k!`` less Stirling's leading terms."""
    inverse = 1.0 / k
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    return np.where(k < 16.0, _SMALL[np.minimum(k, 15.0).astype(np.int64)], series)


def _log_tail_ratio(k: Float, mean: Float) -> Float:
    """``ln(P(X >= k) / P(X = k))``: the confluent hypergeometric function 1F1(1; k + 1; mean).

    Its integral over ``u`` from 0 of ``k exp(mean (1 - exp(-u)) - k u)`` is of a smooth, falling, log-concave function,
    for which a fixed quadrature does: the same few operations for any count, while the tail's own sum takes some
    thousand terms when a million are expected.
    """
    excess = k - mean
    # The exponent is at most -(excess u + mean u² / (2 + u)); solve for where that is -_DEPTH.
    linear = 2.0 * excess - _DEPTH
    root = np.sqrt(linear * linear + 8.0 * _DEPTH * k)
    stop = np.where(linear > 0.0, 4.0 * _DEPTH / (linear + root), (root - linear) / (2.0 * k))
    half = 0.5 * stop
    total = np.zeros_like(k)
    for node, weight in zip(_NODES.tolist(), _WEIGHTS.tolist(), strict=True):
        u = half * (1.0 + node)
        total += weight * np.exp(-mean * np.expm1(-u) - k * u)
    return np.log(k * half * total)
