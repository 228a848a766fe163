"""How far out in its tail a quantity lies, as a surprise that means the same for every quantity."""

from typing import Final

import numpy as np

from detectors.base import Float, Int64, State

_LN10: Final = float(np.log(10.0))

COLUMNS: Final[dict[str, float]] = {"tail_limit": -np.inf, "tail_excess": 0.0, "tail_exceeded": 0.0}


class Tails:
    """Surprise ``-log10 P(X > x)`` of non-negative quantities, from what each one's own upper tail was so far.

    The share ``share`` of largest values is the tail; its limit is followed in the logarithm by stochastic
    approximation. Beyond it the logarithm is taken as exponential (so the quantity as Pareto) with a rate that has a
    gamma prior: the predictive tail is then ``(1 + y / b) ** -a`` for a log-excess ``y``. Being Bayesian it claims
    little while it has seen little; being logarithmic it needs no unit; and a long disturbance lifts the limit, so that
    it surprises for a while and not forever. It works on the columns of a detector, and keeps none itself.

    Args:
        share: Share of values that count as tail.
        memory: Observations over which the tail is remembered.
        speed: How fast the limit follows: the step of the logarithm is ``speed / observations`` downwards.
        typical: Mean log-excess of a tail that was not yet seen.
        trust: Exceedances that outweigh ``typical``.

    Cost: O(1) time; 24 bytes a quantity.
    Reference: Robbins, Monro (1951), A stochastic approximation method (the limit); Hill (1975), A simple general
        approach to inference about the tail of a distribution; Siffer et al. (2017), Anomaly detection in streams with
        extreme value theory (peaks over a threshold); the gamma mixture of exponentials is Lomax (1954).
    """

    def __init__(
        self,
        *,
        share: float = 0.03,
        memory: float = 10_000.0,
        speed: float = 0.6,
        typical: float = 0.4,
        trust: float = 20.0,
    ) -> None:
        self._share, self._memory, self._speed = share, memory, speed
        self._typical, self._trust = typical, trust
        self._keep = 1.0 - 1.0 / memory

    def surprise(self, columns: State, rows: Int64, logs: Float) -> Float:
        """Surprise of each quantity, 0 below its limit.

        Args:
            columns: Of the detector.
            rows: Series, shape ``(m,)``.
            logs: Logarithms of the quantities, ``-inf`` for 0, shape ``(m, k)``.

        Returns:
            Shape ``(m, k)``.
        """
        limit = columns["tail_limit"][rows]
        known = np.isfinite(limit)
        beyond = known & (logs > limit)
        excess = np.where(beyond, logs, 0.0) - np.where(beyond, limit, 0.0)
        shape = self._trust + columns["tail_exceeded"][rows]
        scale = self._typical * self._trust + columns["tail_excess"][rows]
        surprise = shape * np.log1p(excess / scale) / _LN10 - np.log10(self._share)
        return np.where(beyond, surprise, 0.0)

    def learn(self, columns: State, rows: Int64, logs: Float, seen: Float) -> None:
        """Move each tail on; ``seen`` counts the series' observations with this one, shape ``(m,)``."""
        limit = columns["tail_limit"][rows]
        # As many as one exceedance takes: the largest so far is the best guess of the limit.
        begins = (seen <= 1.0 / self._share)[:, None] | ~np.isfinite(limit)
        beyond = ~begins & (logs > limit)
        excess = np.where(beyond, logs, 0.0) - np.where(beyond, limit, 0.0)
        down = (self._speed / np.minimum(seen, self._memory))[:, None]
        step = np.where(beyond, down * ((1.0 - self._share) / self._share), -down)
        columns["tail_limit"][rows] = np.where(begins, np.maximum(limit, logs), limit + step)
        keep = np.where(beyond, self._keep, 1.0)
        columns["tail_excess"][rows] = keep * columns["tail_excess"][rows] + excess
        columns["tail_exceeded"][rows] = keep * columns["tail_exceeded"][rows] + beyond
