"""The life of an incident in virtual time: opened, told, acknowledged, resolved, reopened."""

from dataclasses import replace

import pytest

from pipeline.incidents import Acknowledge, Resolve
from tests.pipeline.incidents.lives import DAY, HOUR, MINUTE, SETTINGS, START, Life, alert, ended, lasting


def test_the_first_alert_opens_and_the_next_ones_are_not_told():
    """People hear of an incident once, however many alerts it gets within its cool-down."""
    life = Life()
    assert life.at(0, alert("a")) == ["opened"]
    assert life.incident.state == "open"
    assert [life.at(n * MINUTE, alert(f"b{n}")) for n in range(1, 6)] == [[]] * 5
    assert (life.incident.state, life.incident.count) == ("updated", 6)


def test_the_cool_down_ends_with_one_more_notice():
    """An incident that goes on is told again after its cool-down, not a moment earlier."""
    life = Life()
    life.at(0, alert("a"))
    for minute in range(5, 30, 5):
        assert life.at(minute * MINUTE, alert(f"a{minute}")) == []
    assert life.at(30 * MINUTE - 1, alert("b")) == []
    assert life.at(30 * MINUTE, alert("c")) == ["updated"]
    assert life.at(31 * MINUTE, alert("d")) == []


def test_a_rise_of_severity_breaks_the_cool_down_and_a_fall_does_not():
    """An incident that gets worse is told at once; its severity never falls."""
    life = Life()
    life.at(0, alert("a", severity="low"))
    assert life.at(1, alert("b", severity="high")) == ["escalated"]
    assert life.at(2, alert("c", severity="info")) == []
    assert life.at(3, alert("d", severity="high")) == []
    assert life.incident.severity == "high"


def test_it_resolves_itself_at_the_hold_time_after_its_last_alert():
    """The end comes at its own time, whenever the next event is."""
    life = Life()
    life.at(0, alert("a"))
    life.at(MINUTE, alert("b"))
    assert life.at(11 * MINUTE - 1) == []
    assert life.incident.is_live
    life.at(40 * MINUTE)
    assert life.told == [("opened", 0, "low"), ("resolved", 11 * MINUTE, "low")]
    assert (life.incident.state, life.incident.resolved_by) == ("resolved", "")


def test_while_a_condition_holds_it_goes_on_and_ends_the_hold_time_after_its_end():
    """The end of an episode is told; from then on quiet counts."""
    life = Life()
    life.at(0, lasting("a", time=START))
    assert life.at(3 * HOUR) == []
    life.at(4 * HOUR, ended(time=START + 1))
    assert life.incident.lasting == {}
    assert life.at(4 * HOUR + 10 * MINUTE - 1) == []
    assert life.at(4 * HOUR + 10 * MINUTE) == ["resolved"]


def test_an_end_may_come_before_its_alert_and_says_nothing_of_a_later_one():
    """They take different ways; event times tell which belongs to which."""
    life = Life()
    life.at(0, ended(time=START + 5))
    life.at(1, lasting("a", time=START))
    assert life.incident.lasting == {}
    life.at(2, lasting("b", time=START + 9))
    life.at(3, ended(time=START + 5))
    assert life.incident.lasting == {"r at k": START + 9}


def test_a_condition_whose_end_is_never_told_does_not_hold_for_ever():
    """A series that fell silent ends nothing."""
    life = Life()
    life.at(0, lasting("a"))
    assert life.at(DAY - 1) == []
    assert life.at(DAY) == ["resolved"]


def test_of_several_conditions_the_last_one_counts():
    """An incident by key goes on while any of them holds; a person can end it all the same."""
    life = Life(replace(SETTINGS, group_by=("key",)))
    life.at(0, lasting("a", rule="r1"))
    life.at(1, lasting("b", rule="r2"))
    life.at(2, ended(rule="r1", time=START + 1))
    assert life.at(HOUR) == []
    life.at(HOUR, Resolve(id="c", incident=life.incident.id, by="ann"))
    assert life.incident.state == "resolved"
    assert life.incident.lasting == {}


