"""Surprise over several time scales at once."""

from typing import ClassVar, Final

import numpy as np

from detectors import rhythm, tails
from detectors.base import SMALLEST, ArrayDetector, Float, Int64
from detectors.rhythm import Rhythm
from detectors.tails import Tails

_MEMORIES: Final = np.array([1.0, 2.0, 4.0, 16.0, 24.0, 64.0, 256.0, 1_024.0])
_FAST: Final = np.array([0, 1, 2, 3, 5])  # each scale is a fast mean less a slow one
_SLOW: Final = np.array([4, 4, 5, 6, 7])
_N_SIDES: Final = 2 * len(_FAST)
_LOOKS: Final = 1_000.0


class MultiscaleSurprise(ArrayDetector):
    """Score how surprising a value makes the recent course of its series, over minutes, hours and days together.

    The value is compared with its forecast (recent mean, or the mean of its half-hour of day or week where those
    forecast better: ``Rhythm``). Differences of moving means of what remains, over 1, 2, 4, 16 and 64 samples
    against 24, 24, 64, 256 and 1,024, say at which scale something moves. Each scale and direction has its own
    Bayesian tail (``Tails``), so a difference is as surprising as it is rare in *this* series at *this* scale, whatever
    the unit. Surprises add up over the scales: a spike is rare on the fast ones, a drift on the slow ones, and an
    incident on most, while chance seldom hits several. The more often a series was looked at, the more surprise chance
    provides, so the sum is lowered by ``looks * log10(samples / 1000)``.

    Works on any one measured series, without settings of its own: values with a daily or weekly course, counts, spikes
    and level shifts. Blind to a change of a rhythm that is neither daily nor weekly unless its levels change too.
    Heavy traffic of ordinary outliers costs alarms: independent normal values reach a score of 9 once in about 900.

    Args:
        warmup: Samples to learn before scores are numbers.
        looks: What ten times as many samples raise the bar by.

    Raises:
        ValueError: If ``warmup < 40`` or ``looks`` is negative or not finite.

    Cost: O(1) time, about 0.5 ms for one series and 3 us each for a thousand; 6,504 bytes a series.
    Reference: Mallat (1989), A theory for multiresolution signal decomposition (differences of means by scale); Fisher
        (1932), Statistical methods for research workers (adding logarithms of tail probabilities); and what
        ``detectors.rhythm`` and ``detectors.tails`` cite.

    >>> detector = MultiscaleSurprise(warmup=100)
    >>> detector.grow(1)
    >>> row = np.array([0])
    >>> for i in range(500):
    ...     detector.learn(row, np.array([10.0 + i * i % 7]))
    >>> float(detector.score(row, np.array([12.0]))[0]) < 1
    True
    >>> float(detector.score(row, np.array([500.0]))[0]) > 9
    True
    >>> MultiscaleSurprise(warmup=3)
    Traceback (most recent call last):
    ValueError: warmup must be at least 40 samples, got 3
    """

    cost: ClassVar[str] = "O(1) time, 6,504 bytes a series"
    best_for: ClassVar[str] = "any measured series, unattended: one setting and one threshold for all"

    def __init__(self, *, warmup: int = 100, looks: float = 0.5) -> None:
        if warmup < 40:
            raise ValueError(f"warmup must be at least 40 samples, got {warmup}")
        if not 0.0 <= looks < float("inf"):
            raise ValueError(f"looks must be 0 or positive, got {looks}")
        super().__init__(
            {"count": 0.0, "means": 0.0, **rhythm.COLUMNS, **tails.COLUMNS},
            {"means": len(_MEMORIES), **rhythm.WIDTHS, **dict.fromkeys(tails.COLUMNS, _N_SIDES)},
        )
        self._warmup = warmup
        self._looks = looks
        self._rhythm = Rhythm()
        self._tails = Tails()

    def expected(self, rows: Int64) -> Float:
        """The mean of some twenty samples, shape ``(m,)``; NaN until warm."""
        level = self._columns["rhythm_mean"][rows] + self._columns["means"][rows, _SLOW[0]]
        return np.where(self._columns["count"][rows] >= self._warmup, level, np.nan)

    def spread(self, rows: Int64) -> Float:
        """The distance from ``expected`` that one value in thirty exceeds, shape ``(m,)``; NaN until warm."""
        limits = np.exp(self._columns["tail_limit"][rows, :2]).max(axis=1)
        return np.where(self._columns["count"][rows] >= self._warmup, np.maximum(limits, SMALLEST), np.nan)

    def _score_at(self, rows: Int64, values: Float, time_ms: Int64 | None) -> Float:
        count = self._columns["count"][rows]
        means = self._moved(rows, values, time_ms)
        surprise = self._tails.surprise(self._columns, rows, _logs(means))
        up, down = _sum(surprise[:, 0::2]), _sum(surprise[:, 1::2])
        price = self._looks * np.log10(np.maximum(count + 1.0, _LOOKS) / _LOOKS)
        score = np.maximum(up + down - price, 0.0)
        return np.where(count >= self._warmup, np.where(up >= down, score, -score), np.nan)

    def _learn_at(self, rows: Int64, values: Float, time_ms: Int64 | None) -> None:
        means = self._moved(rows, values, time_ms)
        count = self._columns["count"][rows] + 1.0
        self._tails.learn(self._columns, rows, _logs(means), count)
        self._rhythm.learn(self._columns, rows, values, time_ms)
        self._columns["means"][rows] = means
        self._columns["count"][rows] = count

    def _moved(self, rows: Int64, values: Float, time_ms: Int64 | None) -> Float:
        """The moving means of what the forecast leaves over, with these values in them, shape ``(m, memories)``."""
        count = self._columns["count"][rows]
        rest = np.where(count > 0.0, values - self._rhythm.forecast(self._columns, rows, time_ms), 0.0)
        means = self._columns["means"][rows]
        return np.asarray(means + (rest[:, None] - means) / np.minimum(count[:, None] + 1.0, _MEMORIES), np.float64)


def _logs(means: Float) -> Float:
    """Logarithm of each scale's difference, upwards and downwards side by side; ``-inf`` on the other side."""
    difference = means[:, _FAST] - means[:, _SLOW]
    sides = np.empty((len(means), _N_SIDES))
    sides[:, 0::2] = difference
    sides[:, 1::2] = -difference
    positive = sides > SMALLEST
    return np.where(positive, np.log(np.where(positive, sides, 1.0)), -np.inf)


def _sum(parts: Float) -> Float:
    """Over the columns one by one: the order of additions must not depend on how many series there are."""
    total = np.zeros(len(parts))
    for j in range(parts.shape[1]):
        total = total + parts[:, j]
    return total
