"""The newest alerts by id, bounded."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.events import Alert, RecordRef
from pipeline.readmodel.ring import AlertFilter, AlertRing

REF = RecordRef("payments", 0, 7, "p7")
ALERT = Alert(
    id="a",
    rule="rapid-large",
    version="01234567",
    severity="high",
    stream="payments",
    table="account_10m",
    key="acct-1",
    event_time_ms=0,
    appended_ms=0,
    window_start_ms=0,
    window_end_ms=1,
    condition="n > 1",
    values={"n": 2},
    thresholds={"n": 1},
    source=REF,
    records=(REF,),
)


def ring_of(ids, capacity=5):
    ring = AlertRing(capacity=capacity)
    for place, name in enumerate(ids):
        ring.add(replace(ALERT, id=name), place, f"why {name}")
    return ring


@given(st.lists(st.sampled_from("abcdefgh"), max_size=40))
def test_keeps_the_newest_and_drops_repeats(ids):
    """Of all ids in order of first arrival the newest few are kept, each once."""
    first_arrivals = list(dict.fromkeys(ids))
    ring = ring_of(ids)
    assert [kept.alert.id for kept in ring.newest_first()] == first_arrivals[::-1][:5]
    assert ring.repeats == len(ids) - len(first_arrivals)
    assert ring.newest == len(first_arrivals)


def test_a_repeat_of_an_alert_let_go_is_known():
    """An id is remembered for longer than its alert is kept."""
    ring = ring_of("abcdefgh")
    assert ring.get("a") is None
    assert not ring.add(replace(ALERT, id="a"), 99, "again")


def test_memory_of_ids_is_bounded():
    """After eight times the capacity an id is forgotten."""
    ring = ring_of([str(number) for number in range(41)])
    assert ring.add(replace(ALERT, id="0"), 99, "again")


@given(st.integers(1, 4))
def test_pages_by_number_meet_each_alert_once(limit):
    """Asking for what came before the last one of a page goes through all, though new ones arrive meanwhile."""
    ring = ring_of("abcdefg", capacity=20)
    met, before = [], None
    while page := ring.page(AlertFilter(), limit=limit, before=before):
        met += [kept.alert.id for kept in page]
        before = page[-1].number
        ring.add(replace(ALERT, id=f"new{ring.newest}"), 0, "")
    assert met == list("gfedcba")


def test_filter_by_rule_severity_and_text():
    """Each part of a filter must pass; an empty one lets all pass."""
    ring = AlertRing(capacity=9)
    ring.add(replace(ALERT, id="1"), 0, "three large ones")
    ring.add(replace(ALERT, id="2", rule="mule", severity="critical", key="ACCT-9"), 0, "fan-in")
    assert [k.alert.id for k in ring.newest_first(AlertFilter())] == ["2", "1"]
    assert [k.alert.id for k in ring.newest_first(AlertFilter(rules=frozenset({"mule"})))] == ["2"]
    assert [k.alert.id for k in ring.newest_first(AlertFilter(severities=frozenset({"high"})))] == ["1"]
    assert [k.alert.id for k in ring.newest_first(AlertFilter(text="acct-9"))] == ["2"]
    assert [k.alert.id for k in ring.newest_first(AlertFilter(text="LARGE one"))] == ["1"]
    assert not list(ring.newest_first(AlertFilter(rules=frozenset({"mule"}), text="acct-1")))


def test_counts():
    """Rules are counted over all that is kept, severities since a time."""
    ring = ring_of("abc")
    ring.add(replace(ALERT, id="m", rule="mule", severity="low"), 10, "")
    assert ring.rules() == {"rapid-large": 3, "mule": 1}
    assert ring.count_since(2) == {"high": 1, "low": 1}


def test_capacity_must_be_positive():
    """A ring that keeps nothing is refused."""
    with pytest.raises(ValueError, match="at least 1, got 0"):
        AlertRing(capacity=0)
