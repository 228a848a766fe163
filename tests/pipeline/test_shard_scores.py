"""Risk scores in a shard: labels of the same topic teach, and neither cut nor crash changes a score or an alert."""

from dataclasses import replace
from functools import cache

import numpy as np
import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from agents.risk.spec import DAY_MS, LabelSpec, RiskRule, RiskSpec
from agents.spec import Field, StreamSpec
from detectors.boosting import Boosting
from detectors.online import Learning
from pipeline.alerts import explain
from tests.pipeline.shards import app, chunk_of, feed, fresh, payload

FIELDS = {
    name: Field(name=name, type=kind, optional=optional)
    for name, kind, optional in (
        ("type", "str", False),
        ("id", "str", False),
        ("ts", "int", False),
        ("card", "str", True),
        ("shop", "str", True),
        ("cents", "int", True),
        ("fraud", "bool", True),
    )
}
STREAM = StreamSpec(
    name="payments",
    topic="payments",
    partitions=1,
    key="card",
    time="ts",
    id="id",
    fields=FIELDS,
    max_ahead_ms=10**13,
)
LEARNING = Learning(frauds=100, genuine=400, keep=0.5, least_frauds=8, least_genuine=40, boosting=Boosting(trees=6))
SPEC = RiskSpec(
    name="risk",
    stream="payments",
    keys=("card", "shop"),
    amount="cents",
    labels=LabelSpec(wait_ms=5 * DAY_MS),
    rules=(RiskRule(name="large", when="cents >= 5000", score=0.4),),
    review=0.3,
    block=0.8,
    learning=LEARNING,
)
CONFIG = app(streams={"payments": STREAM}, tables={}, rules={}, detectors={}, scores={"risk": SPEC})


@cache
def records(n=1_500, seed=5):
    """Payments, and labels two days later; two shops are bad. Some records are broken, some lack what a score needs."""
    rng = np.random.default_rng(seed)
    ts = 1_600_000_000_000 + np.sort(rng.integers(0, 20 * DAY_MS, n))
    shop = rng.integers(0, 20, n)
    made = []
    for at in range(n):
        ident, when = f"p{at}", int(ts[at])
        card, cents = f"c{rng.integers(0, 25)}", int(rng.integers(100, 5_200))
        payment = {"type": "payment", "id": ident, "ts": when, "card": card, "shop": f"s{shop[at]}", "cents": cents}
        if at % 97 == 0:
            del payment["cents" if at % 2 else "card"]
        label = {"type": "label", "id": ident, "ts": when + 2 * DAY_MS, "fraud": bool(shop[at] < 2)}
        if at % 89 == 0:
            del label["fraud"]
        made += [payment, label]
    made.sort(key=lambda record: record["ts"])
    return [payload(record) if at % 211 else b"{broken" for at, record in enumerate(made)]


def scored(shard, values, sizes):
    """Score by offset and all alerts of a shard that reads on from where it stands."""
    found, alerts, turn = {}, [], 0
    shard._on_scores = lambda _, batch, scores: found.update(
        (offset, score)
        for offset, score in zip(batch.offsets.tolist(), scores.tolist(), strict=True)
        if not np.isnan(score)
    )
    while shard.position < len(values):
        size = sizes[turn % len(sizes)] if sizes else len(values)
        turn += 1
        start = shard.position
        output = shard.process(chunk_of(values[start : start + size], start=start))
        alerts += output.alerts
    return found, alerts


@cache
def whole():
    return scored(fresh(CONFIG), records(), [])


def test_every_whole_payment_has_a_score_and_nothing_else():
    """Labels, malformed records and payments without amount or key have none."""
    found, _ = whole()
    complete = set()
    for offset, value in enumerate(records()):
        if value != b"{broken":
            record = orjson.loads(value)
            if record["type"] == "payment" and {"card", "cents"} <= set(record):
                complete.add(offset)
    assert set(found) == complete


def test_labels_teach():
    """After ten days payments at the bad shops are blocked and few others are even looked at."""
    _, alerts = whole()
    late = [alert for alert in alerts if alert.event_time_ms > 1_600_000_000_000 + 10 * DAY_MS]
    assert len(late) > 40
    assert np.mean([alert.values["shop"] in ("s0", "s1") for alert in late]) > 0.95
    assert {alert.values["basis"] for alert in late} == {"model"}


