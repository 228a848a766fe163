"""The risk score: what it learns, that it is causal, and that neither cut nor restart changes it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.risk import DAY_MS, RiskAgent, RiskBatch, RiskSpec
from detectors.boosting import Boosting
from detectors.online import Learning
from load.ranking import average_precision
from tables.text import TextHasher

LEARNING = Learning(frauds=200, genuine=800, keep=0.5, least_frauds=10, least_genuine=50, boosting=Boosting(trees=8))
SPEC = RiskSpec(name="risk", keys=("card", "shop"), learning=LEARNING, review=0.3, block=0.8)
HOUR_MS = 3_600_000


def world(n=4_000, seed=3, delay_days=2):
    """Payments with labels two days late; what is paid at two shops, or is far above a card's habit, is fraud."""
    rng = np.random.default_rng(seed)
    time_ms = 1_600_000_000_000 + np.sort(rng.integers(0, 20 * DAY_MS, n))
    card, shop = rng.integers(0, 60, n), rng.integers(0, 40, n)
    value = rng.integers(500, 1_500, n) * (1 + card % 7)
    large = rng.random(n) < 0.02
    fraud = large | (shop < 2)
    value[large] *= 8
    code = TextHasher().column([f"p{at}" for at in range(n)])
    at = np.tile(np.arange(n), 2)
    is_label = np.arange(2 * n) >= n
    when = np.concatenate([time_ms, time_ms + delay_days * DAY_MS])
    order = np.argsort(when, kind="stable")
    at, is_label, when = at[order], is_label[order], when[order]
    blank = [""] * (2 * n)
    return RiskBatch(
        code=code[at],
        time_ms=when,
        head_ms=when,
        is_label=is_label,
        is_fraud=fraud[at] & is_label,
        value=np.where(is_label, 0, value[at]),
        keys={
            "card": [no if label else f"c{k}" for no, label, k in zip(blank, is_label, card[at], strict=True)],
            "shop": [no if label else f"s{k}" for no, label, k in zip(blank, is_label, shop[at], strict=True)],
        },
    ), fraud[at]


def run(batch, bounds, agent=None):
    """Scores and reasons of a batch that is cut at ``bounds``."""
    agent = agent or RiskAgent(SPEC)
    scores, reasons = [], {}
    for start, stop in pairwise(bounds):
        scored = agent.process(batch.take(start, stop))
        scores.append(scored.score)
        reasons |= {start + row: each for row, each in scored.reasons.items()}
    return np.concatenate(scores), reasons


BATCH, FRAUD = world()
N = len(BATCH.code)
WHOLE, REASONS = run(BATCH, [0, N])


def test_it_learns_from_late_labels():
    """Once labels have arrived, fraud ranks far above its share; labels themselves have no score."""
    later = ~BATCH.is_label & (BATCH.time_ms > BATCH.time_ms[0] + 10 * DAY_MS)
    assert average_precision(FRAUD[later], WHOLE[later]) > 0.85 > 8 * FRAUD[later].mean()
    assert np.isnan(WHOLE[BATCH.is_label]).all()


def test_no_score_before_a_label_has_arrived():
    """Cold start is NaN, which rules are there for."""
    early = BATCH.time_ms < BATCH.time_ms[0] + 2 * DAY_MS
    assert np.isnan(WHOLE[early]).all()
    assert np.isfinite(WHOLE[~BATCH.is_label & (BATCH.time_ms > BATCH.time_ms[0] + 10 * DAY_MS)]).all()


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(1, N - 1), max_size=6))
def test_the_cut_changes_nothing(cuts):
    """The same stream in other batches gives the same scores and reasons, bit for bit."""
    scores, reasons = run(BATCH, [0, *sorted(set(cuts)), N])
    assert scores.tobytes() == WHOLE.tobytes()
    assert reasons == REASONS


def test_small_batches_change_nothing():
    """Also in batches of seven, for a stretch in which a fit falls due."""
    scores, _ = run(BATCH, [*range(0, 2_100, 7), 2_100, N])
    assert scores.tobytes() == WHOLE.tobytes()


def test_the_future_changes_nothing():
    """Scores depend on what stands before them: other labels from the middle on leave the first half as it is."""
    half = N // 2
    other = RiskBatch(
        code=BATCH.code,
        time_ms=BATCH.time_ms,
        head_ms=BATCH.head_ms,
        is_label=BATCH.is_label,
        is_fraud=np.where(np.arange(N) < half, BATCH.is_fraud, BATCH.is_label & ~BATCH.is_fraud),
        value=np.where(np.arange(N) < half, BATCH.value, 1),
        keys=BATCH.keys,
    )
    scores, _ = run(other, [0, N])
    assert scores[:half].tobytes() == WHOLE[:half].tobytes()
    assert scores[half:].tobytes() != WHOLE[half:].tobytes()


@pytest.mark.parametrize("stop", [600, 3_001, 6_000])
def test_a_restored_agent_goes_on(stop):
    """Slabs of several commits, loaded by a new agent, give the scores that an undisturbed run gives."""
    first, stored = RiskAgent(SPEC), {}
    for start, end in pairwise([0, stop // 3, stop // 2, stop]):
        run(BATCH, [start, end], first)
        for name, slab in first.take_dirty(end).items():
            stored.pop(name, None)
            if slab is not None:
                stored[name] = slab
    second = RiskAgent(SPEC)
    second.load(stored, int(BATCH.head_ms[stop - 1]))
    scores, _ = run(BATCH, [stop, N], second)
    assert scores.tobytes() == WHOLE[stop:].tobytes()


def test_reasons_are_ranked_and_name_the_cause():
    """A payment at a shop with nothing but fraud is explained by the shop, one far above the habit by its amount."""
    for each in REASONS.values():
        weights = [reason.weight for reason in each]
        assert weights == sorted(weights, reverse=True)
        assert min(weights) > 0.0
    late = [row for row in REASONS if row > N * 0.7]
    shops = [REASONS[row][0].feature for row in late if BATCH.keys["shop"][row] in ("s0", "s1")]
    assert sum("shop" in name for name in shops) > 0.9 * len(shops)
    large = [REASONS[row][0].feature for row in late if BATCH.keys["shop"][row] not in ("s0", "s1")]
    assert sum("amount" in name for name in large) > 0.7 * len(large)


def test_a_label_of_no_waiting_payment_is_counted():
    """A label of an unknown id, or a second one of the same, changes nothing but the count."""
    agent = RiskAgent(SPEC)
    now = np.array([10**12] * 3)
    batch = RiskBatch(
        code=np.array([1, 2, 1]),
        time_ms=now,
        head_ms=now,
        is_label=np.array([False, True, True]),
        is_fraud=np.array([False, True, True]),
        value=np.array([100, 0, 0]),
        keys={"card": ["c", "", ""], "shop": ["s", "", ""]},
    )
    agent.process(batch)
    agent.process(batch.take(2, 3))
    assert agent.unknown == 2


@pytest.mark.parametrize("wrong", [{"keys": ()}, {"review": 0.0}, {"review": 0.95}, {"windows": ()}])
def test_wrong_settings_are_named(wrong):
    """A score without keys or windows, or with thresholds that do not ascend, is refused."""
    with pytest.raises(ValueError, match="got"):
        RiskSpec(**({"name": "risk", "keys": ("card",)} | wrong))
