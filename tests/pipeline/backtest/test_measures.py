"""The measures against what turned out, on small cases that can be counted by hand."""

import math
from dataclasses import replace

import numpy as np
import orjson
import pytest

from agents.events import Alert, Chunk, RecordRef
from agents.spec import DetectorSpec, Field, StreamSpec
from load.ranking import DAY_MS
from pipeline.backtest.compare import compare
from pipeline.backtest.engine import Happened, Refused, Scored
from pipeline.backtest.lines import Feed
from pipeline.backtest.measures import measure
from pipeline.backtest.outcomes import Collected
from pipeline.backtest.truth import Truth

FIELDS = {"id": Field(name="id", type="str"), "who": Field(name="who", type="str"), "ts": Field(name="ts", type="int")}
STREAM = StreamSpec(name="s", topic="s", partitions=1, key="who", time="ts", id="id", fields=FIELDS)
HOUR_MS = 3_600_000


def alert_on(name, time_ms, rule="r", key="k", version="v1"):
    source = RecordRef("s", 0, int(name[1:]), name)
    return Alert(
        id=f"{rule}{version}{name}",
        rule=rule,
        version=version,
        severity="low",
        stream="s",
        table="t",
        key=key,
        event_time_ms=time_ms,
        appended_ms=time_ms,
        window_start_ms=0,
        window_end_ms=1,
        condition="n > 1",
        values={"n": 2},
        thresholds={"n": 1},
        source=source,
        records=(source,),
    )


def collect(records, alerts, *, fraud, scores=(), campaigns=None, refused=(), delay_ms=7 * DAY_MS, stream=STREAM):
    """Collected after one step: records as (who, time), ids p0, p1, ... in order."""
    truth = Truth(fraud=frozenset(fraud), campaigns=campaigns or {}, labels=len(records))
    collected = Collected(truth, {"s": stream}, delay_ms=delay_ms)
    values = [orjson.dumps({"id": f"p{i}", "who": who, "ts": ts}) for i, (who, ts) in enumerate(records)]
    times = np.array([ts for _, ts in records])
    chunk = Chunk(
        topic="s",
        partition=0,
        offsets=np.arange(len(values)),
        timestamps_ms=times,
        keys=[None] * len(values),
        values=values,
        next_offset=len(values),
    )
    scored = []
    if scores:
        at = np.flatnonzero(~np.isnan(scores))
        ids = [f"p{i}" for i in at]
        scored = [Scored(by="d", ids=ids, time_ms=times[at], score=np.array(scores)[at], order=at)]
    bad = [Refused(order=at, where={}, reason="r", message="m") for at in refused]
    happened = Happened(alerts=[(0, alert) for alert in alerts], scored=scored, refused=bad)
    collected.note([Feed(chunk, np.arange(len(values)))], happened)
    return collected


def test_flagged_records_count_once():
    """Two rules on one record are one flagged record of all, and one of each."""
    alerts = [alert_on("p0", 0), alert_on("p0", 0, rule="q"), alert_on("p1", 5, rule="q")]
    found = measure(collect([("a", 0), ("b", 5), ("c", 9)], alerts, fraud={"p0", "p2"}), {}, days=2.0, top=1)
    assert [found["all"][key] for key in ("alerts", "flagged", "right", "precision", "recall", "f1")] == [
        3,
        2,
        1,
        0.5,
        0.5,
        0.5,
    ]
    assert found["all"]["alerts_per_day"] == 1.5
    assert [found["rules"]["r"][key] for key in ("alerts", "precision", "recall")] == [1, 1.0, 0.5]


def test_frauds_that_were_not_seen_or_refused_do_not_count():
    """Recall is of the frauds in the recording; a refused record was never one."""
    found = measure(collect([("a", 0), ("b", 5)], [], fraud={"p0", "p1", "p77"}, refused=[1]), {}, days=1.0, top=1)
    assert found["truth"] == {"labels": 2, "fraud": 3, "seen": 1}
    assert (found["all"]["recall"], math.isnan(found["all"]["precision"])) == (0.0, True)


