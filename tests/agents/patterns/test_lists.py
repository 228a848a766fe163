"""Block and allow lists, against a dictionary."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.hashes import ColumnHashes
from agents.patterns.lists import ListAgent
from agents.patterns.spec import Entry, ListSpec
from tests.agents.patterns.batches import parts


def spec(**changes):
    base = {
        "name": "bad",
        "blocks": True,
        "stream": "payments",
        "by": "account",
        "list_field": "list",
        "until_field": "until",
        "reason_field": "reason",
        "keep_ms": 500,
        "max_entries": 3,
        "severity": "high",
        "entries": (Entry(value="fixed", until_ms=1_300, reason="known"), Entry(value="ever")),
    }
    return ListSpec(**(base | changes))


def rows_of(steps):
    now, rows = 1_000, []
    for at, (step, account, name, left) in enumerate(steps):
        now += step
        until = np.nan if left is None else float(now + left)
        rows.append({"id": f"r{at}", "ts": now, "account": account, "list": name, "until": until, "reason": f"w{at}"})
    return rows


def run(which, rows, sizes, restart=None):
    """At which records the value is listed, and the alerts; perhaps with a restart after so many batches."""

    def fresh():
        return ListAgent(which, id_field="id", hashes=ColumnHashes())

    listed, alerts, running, stored = [], [], fresh(), {}
    for number, (batch, head_ms) in enumerate(parts(rows, sizes)):
        if number == restart:
            running = fresh()
            running.load({name: slab for name, slab in stored.items() if slab is not None})
        mask, found = running.process(batch, head_ms)
        listed += mask.tolist()
        alerts += [alert for _, alert in found]
        stored |= running.take_dirty(number)
    return listed, alerts


def by_dictionary(rows):
    """Whether each record's value is listed; a full list of three drops the one that ends first."""
    held, head, found = {}, 0, []
    for row in rows:
        head = max(head, row["ts"])
        if row["list"] == "bad":
            until = row["ts"] + 500 if np.isnan(row["until"]) else row["until"]
            if until <= head:
                held.pop(row["account"], None)
            else:
                if row["account"] not in held and len(held) == 3:
                    del held[min(held, key=held.get)]
                held[row["account"]] = until
            found.append(False)
            continue
        fixed = row["account"] == "ever" or (row["account"] == "fixed" and head < 1_300)
        found.append(fixed or held.get(row["account"], 0) > head)
    return found


unequal = st.integers(-300, 900)
steps = st.lists(
    st.tuples(
        st.integers(-50, 200),
        st.sampled_from(["a", "b", "c", "d", "fixed", "ever"]),
        st.sampled_from(["", "", "bad", "other"]),
        st.none() | unequal,
    ),
    min_size=1,
    max_size=50,
).map(
    lambda found: [
        (step, who, name, None if left is None else left * 100 + at) for at, (step, who, name, left) in enumerate(found)
    ]
)


@settings(deadline=None)
@given(steps=steps, sizes=st.lists(st.integers(1, 9), max_size=3), restart=st.none() | st.integers(1, 6))
def test_a_value_is_listed_until_its_entry_expires(steps, sizes, restart):
    """At each record, whatever the cut and the restart; entries replace, remove and push out others."""
    rows = rows_of(steps)
    assert run(spec(cooldown_ms=0), rows, sizes, restart)[0] == by_dictionary(rows)
    listed, alerts = run(spec(cooldown_ms=150), rows, sizes, restart)
    assert alerts == run(spec(cooldown_ms=150), rows, [])[1]
    assert {alert.source.id for alert in alerts} <= {row["id"] for row, hit in zip(rows, listed, strict=True) if hit}


def test_an_alert_says_until_when_and_why():
    """Of an entry from the stream as of one of the configuration."""
    rows = rows_of([(0, "a", "bad", 400), (10, "a", "", None), (10, "fixed", "", None), (0, "ever", "", None)])
    _, alerts = run(spec(), rows, [])
    assert [alert.values for alert in alerts] == [
        {"account": "a", "listed_until": 1_400, "reason": "w0"},
        {"account": "fixed", "listed_until": 1_300, "reason": "known"},
        {"account": "ever", "listed_until": None},
    ]


def test_allowed_records_raise_nothing():
    """Not even a cool-down is begun by a record that another list allows."""
    rows = rows_of([(0, "ever", "", None), (10, "ever", "", None)])
    running = ListAgent(spec(cooldown_ms=1_000), id_field="id", hashes=ColumnHashes())
    ((batch, head_ms),) = parts(rows, [])
    _, found = running.process(batch, head_ms, np.array([True, False]))
    assert [alert.source.id for _, alert in found] == ["r1"]