WITHOUT_SHRINKING = [Phase.explicit, Phase.reuse, Phase.generate]  # each example takes seconds


@settings(max_examples=6, deadline=None, phases=WITHOUT_SHRINKING)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_chunks_change_nothing(sizes):
    """Scores and alerts, ids and evidence included, do not depend on the cut."""
    found, alerts = scored(fresh(CONFIG), records(), sizes)
    assert repr(found) == repr(whole()[0])
    assert alerts == whole()[1]


@settings(max_examples=6, deadline=None, phases=WITHOUT_SHRINKING)
@given(st.lists(st.integers(20, 400), min_size=2, max_size=5), st.integers(1, 2_900), st.integers(1, 4))
def test_a_restored_shard_goes_on(sizes, stop, every):
    """Killed at any point, with a commit each few chunks, it gives the scores and alerts of an undisturbed run."""
    values, found, alerts, stored = records(), {}, [], {}
    shard, turn, committed = fresh(CONFIG), 0, ({}, [])
    while shard.position < stop:
        size = sizes[turn % len(sizes)]
        turn += 1
        start = shard.position
        part, more = scored(shard, values[: start + size], [size])
        found, alerts = found | part, alerts + more
        if turn % every == 0:
            for key, slab in shard.dirty().items():
                stored.pop(key, None)
                if slab is not None:
                    stored[key] = slab
            committed = found, alerts
    second = fresh(CONFIG)
    second.restore(stored)
    found, alerts = committed
    part, more = scored(second, values, sizes)
    assert repr(found | part) == repr(whole()[0])
    assert alerts + more == whole()[1]


def test_an_alert_ranks_its_reasons():
    """Evidence names the action, each feature by what it adds, and the keys; the sentence says it."""
    alert = [each for each in whole()[1] if each.values["basis"] == "model"][-1]
    added = [value for name, value in alert.values.items() if name.startswith("adds(")]
    named = [name[5:-1] for name in alert.values if name.startswith("adds(")]
    assert added == sorted(added, reverse=True)
    assert list(alert.values)[:3] == ["score", "action", "basis"]
    assert list(alert.values)[3 : 3 + len(named)] == named
    assert alert.key == alert.values["card"]
    assert {"shop", "cents"} <= set(alert.values)
    assert alert.thresholds == {"score": 0.8 if alert.values["action"] == "block" else 0.3}
    assert alert.severity == {"block": "critical", "review": "medium"}[alert.values["action"]]
    assert explain(alert).startswith(f'risk fired for "{alert.key}": score = ')
    assert named[0] in explain(alert)


def test_rules_score_before_labels_taught():
    """At a cold start the one rule decides, and the alert says that it did."""
    first = whole()[1][0]
    assert (first.values["basis"], first.values["score"]) == ("rules", pytest.approx(0.4))
    assert first.values["cents"] >= 5_000


def test_other_thresholds_keep_what_was_learned():
    """A changed review or rule goes on with the model; another window starts anew, drops the state and says so."""
    values = records()
    shard = fresh(CONFIG)
    feed(shard, values, [500])
    stored = {key: slab for key, slab in shard.dirty().items() if slab is not None}

    def restored(**changes):
        config = app(
            streams={"payments": STREAM}, tables={}, rules={}, detectors={}, scores={"risk": replace(SPEC, **changes)}
        )
        again = fresh(config)
        again.restore(stored)
        return again

    kept, anew = restored(review=0.2, rules=()), restored(windows=(("1d", DAY_MS),))
    assert kept.notices == []
    assert all(slab is not None for slab in kept.dirty().values())
    assert any("risk was changed" in notice for notice in anew.notices)
    assert {key for key, slab in anew.dirty().items() if slab is None} == {key for key in stored if key != b"meta"}


def test_slabs_fit_a_kafka_record():
    """No slab of the full store of a model with many features comes near a megabyte."""
    large = replace(SPEC, windows=tuple((f"{n}d", n * DAY_MS) for n in range(1, 9)), learning=Learning())
    config = app(streams={"payments": STREAM}, tables={}, rules={}, detectors={}, scores={"risk": large})
    shard = fresh(config)
    feed(shard, records(), [500])
    assert max(len(slab) for slab in shard.dirty().values() if slab is not None) < 600_000
