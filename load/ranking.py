"""How well scores rank fraud before the rest: average precision, ROC AUC, precision of the cards at the top of a day.

All three look at the order of the scores only. Records with equal scores are taken together, so no order among them is
made up; a record without a score (NaN) stands behind all that have one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]
Mask = NDArray[np.bool_]

DAY_MS: Final = 86_400_000
_NAN: Final = float("nan")


def average_precision(fraud: ArrayLike, score: ArrayLike) -> float:
    """The mean of the precision at each fraud, when records are read from the highest score down.

    ::

        score   .9 .8 .8 .3        read up to .9: 1 of 1 is fraud; up to .8: 2 of 3; up to .3: 2 of 4
        fraud    1  1  0  0        1/2 * 1 + 1/2 * 2/3 = 0.83

    Args:
        fraud: Whether each record is fraud, shape ``(n,)``.
        score: Higher is more suspicious, shape ``(n,)``.

    Returns:
        From the share of fraud, when the scores know nothing, to 1; NaN without fraud.

    Raises:
        ValueError: If the shapes differ.

    Cost: one sort.
    Reference: Boyd, Eng, Page (2013), Area under the precision-recall curve: point estimates and confidence intervals.

    >>> round(average_precision([1, 1, 0, 0], [0.9, 0.8, 0.8, 0.3]), 3)
    0.833
    """
    hits, read = _read_down(*_checked(fraud, score))
    if not len(hits) or not hits[-1]:
        return _NAN
    return float(np.sum(np.diff(hits, prepend=0) * (hits / read)) / hits[-1])


def roc_auc(fraud: ArrayLike, score: ArrayLike) -> float:
    """The chance that a fraud has a higher score than a genuine record; an equal one counts half.

    Args:
        fraud: Whether each record is fraud, shape ``(n,)``.
        score: Higher is more suspicious, shape ``(n,)``.

    Returns:
        From 0.5, when the scores know nothing, to 1; NaN when there is no fraud, or nothing else.

    Raises:
        ValueError: If the shapes differ.

    Cost: one sort.
    Reference: Hanley, McNeil (1982), The meaning and use of the area under a ROC curve.

    >>> roc_auc([1, 1, 0, 0], [0.9, 0.8, 0.8, 0.3])
    0.875
    """
    hits, read = _read_down(*_checked(fraud, score))
    misses = read - hits
    if not len(hits) or not hits[-1] or not misses[-1]:
        return _NAN
    below = misses[-1] - misses + np.diff(misses, prepend=0) / 2.0
    return float(np.sum(np.diff(hits, prepend=0) * below) / (hits[-1] * misses[-1]))


@dataclass(frozen=True, kw_only=True, slots=True)
class CardRanking:
    """How the cards of a period are ranked day by day.

    A card's score on a day is the highest of its records. Cards that are known as compromised are not ranked: a fraud
    label of theirs arrived before the day began, at most ``memory_ms`` ago or within a fold, which is to say since
    ``memory_ms`` before the fold's first day::

        fold of 7 days, memory 7 days          known on day d: labels that arrived in [-7, d)
        -7 ........ 0 . d . . . . 6

    Args:
        top: Cards that are looked into each day.
        fold_days: Days that are counted together; what is known starts anew with each fold.
        memory_ms: How long before a fold a label may have arrived and still count; ``None`` for ever.
        caught: Whether a card with fraud that was among the top is known from the next day of the fold on, because
            whoever looked into it has seen the fraud.
    """

    top: int = 100
    fold_days: int = 7
    memory_ms: int | None = 7 * DAY_MS
    caught: bool = True

    def __post_init__(self) -> None:
        if self.top < 1 or self.fold_days < 1:
            raise ValueError(f"top and fold_days must be at least 1, got {self.top} and {self.fold_days}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcomes:
    """Scored records with what turned out, as columns of shape ``(n,)``, in any order.

    Args:
        time_ms: Event times.
        card: Whole numbers from 0 that stand for the cards.
        score: Higher is more suspicious.
        fraud: Whether it is fraud.
        label_ms: When the label arrives.
    """

    time_ms: Int64
    card: Int64
    score: Float
    fraud: Mask
    label_ms: Int64


def card_precision(outcomes: Outcomes, *, start_ms: int, days: int, ranking: CardRanking) -> Float:
    """Of the cards at the top of each day, the share that has fraud on that day.

    Args:
        outcomes: Records of the period, and those before whose labels are to be known.
        start_ms: When the first day begins.
        days: How many days.
        ranking: How cards are ranked.

    Returns:
        Shape ``(days,)``; cards that are missing to a full top count as wrong.

    Cost: one sort of a day's cards each day.
    Reference: Dal Pozzolo, Boracchi, Caelen, Alippi, Bontempi (2018), Credit card fraud detection: a realistic modeling
        and a novel learning strategy (the measure and the protocol).
    """
    cards = int(outcomes.card.max(initial=-1)) + 1
    found = []
    caught = np.zeros(cards, np.bool_)
    for day in range(days):
        fold_ms = start_ms + day // ranking.fold_days * ranking.fold_days * DAY_MS
        if day % ranking.fold_days == 0:
            caught[:] = False
        day_ms = start_ms + day * DAY_MS
        since_ms = None if ranking.memory_ms is None else fold_ms - ranking.memory_ms
        out = caught | _known(outcomes, cards, since_ms, day_ms)
        hits = _top_with_fraud(outcomes, out, day_ms, ranking.top)
        if ranking.caught:
            caught[hits] = True
        found.append(len(hits) / ranking.top)
    return np.array(found, np.float64)


def _known(outcomes: Outcomes, cards: int, since_ms: int | None, until_ms: int) -> Mask:
    """Cards of which a fraud label arrived from ``since_ms`` (inclusive) to ``until_ms`` (exclusive)."""
    arrived = outcomes.fraud & (outcomes.label_ms < until_ms)
    if since_ms is not None:
        arrived &= outcomes.label_ms >= since_ms
    known = np.zeros(cards, np.bool_)
    known[outcomes.card[arrived]] = True
    return known


def _top_with_fraud(outcomes: Outcomes, out: Mask, day_ms: int, top: int) -> Int64:
    """Cards with fraud on the day among those at its top; ties go to the smaller number."""
    today = (outcomes.time_ms >= day_ms) & (outcomes.time_ms < day_ms + DAY_MS)
    card, score = outcomes.card[today], outcomes.score[today]
    best = np.full(len(out), -np.inf)
    np.fmax.at(best, card, score)
    has_fraud = np.zeros(len(out), np.bool_)
    has_fraud[card[outcomes.fraud[today]]] = True
    ranked = np.flatnonzero((best > -np.inf) & ~out)
    chosen = ranked[np.argsort(-best[ranked], kind="stable")[:top]]
    return np.asarray(chosen[has_fraud[chosen]], np.int64)


def _checked(fraud: ArrayLike, score: ArrayLike) -> tuple[Mask, Float]:
    is_fraud, scores = np.asarray(fraud, np.bool_), np.asarray(score, np.float64)
    if is_fraud.ndim != 1 or is_fraud.shape != scores.shape:
        raise ValueError(f"fraud and score must be columns of one length, got {is_fraud.shape} and {scores.shape}")
    return is_fraud, np.where(np.isnan(scores), -np.inf, scores)


def _read_down(fraud: Mask, score: Float) -> tuple[Int64, Int64]:
    """Frauds and records at or above each different score, from the highest down."""
    order = np.argsort(-score, kind="stable")
    down = score[order]
    ends = np.flatnonzero(np.append(down[1:] != down[:-1], np.True_)) if len(order) else order
    return np.cumsum(fraud[order], dtype=np.int64)[ends], ends + 1


def folds(start_ms: int, days: int, fold_days: int) -> Iterator[tuple[int, int]]:
    """Bounds of the folds of a period, start inclusive, end exclusive.

    >>> [(a // DAY_MS, b // DAY_MS) for a, b in folds(0, 10, 7)]
    [(0, 7), (7, 10)]
    """
    for day in range(0, days, fold_days):
        yield start_ms + day * DAY_MS, start_ms + min(day + fold_days, days) * DAY_MS
