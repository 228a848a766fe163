import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load import match


def alert(rule, key, source, records=(), time_ms=0):
    position = {"topic": "p", "partition": 0, "offset": 0}
    return {
        "rule": rule,
        "key": key,
        "event_time_ms": time_ms,
        "source": position | {"id": source},
        "records": [position | {"id": name} for name in records],
    }


def label(name, campaign, kind, key, time_ms):
    return {"id": name, "campaign": campaign, "kind": kind, "key": key, "ts": time_ms}


TRUTH = [
    label("b1", "burst", "velocity-burst", "a1", 1_000),
    label("b2", "burst", "velocity-burst", "a1", 2_000),
    label("m1", "mule", "mule-fan-in", "a9", 5_000),
    label("m2", "mule", "mule-fan-in", "a9", 7_000),
    label("o1", "outlier", "amount-outlier", "a2", 9_000),
]


def caught(*alerts):
    """Campaigns that these alerts catch."""
    return {"burst", "mule", "outlier"} - set(match(alerts, TRUTH).missed)


def test_a_campaigns_own_record_that_fires_catches_it():
    """The source record is proof, whatever the key of the rule's table is."""
    assert caught(alert("r", "a1", "b2")) == {"burst"}
    assert caught(alert("r", "some-device", "b2")) == {"burst"}


def test_a_contributing_record_counts_for_its_key():
    """An alert about the campaign's account that lists one of its records catches it."""
    assert caught(alert("r", "a1", "x", ["x1", "x2", "x3", "b1", "x"])) == {"burst"}


def test_a_single_record_in_the_window_of_another_key_proves_nothing():
    """A campaign's record that stands in a busy merchant's window by chance does not make that alert right."""
    assert caught(alert("r", "m7", "x", ["x1", "x2", "b1", "x"])) == set()


def test_half_of_the_contributing_records_count_for_any_key():
    """A table by device has other keys; there at least half of what it lists must be of the campaign."""
    assert caught(alert("r", "d1", "x", ["b1", "b2", "x1", "x"])) == {"burst"}
    assert caught(alert("r", "d1", "x", ["b1", "x1", "x"])) == set()


@pytest.mark.parametrize(
    ("time_ms", "right"), [(4_999, False), (5_000, True), (7_000, True), (17_000, True), (17_001, False)]
)
def test_key_and_time_fit_for_merchants_and_payees(time_ms, right):
    """From the first record to 10 s after the last, both included, an alert about the payee catches the campaign."""
    assert caught(alert("r", "a9", "x", time_ms=time_ms)) == ({"mule"} if right else set())


def test_key_and_time_prove_nothing_for_accounts():
    """An alert about the account of a burst, at its time, but of none of its records, is no catch."""
    assert caught(alert("r", "a1", "x", ["x"], time_ms=1_500)) == set()


def test_a_record_without_an_id_is_no_evidence():
    """Streams without ids have null there, which matches nothing."""
    assert caught(alert("r", "a1", None, [None, None])) == set()


def test_precision_and_recall_by_rule_and_kind():
    """Two of three alerts right, two of three campaigns caught, each where it belongs."""
    report = match(
        [alert("fast", "a1", "b1"), alert("fast", "a5", "x"), alert("fan", "a9", "m2"), alert("noise", "a5", "x")],
        TRUTH,
    )
    assert report.precision == 0.5
    assert report.recall == pytest.approx(2 / 3)
    assert report.missed == ["outlier"]
    assert {name: (score.alerts, score.right) for name, score in report.rules.items()} == {
        "fast": (2, 1),
        "fan": (1, 1),
        "noise": (1, 0),
    }
    assert report.rules["fast"].precision == 0.5
    assert report.rules["fast"].caught == {"velocity-burst": 1, "mule-fan-in": 0, "amount-outlier": 0}
    assert {name: score.recall for name, score in report.kinds.items()} == {
        "velocity-burst": 1.0,
        "mule-fan-in": 1.0,
        "amount-outlier": 0.0,
    }


def test_several_alerts_catch_a_campaign_once():
    """Recall counts campaigns, precision counts alerts."""
    report = match([alert("r", "a1", "b1"), alert("r", "a1", "b2"), alert("q", "a1", "b2")], TRUTH)
    assert report.kinds["velocity-burst"].caught == 1
    assert report.rules["r"].caught["velocity-burst"] == 1
    assert (report.rules["r"].right, report.rules["q"].right) == (2, 1)


def test_delay_is_from_the_first_record_to_the_earliest_alert():
    """The order in which alerts are listed does not matter."""
    alerts = [alert("r", "a1", "b2", time_ms=2_000), alert("q", "a1", "b1", time_ms=1_250)]
    for listed in (alerts, alerts[::-1]):
        score = match(listed, TRUTH).kinds["velocity-burst"]
        assert (score.delay_p50_ms, score.delay_max_ms) == (250, 250)
    assert math.isnan(match([], TRUTH).kinds["velocity-burst"].delay_p50_ms)


def test_nothing_to_score_is_no_score():
    """Without alerts precision is NaN, without campaigns recall is; neither is 0 or 1."""
    assert math.isnan(match([], TRUTH).precision)
    assert match([], TRUTH).recall == 0
    assert math.isnan(match([alert("r", "a1", "b1")], []).recall)
    assert match([alert("r", "a1", "b1")], []).precision == 0


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60), st.sampled_from("xyz")), max_size=12),
    st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 80)), max_size=12),
    st.integers(0, 20),
)
def test_key_and_time_against_brute_force(labels, alerts, slack_ms):
    """With several campaigns of a key, overlapping or not, an alert catches exactly those whose time it lies in."""
    truth = [
        label(f"r{at}", f"{name}-{key}", "merchant-spike", key, time_ms)
        for at, (name, time_ms, key) in enumerate(labels)
    ]
    fired = [alert("r", key, "none", time_ms=time_ms) for key, time_ms in alerts]
    times = {}
    for one in truth:
        times.setdefault((one["campaign"], one["key"]), []).append(one["ts"])
    expected = {
        name
        for (name, key), its in times.items()
        if not any(key == at_key and min(its) <= time_ms <= max(its) + slack_ms for at_key, time_ms in alerts)
    }
    assert set(match(fired, truth, slack_ms=slack_ms).missed) == expected
