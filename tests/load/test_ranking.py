"""Ranking measures against their definitions, read off record by record."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.ranking import DAY_MS, CardRanking, Outcomes, average_precision, card_precision, folds, roc_auc

ranked = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 0.9, math.nan])), min_size=1, max_size=40)


def behind(score):
    return -math.inf if math.isnan(score) else score


@given(ranked)
def test_average_precision_is_its_definition(pairs):
    """Over the frauds, the mean share of fraud among the records that score at least as high."""
    pairs = [(fraud, behind(score)) for fraud, score in pairs]
    shares = [
        sum(other for other, at in pairs if at >= score) / sum(at >= score for _, at in pairs)
        for fraud, score in pairs
        if fraud
    ]
    found = average_precision([fraud for fraud, _ in pairs], [score for _, score in pairs])
    assert found == pytest.approx(np.mean(shares)) if shares else math.isnan(found)


@given(ranked)
def test_roc_auc_is_its_definition(pairs):
    """Over all pairs of a fraud and a genuine record: how often the fraud scores higher, half for a tie."""
    bad = [behind(score) for fraud, score in pairs if fraud]
    good = [behind(score) for fraud, score in pairs if not fraud]
    found = roc_auc([fraud for fraud, _ in pairs], [score for _, score in pairs])
    wins = [1.0 if high > low else 0.5 if high == low else 0.0 for high in bad for low in good]
    assert found == pytest.approx(np.mean(wins)) if wins else math.isnan(found)


def test_columns_must_fit():
    """Columns of different lengths are refused, with their shapes."""
    with pytest.raises(ValueError, match=r"\(2,\) and \(1,\)"):
        roc_auc([1, 0], [0.5])


record = st.tuples(st.integers(-2, 5), st.integers(0, 4), st.integers(0, 6), st.booleans(), st.integers(0, 3))


def outcomes(records):
    day, card, score, fraud, delay = (np.array(column) for column in zip(*records, strict=True))
    return Outcomes(
        time_ms=day * DAY_MS + 5,
        card=card,
        score=score / 7.0,
        fraud=fraud.astype(bool),
        label_ms=(day + delay) * DAY_MS + 5,
    )


def brute_force(records, days, ranking):
    """Day by day with sets and sorted lists."""
    shares, caught = [], set()
    for day in range(days):
        fold = day // ranking.fold_days * ranking.fold_days
        caught = set() if day == fold else caught
        known = {
            card
            for at, card, _, fraud, delay in records
            if fraud
            and at + delay < day
            and (ranking.memory_ms is None or at + delay >= fold - ranking.memory_ms // DAY_MS)
        }
        best = {}
        for at, card, score, _, _ in records:
            if at == day and card not in known | caught:
                best[card] = max(best.get(card, 0), score)
        top = sorted(best, key=lambda card: (-best[card], card))[: ranking.top]
        hits = [card for card in top if any(r[0] == day and r[1] == card and r[3] for r in records)]
        caught = caught | set(hits) if ranking.caught else caught
        shares.append(len(hits) / ranking.top)
    return shares


@given(
    records=st.lists(record, min_size=1, max_size=60),
    top=st.integers(1, 3),
    fold_days=st.integers(1, 4),
    memory=st.none() | st.integers(0, 3).map(lambda days: days * DAY_MS),
    caught=st.booleans(),
)
def test_card_precision_is_its_definition(records, top, fold_days, memory, caught):
    """Known and caught cards are left out, ties go to the smaller card, what is missing to a full top is wrong."""
    ranking = CardRanking(top=top, fold_days=fold_days, memory_ms=memory, caught=caught)
    found = card_precision(outcomes(records), start_ms=0, days=5, ranking=ranking)
    assert found.tolist() == brute_force(records, 5, ranking)


def test_a_card_without_a_score_is_not_ranked():
    """NaN is no opinion, so the card does not stand among the top."""
    two = outcomes([(0, 0, 3, True, 0), (0, 1, 1, True, 0)])
    two = replace(two, score=np.array([math.nan, 0.1]))
    assert card_precision(two, start_ms=0, days=1, ranking=CardRanking(top=1)).tolist() == [1.0]


def test_wrong_settings_are_named():
    """A top of no cards is refused."""
    with pytest.raises(ValueError, match="got 0 and 7"):
        CardRanking(top=0)


def test_folds_cover_the_period():
    """The last fold is as long as what is left."""
    assert [end - start for start, end in folds(3, 15, 7)] == [7 * DAY_MS, 7 * DAY_MS, DAY_MS]
