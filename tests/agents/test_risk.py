"""The risk score: what it learns, that it is causal, and that neither cut nor restart changes it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.risk.agent import RiskAgent, RiskBatch
from agents.risk.spec import DAY_MS, RiskRule, RiskSpec
from detectors.boosting import Boosting
from detectors.online import Learning
from load.ranking import average_precision
from tables.text import TextHasher

LEARNING = Learning(frauds=200, genuine=800, keep=0.5, least_frauds=10, least_genuine=50, boosting=Boosting(trees=8))
BASE = {"name": "risk", "stream": "payments", "amount": "cents", "keys": ("card", "shop"), "learning": LEARNING}
SPEC = RiskSpec(**BASE, review=0.3, block=0.8)
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
    return RiskBatch(
        code=code[at],
        time_ms=when,
        head_ms=when,
        is_label=is_label,
        is_fraud=fraud[at] & is_label,
        value=np.where(is_label, 0, value[at]),
        keys={
            "card": np.where(is_label, "", np.array([f"c{k}" for k in card[at]], object)),
            "shop": np.where(is_label, "", np.array([f"s{k}" for k in shop[at]], object)),
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


def test_before_the_first_fit_rules_score():
    """A rule stands in for the model and explains itself; from the first fit on the score is as if there were none."""
    rule = RiskRule(name="first", when="card_payments_30d <= 1", score=0.6)
    scored = RiskAgent(RiskSpec(**BASE, review=0.3, block=0.8, rules=(rule,))).process(BATCH)
    assert scored.learned.any()
    assert scored.score[scored.learned].tobytes() == WHOLE[scored.learned].tobytes()
    cold = ~BATCH.is_label & ~scored.learned
    _, first = np.unique(BATCH.keys["card"][cold], return_index=True)
    held = np.zeros(int(cold.sum()), bool)
    held[first] = True
    assert scored.score[cold].tolist() == pytest.approx(np.where(held, 0.6, 0.0))
    for row in np.flatnonzero(cold)[held].tolist():
        assert [(reason.feature, reason.value) for reason in scored.reasons[row]] == [("card_payments_30d", 1.0)]


def test_a_rule_that_always_counts_adds_to_the_model():
    """Two chances of fraud are combined as if they were proofs of their own."""
    rule = RiskRule(name="large", when="cents > 20000", score=0.5, always=True)
    scored = RiskAgent(RiskSpec(**BASE, review=0.3, block=0.8, rules=(rule,))).process(BATCH)
    large, learned = BATCH.value > 20_000, scored.learned
    assert scored.score[learned & large].tolist() == pytest.approx(1 - (1 - WHOLE[learned & large]) / 2)
    assert scored.score[learned & ~large].tolist() == pytest.approx(WHOLE[learned & ~large])
    assert (learned & large).sum() > 30


def test_what_was_learned_is_stored_when_it_changed():
    """Payments alone write nothing of the model; a label that is kept writes the end of a ring and no trees."""
    agent = RiskAgent(SPEC)
    agent.process(BATCH.take(0, 6_000))
    assert {name for name in agent.take_dirty(6_000) if name.startswith("learned/")} == {
        "learned/counters",
        "learned/genuine/0",
        "learned/frauds/0",
        "learned/trees/0",
    }
    at = 6_000 + int(np.flatnonzero(BATCH.is_label[6_000:])[0])
    agent.process(BATCH.take(6_000, at))
    assert not [name for name in agent.take_dirty(at) if name.startswith("learned/")]
    fits = agent.model.fits
    fraud = at + int(np.flatnonzero(BATCH.is_fraud[at:])[0])
    agent.process(BATCH.take(at, fraud + 1))
    assert agent.model.fits == fits
    names = {name for name in agent.take_dirty(fraud + 1) if name.startswith("learned/")}
    assert {"learned/counters", "learned/frauds/0"} <= names <= {f"learned/{n}" for n in SMALL}


SMALL = ("counters", "frauds/0", "genuine/0")


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
        keys={"card": np.array(["c", "", ""], object), "shop": np.array(["s", "", ""], object)},
    )
    agent.process(batch)
    agent.process(batch.take(2, 3))
    assert agent.unknown == 2


@pytest.mark.parametrize("wrong", [{"keys": ()}, {"review": 0.0}, {"review": 0.95}, {"windows": ()}])
def test_wrong_settings_are_named(wrong):
    """A score without keys or windows, or with thresholds that do not ascend, is refused."""
    with pytest.raises(ValueError, match="got"):
        RiskSpec(**(BASE | wrong))