def test_an_alert_soon_after_the_end_continues_the_incident_which_then_needs_more_quiet():
    """Flapping is one incident with one id, and each return doubles the quiet that it takes to end, up to 8 times."""
    life = Life()
    life.at(0, alert("a"))
    first, now, holds = life.incident, 0, []
    for n in range(5):
        now += life.incident.hold_ms
        assert life.at(now) == ["resolved"]
        now += 5 * MINUTE
        assert life.at(now, alert(f"b{n}")) == ["reopened"]
        holds.append(life.incident.hold_ms // MINUTE)
    assert holds == [20, 40, 80, 80, 80]
    assert (life.incident.id, life.incident.opened_ms, life.incident.reopened) == (first.id, first.opened_ms, 5)


def test_an_alert_later_than_that_is_another_incident():
    """Beyond the time to reopen, the same group gets a new incident with a new id."""
    life = Life()
    life.at(0, alert("a"))
    first = life.incident.id
    assert life.at(15 * MINUTE + 1, alert("b")) == ["resolved", "opened"]
    assert life.incident.id != first
    assert life.incident.count == 1


def test_a_resolved_incident_is_forgotten_after_a_while():
    """What is over leaves the state, with a tombstone."""
    life = Life()
    life.at(0, alert("a"))
    life.at(10 * MINUTE + HOUR - 1)
    assert life.incident.state == "resolved"
    life.at(10 * MINUTE + HOUR)
    assert len(life.state.incidents) == 0
    assert life.records['incident/["r","k"]'] is None


def test_a_rule_that_rests_for_long_is_not_taken_for_quiet():
    """The hold time is at least twice the cool-down of the rule."""
    life = Life(replace(SETTINGS, rests_ms={"r": HOUR}))
    life.at(0, alert("a"))
    assert life.at(HOUR, alert("b")) == ["updated"]
    assert life.incident.count == 2
    assert life.at(3 * HOUR) == ["resolved"]


def test_who_acknowledged_hears_only_of_what_gets_worse():
    """An acknowledged incident stays quiet beyond its cool-down; a rise of severity takes the acknowledgement back."""
    life = Life(replace(SETTINGS, hold_ms=DAY))
    life.at(0, alert("a"))
    command = Acknowledge(id="c", incident=life.incident.id, by="ann", note="on it")
    assert life.at(1, command) == ["acknowledged"]
    assert (life.incident.acknowledged_by, life.incident.note) == ("ann", "on it")
    assert life.at(50 * MINUTE, alert("b")) == []
    assert life.incident.state == "acknowledged"
    assert life.at(51 * MINUTE, alert("c", severity="critical")) == ["escalated"]
    assert life.incident.state == "updated"


def test_an_acknowledged_incident_still_ends_by_itself():
    """Nobody has to close what went away."""
    life = Life()
    life.at(0, alert("a"))
    life.at(1, Acknowledge(id="c", incident=life.incident.id, by="ann"))
    assert life.at(10 * MINUTE) == ["resolved"]


def test_a_person_can_resolve():
    """A resolved incident says by whom and why."""
    life = Life()
    life.at(0, alert("a"))
    assert life.at(1, Resolve(id="c", incident=life.incident.id, by="ann", note="false alarm")) == ["resolved"]
    assert (life.incident.state, life.incident.resolved_by) == ("resolved", "ann")
    assert life.notices[-1].summary == "Resolved by ann, 1 alert: r fired for k"


@pytest.mark.parametrize("command", [Acknowledge, Resolve])
def test_a_command_on_what_is_not_live_is_refused_and_said(command):
    """There is nothing to acknowledge or resolve once it is over, and a wrong id names nothing."""
    life = Life()
    life.at(0, alert("a"))
    name = life.incident.id
    life.at(10 * MINUTE)
    life.at(11 * MINUTE, command(id="c1", incident=name))
    life.at(11 * MINUTE, command(id="c2", incident="x"))
    assert life.refused == [f"there is no live incident {name!r}", "there is no live incident 'x'"]


def test_repeats_of_alerts_and_commands_change_nothing():
    """The same id is taken in once, also hours later."""
    life = Life()
    life.at(0, alert("a"))
    resolve = Resolve(id="c", incident=life.incident.id, by="ann")
    life.at(1, resolve)
    before = life.state.incidents
    assert life.at(2, alert("a")) == []
    assert life.at(3, resolve) == []
    assert (life.state.incidents, life.refused) == (before, [])
    life.at(7 * HOUR, alert("a"))
    assert len(life.state.incidents) == 0


def test_ids_are_forgotten_after_their_time_and_beyond_their_number():
    """The memory for repeats is bounded both ways; the oldest go first."""
    life = Life(replace(SETTINGS, remember=3, remember_ms=2 * HOUR))
    for n in range(5):
        life.at(n, alert(f"a{n}"))
    life.at(MINUTE)
    assert sorted(life.state.seen) == ["a2", "a3", "a4"]
    assert life.records["seen/a0"] is None
    life.at(2 * HOUR + MINUTE)
    assert sorted(life.state.seen) == []


def test_an_alert_of_long_ago_opens_nothing():
    """When alerts are read again from the start, those of yesterday are not news."""
    life = Life()
    assert life.at(HOUR + 1, alert("a", detected=START)) == []
    assert life.at(HOUR + 1, alert("b", detected=START + 1)) == ["opened"]
    assert life.incident.alerts == ("b",)


@pytest.mark.parametrize(
    ("by", "incidents"), [(("rule",), 2), (("key",), 2), (("rule", "key"), 4), (("device",), 3), (("partition",), 2)]
)
def test_alerts_are_grouped_by_what_the_configuration_names(by, incidents):
    """Rule, key, partition and values of the alert make the group; a value that is missing is one of its own."""
    life = Life(replace(SETTINGS, group_by=by))
    kinds = [
        ("r1", "k1", 0, {"device": "d1"}),
        ("r1", "k2", 1, {"device": "d2"}),
        ("r2", "k1", 0, {}),
        ("r2", "k2", 1, {}),
    ]
    for n, (rule, key, partition, values) in enumerate(kinds):
        life.at(n, alert(f"a{n}", rule=rule, key=key, partition=partition, **values))
    assert len(life.state.incidents) == incidents


def test_ids_follow_from_what_came():
    """Two runs over the same input give the same incident and notice ids, and no two notices share one."""
    runs = []
    for _ in range(2):
        life = Life()
        life.at(0, alert("a"))
        life.at(1, alert("b", severity="high"))
        life.at(20 * MINUTE)
        runs.append([(notice.id, notice.incident.id) for notice in life.notices])
    assert runs[0] == runs[1]
    assert len({notice for notice, _ in runs[0]}) == 3
    assert len({incident for _, incident in runs[0]}) == 1
