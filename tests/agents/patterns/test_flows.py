"""Money from account to account, against a search through all that was ever sent."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.hashes import ColumnHashes
from agents.patterns.flows import FlowAgent
from agents.patterns.spec import FAN, FlowSpec
from tests.agents.patterns.batches import parts

WINDOW_MS = 1_000
MOST = 1_024


def spec(kind, **changes):
    base = {
        "name": "found",
        "kind": kind,
        "stream": "payments",
        "sender": "from",
        "receiver": "to",
        "amount": "cents",
        "window_ms": WINDOW_MS,
        "least": 50.0,
        "share": 0.7,
        "most": 1.1,
        "hops": 4,
        "max_transfers": MOST,
        "cooldown_ms": 0,
        "severity": "high",
    }
    return FlowSpec(**(base | changes))


def agent(flow):
    return FlowAgent(flow, id_field="id", hashes=ColumnHashes())


def rows_of(steps):
    now, rows = 100_000, []
    for at, (step, sender, receiver, cents) in enumerate(steps):
        now += step
        rows.append({"id": f"r{at}", "ts": now, "from": sender, "to": receiver, "cents": cents})
    return rows


def run(flow, rows, sizes, restart=None):
    """Alerts by record, perhaps with a restart from the stored state after so many batches."""
    alerts, running, stored = [], agent(flow), {}
    for number, (batch, _) in enumerate(parts(rows, sizes)):
        if number == restart:
            running = agent(flow)
            running.load({name: slab for name, slab in stored.items() if slab is not None})
        alerts += [alert for _, alert in running.process(batch)]
        stored |= running.take_dirty(number)
    return alerts


def visible(flow, rows, at, key, account):
    """The transfers before ``at`` at one end of ``account``, newest first, among the latest that are looked at."""
    least = flow.least if flow.kind == "circular_flow" else 1
    counted = [row for row in rows[:at] if row["from"] != row["to"] and row["cents"] >= least]
    return [row for row in reversed(counted) if row[key] == account][: FAN + (flow.kind == "pass_through")]


def circles(flow, rows, at):
    """The lengths of all circles that a transfer closes."""
    last, found = rows[at], set()

    def go(way):
        if len(way) >= flow.hops:
            return
        for row in visible(flow, rows, at, "to", way[0]["from"]):
            longer = [row, *way]
            amounts, times = [each["cents"] for each in longer], [each["ts"] for each in longer]
            if min(amounts) < flow.share * max(amounts) or max(times) - min(times) > WINDOW_MS:
                continue
            if row["from"] == last["to"]:
                if len(longer) >= 3 and sum(b < a for a, b in pairwise([*times, times[0]])) <= 1:
                    found.add(len(longer))
            elif row["from"] not in {each["from"] for each in way}:
                go(longer)

    go([last])
    return found


def passed(flow, rows, at):
    """What turns out to be passed on at a transfer, by either end: how much came in, and went out."""
    last, found = rows[at], []
    for account in (last["from"], last["to"]):
        into, out_of = (visible(flow, rows, at + 1, key, account) for key in ("to", "from"))
        for moment in {row["ts"] for row in out_of[:FAN] if 0 <= row["ts"] - last["ts"] <= WINDOW_MS}:
            came, went = ([row for row in each if 0 <= moment - row["ts"] <= WINDOW_MS] for each in (into, out_of))
            if max(len(came), len(went)) > FAN:
                continue
            for first in came:
                received = sum(row["cents"] for row in came if row["ts"] >= first["ts"])
                sent = sum(row["cents"] for row in went if row["ts"] >= first["ts"])
                if received >= flow.least and flow.share * received <= sent <= flow.most * received:
                    found.append((received, sent))
    return found


accounts = st.sampled_from("abcd")
steps = st.lists(
    st.tuples(st.integers(-200, 400), accounts, accounts, st.sampled_from([60, 70, 100, 100, 130, 40])),
    min_size=1,
    max_size=60,
)
sizes = st.lists(st.integers(1, 25), max_size=3)
busy = [(1, "a", "b", 100)] * (FAN + 2) + [(1, "b", "c", 100), (1, "c", "a", 100)]


@settings(deadline=None)
@given(steps=steps, sizes=sizes, restart=st.none() | st.integers(1, 5))
@example(steps=busy, sizes=[7], restart=2)
@example(steps=[(300, "a", "b", 100), (-100, "b", "c", 100), (-50, "c", "a", 100)], sizes=[], restart=None)
def test_circles_are_what_a_search_of_everything_finds(steps, sizes, restart):
    """Each circle is found at its last record, the shortest first, however the stream is cut or restarted."""
    flow, rows = spec("circular_flow"), rows_of(steps)
    wanted = {}
    for at, row in enumerate(rows):
        if row["from"] != row["to"] and row["cents"] >= flow.least:
            found = circles(flow, rows, at)
            wanted |= {row["id"]: min(found)} if found else {}
    alerts = run(flow, rows, sizes, restart)
    assert {alert.source.id: alert.values["hops"] for alert in alerts} == wanted
    assert alerts == run(flow, rows, [])


@settings(deadline=None)
@given(steps=steps, sizes=sizes, restart=st.none() | st.integers(1, 5))
@example(steps=[*[(1, "a", "b", 60)] * FAN, (1, "b", "c", 900)], sizes=[5], restart=1)
@example(steps=[*[(1, "a", "b", 60)] * (FAN + 1), (1, "b", "c", 1_000)], sizes=[5], restart=1)
def test_what_is_passed_on_is_what_sums_say(steps, sizes, restart):
    """An account that sends what came in since some transfer is found, and one with too many transfers is not."""
    flow, rows = spec("pass_through"), rows_of(steps)
    wanted = {}
    for at, row in enumerate(rows):
        found = passed(flow, rows, at) if row["from"] != row["to"] else []
        wanted |= {row["id"]: max(found)} if found else {}
    alerts = run(flow, rows, sizes, restart)
    found = {alert.source.id: (alert.values["received"], alert.values["sent"]) for alert in alerts}
    assert found.keys() == wanted.keys()
    assert all(found[name][0] == wanted[name][0] for name in found)
    assert alerts == run(flow, rows, [])


@pytest.mark.parametrize("kind", ["circular_flow", "pass_through"])
def test_old_transfers_are_forgotten_in_blocks(kind):
    """State is bounded by number: what is beyond it is gone from the stored state, and seen no more."""
    steps = [(1, "a", "b", 100), (1, "b", "c", 100)]
    steps += [(0, f"x{number}", f"y{number}", 100) for number in range(5 * MOST)]
    rows = rows_of([*steps, (1, "c", "a", 100)])
    for sizes in ([], [100], [1_000, 7]):
        running, stored, alerts = agent(spec(kind)), {}, []
        for batch, _ in parts(rows, sizes):
            alerts += [alert.source.id for _, alert in running.process(batch)]
            stored |= running.take_dirty(0)
        assert alerts == ([] if kind == "circular_flow" else ["r1"])
        assert len([slab for name, slab in stored.items() if slab is not None and name != "fired"]) <= 3


def test_a_circle_says_which_way_the_money_went():
    """An alert names the accounts, the limits and the records, the one that closes the circle last."""
    rows = rows_of([(0, "ann", "bob", 100), (10, "bob", "cy", 95), (10, "cy", "ann", 90)])
    (alert,) = run(spec("circular_flow"), rows, [])
    assert (alert.key, alert.values["path"]) == ("cy", "ann > bob > cy > ann")
    assert (alert.values["hops"], alert.values["span_ms"], alert.thresholds) == (3, 20, {"hops": 4, "share": 0.7})
    assert [ref.id for ref in alert.records] == ["r0", "r1", "r2"]


def test_an_account_rests_between_alerts():
    """Within the cool-down an account raises one alert, also across a restart."""
    rows = rows_of([(0, "x", "b", 100), (10, "b", "c", 90), (700, "x", "b", 100), (10, "b", "c", 95)])
    flow = spec("pass_through", window_ms=100, cooldown_ms=WINDOW_MS)
    for restart in (None, 2, 3):
        assert [alert.source.id for alert in run(flow, rows, [1], restart)] == ["r1"]
    assert len(run(spec("pass_through", window_ms=100, cooldown_ms=500), rows, [1], 3)) == 2