def test_episodes_are_runs_of_a_card_or_campaigns():
    """Frauds of a card a day apart are two episodes; a campaign is one over several cards."""
    records = [("a", 0), ("a", HOUR_MS), ("a", 30 * HOUR_MS), ("b", 10), ("c", 40)]
    alerts = [alert_on("p1", HOUR_MS), alert_on("p4", 40)]
    frauds = {f"p{i}" for i in range(5)}
    alone = measure(collect(records, alerts, fraud=frauds), {}, days=1.0, top=1)["delay"]
    assert [alone[key] for key in ("episodes", "noticed", "max_ms")] == [4, 2, HOUR_MS]
    named = collect(records, alerts, fraud=frauds, campaigns={"p3": "x", "p4": "x"})
    joined = measure(named, {}, days=1.0, top=1)["delay"]
    assert [joined[key] for key in ("episodes", "noticed", "p50_ms")] == [3, 2, (30 + HOUR_MS) / 2]


def test_scores_rank_in_the_detector_s_direction():
    """Of both directions the size counts; a record without a score is not ranked."""
    scores = [-9.0, 1.0, math.nan, 2.0]
    records = [("a", 0), ("b", 1), ("c", 2), ("d", 3)]
    spec = DetectorSpec(name="d", kind="ewma", value="v", threshold=1.0, severity="low", stream="s", by="who")
    collected = collect(records, [], fraud={"p0"}, scores=scores)
    both = measure(collected, {"d": spec}, days=1.0, top=1)["scores"]["d"]
    up = measure(collected, {}, days=1.0, top=1)["scores"]["d"]
    assert (both["scored"], both["average_precision"], both["roc_auc"]) == (3, 1.0, 1.0)
    assert (up["average_precision"], up["roc_auc"]) == (pytest.approx(1 / 3), 0.0)


@pytest.mark.parametrize(("delay_days", "cards"), [(7, [1.0, 1.0]), (0.25, [1.0, 0.0])])
def test_precision_at_k_leaves_known_cards_out(delay_days, cards):
    """Records are ranked day by day; a card whose label has arrived before the day is not looked into again."""
    records = [("a", HOUR_MS), ("b", 2 * HOUR_MS), ("a", DAY_MS), ("b", DAY_MS + 5)]
    collected = collect(records, [], fraud={"p0", "p2"}, scores=[0.9, 0.1, 0.8, 0.2], delay_ms=int(delay_days * DAY_MS))
    found = measure(collected, {}, days=2.0, top=1)["scores"]["d"]
    assert [day["records"] for day in found["by_day"]] == [1.0, 1.0]
    assert [day["cards"] for day in found["by_day"]] == cards
    assert found["card_precision"] == sum(cards) / 2


def test_alerts_are_the_same_across_versions_of_a_rule():
    """What fired for the same key at the same record is neither gained nor lost, whatever its id."""
    before = [alert_on("p1", 5), alert_on("p2", 6), alert_on("p3", 7, rule="q")]
    after = [alert_on("p1", 5, version="v2"), alert_on("p4", 8, version="v2")]
    found = compare(before, after, fraud=frozenset({"p4"}), most=1)
    assert (found["same"], found["gained"]["alerts"], found["lost"]["alerts"]) == (1, 1, 2)
    assert found["rules"] == {"q": {"gained": 0, "lost": 1}, "r": {"gained": 1, "lost": 1}}
    assert (found["gained"]["fraud"], found["lost"]["fraud"]) == (1, 0)
    assert [(each["record_id"], each["fraud"]) for each in found["gained"]["examples"]] == [("p4", True)]
    assert len(found["lost"]["examples"]) == 1


def test_a_stream_without_key_or_id_is_measured():
    """All its records are of one unknown card; without ids no record is a fraud."""
    keyless = collect([("a", 0), ("b", 5)], [], fraud={"p0", "p1"}, stream=replace(STREAM, key=None))
    assert measure(keyless, {}, days=1.0, top=1)["delay"]["episodes"] == 1
    nameless = collect([("a", 0)], [], fraud={"p0"}, stream=replace(STREAM, id=None))
    assert measure(nameless, {}, days=1.0, top=1)["truth"]["seen"] == 0
