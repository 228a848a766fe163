"""Keys that come and go in the middle of a chunk."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agents.spec import RuleSpec
from tests.pipeline.shards import app, feed, fresh, payload

sizes = st.lists(st.integers(1, 9), max_size=4)
steps = st.lists(st.tuples(st.sampled_from(["ann", "bob", "eve", "zoe"]), st.integers(0, 200)), min_size=1, max_size=60)
RULES = {
    rule.name: rule
    for rule in (
        RuleSpec(name="often", table="recent", when="n >= 2", severity="low", cooldown_ms=0),
        RuleSpec(name="window", table="windows", when="n >= 2", severity="low"),
    )
}


def alerts_in(values, cut, **bounds):
    tables = {name: replace(table, **bounds) for name, table in app().tables.items()}
    config = app(tables=tables, rules=RULES, detectors={})
    return [alert for output in feed(fresh(config), values, cut) for alert in output.alerts]


def payments(made):
    now, values = 100_000, []
    for number, (account, step) in enumerate(made):
        now += step
        record = {"id": str(number), "account": account, "merchant": "m1", "country": "DE", "ts": now, "cents": 1}
        values.append(payload(record))
    return values


def test_an_alert_names_the_key_that_fired():
    """Also when the key is evicted by a later record of the same chunk and its slot is another's by then."""
    values = payments([("ann", 1), ("ann", 1), ("bob", 1), ("eve", 1), ("eve", 1), ("zoe", 1), ("zoe", 1)])
    often = [alert for alert in alerts_in(values, [], max_keys=2) if alert.rule == "often"]
    assert [(alert.key, [ref.offset for ref in alert.records]) for alert in often] == [
        ("ann", [0, 1]),
        ("eve", [3, 4]),
        ("zoe", [5, 6]),
    ]


@given(steps, sizes)
def test_eviction_does_not_depend_on_the_cut(made, cut):
    """A cap on keys gives the same alerts, ids and evidence whatever the chunks."""
    values = payments(made)
    assert alerts_in(values, cut, max_keys=2) == alerts_in(values, [], max_keys=2)


@given(steps, sizes)
def test_expiry_does_not_depend_on_the_cut(made, cut):
    """Nor does a time to live that ends in the middle of a chunk."""
    values = payments(made)
    assert alerts_in(values, cut, ttl_ms=640) == alerts_in(values, [], ttl_ms=640)
