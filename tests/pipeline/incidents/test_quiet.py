"""When nobody is told: snoozes, maintenance, storms. Everything is recorded all the same."""

from dataclasses import replace

import pytest

from pipeline.incidents import Acknowledge, Maintenance, Snooze, Unsnooze
from tests.pipeline.incidents.lives import DAY, HOUR, MINUTE, SECOND, SETTINGS, START, Life, alert

LONG = replace(SETTINGS, hold_ms=DAY)


def snooze(until_ms, **scope):
    return Snooze(id="z", until_ms=START + until_ms, reason="known", by="ann", **scope)


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ({"rule": "r1"}, ["r2/k1", "r2/k2"]),
        ({"key": "k1"}, ["r1/k2", "r2/k2"]),
        ({"rule": "r1", "key": "k1"}, ["r1/k2", "r2/k1", "r2/k2"]),
    ],
)
def test_a_snooze_covers_a_rule_a_key_or_both(scope, told):
    """Exactly the alerts in its scope are silent; all of them are recorded."""
    life = Life()
    life.at(0, snooze(HOUR, **scope))
    for rule in ("r1", "r2"):
        for key in ("k1", "k2"):
            life.at(1, alert(rule + key, rule=rule, key=key))
    assert [f"{notice.rule}/{notice.key}" for notice in life.notices] == told
    assert len(life.state.incidents) == 4
    assert sum(each.muted for each in life.state.incidents.values()) == 4 - len(told)


def test_when_a_snooze_expires_people_hear_of_what_began_meanwhile():
    """An incident that was opened under a snooze and goes on is told at the moment of its end, once."""
    life = Life(LONG)
    life.at(0, snooze(HOUR, rule="r"))
    life.at(MINUTE, alert("a", severity="high"))
    life.at(2 * MINUTE, alert("b"))
    assert life.at(HOUR - 1) == []
    life.at(2 * HOUR)
    assert life.told == [("opened", HOUR, "high")]
    assert (life.incident.count, life.incident.muted) == (2, 2)
    assert len(life.state.snoozes) == 0
    assert life.records["snooze/z"] is None


def test_what_began_and_ended_under_a_snooze_is_never_told():
    """No end is told of what nobody was told began; it is recorded nevertheless."""
    life = Life()
    life.at(0, snooze(HOUR, key="k"))
    life.at(1, alert("a"))
    life.at(30 * MINUTE)
    assert life.told == []
    assert life.incident.resolved_ms == START + 1 + SETTINGS.hold_ms


def test_the_end_of_what_people_were_told_is_told_under_a_snooze_too():
    """Whoever heard that it began hears that it is over."""
    life = Life()
    life.at(0, alert("a"))
    life.at(1, snooze(HOUR, key="k"))
    life.at(2, alert("b", severity="critical"))
    life.at(30 * MINUTE)
    assert life.told == [("opened", 0, "low"), ("resolved", 2 + 10 * MINUTE, "critical")]


def test_a_snooze_can_be_ended_early():
    """From then on people are told, at once of what goes on."""
    life = Life(LONG)
    life.at(0, snooze(HOUR, rule="r"))
    life.at(1, alert("a"))
    assert life.at(2, Unsnooze(id="u", snooze="z", by="ann")) == ["opened"]
    assert life.at(3, alert("b", key="other")) == ["opened"]
    assert life.at(HOUR) == []


def test_of_two_snoozes_the_longer_counts():
    """An incident stays silent until the last of them has ended."""
    life = Life(LONG)
    life.at(0, snooze(HOUR, rule="r"))
    life.at(0, Snooze(id="y", until_ms=START + 2 * HOUR, reason="known", key="k"))
    life.at(1, alert("a"))
    life.at(3 * HOUR)
    assert life.told == [("opened", 2 * HOUR, "low")]


def test_impossible_snoozes_are_refused():
    """A snooze of everything, one that is over, and the end of one that there is not."""
    life = Life()
    life.at(5, Snooze(id="1", until_ms=START + HOUR, reason="all"))
    life.at(5, Snooze(id="2", until_ms=START + 5, reason="over", rule="r"))
    life.at(5, Unsnooze(id="3", snooze="none"))
    assert [text.split(",")[0] for text in life.refused] == [
        "a snooze needs a rule",
        "the snooze would have ended already",
        "there is no snooze 'none'",
    ]
    assert len(life.state.snoozes) == 0


def test_maintenance_is_silent_from_its_start_to_its_end():
    """Start inclusive, end exclusive; what goes on at the end is told then."""
    window = Maintenance(reason="upgrade", from_ms=START + 10, until_ms=START + 20)
    life = Life(replace(LONG, maintenance=(window,)))
    assert life.at(9, alert("a", key="1")) == ["opened"]
    assert life.at(10, alert("b", key="2")) == []
    assert life.at(19, alert("c", key="3")) == []
    assert life.at(20, alert("d", key="4")) == ["opened", "opened", "opened"]
    assert {notice.key for notice in life.notices} == {"1", "2", "3", "4"}


def test_daily_maintenance_goes_over_midnight_on_its_days():
    """A window that ends before it starts ends the day after; 15 November 2023 was a Wednesday."""
    window = Maintenance(
        reason="backup", from_ms=23 * HOUR, until_ms=HOUR, daily=True, days=frozenset({2}), rule="r", key="k"
    )
    wednesday = (START // DAY + 1) * DAY
    assert window.ends_ms(wednesday + 23 * HOUR - 1) is None
    assert window.ends_ms(wednesday + 23 * HOUR) == wednesday + 25 * HOUR
    assert window.ends_ms(wednesday + 25 * HOUR - 1) == wednesday + 25 * HOUR
    assert window.ends_ms(wednesday + 25 * HOUR) is None
    assert window.ends_ms(wednesday - HOUR) is None


def test_a_storm_is_one_notice_with_counts_and_a_sample_and_says_when_it_ends():
    """From the alert that reaches the limit on nobody hears of single ones; the end comes when half is not reached."""
    life = Life()
    for n in range(20):
        life.at(n * SECOND, alert(f"a{n}", key=f"k{n % 7}"))
    assert [kind for kind, _, _ in life.told] == ["opened"] * 4 + ["storm-began"]
    assert len(life.state.incidents) == 7
    life.at(20 * MINUTE)
    began, ended = (notice for notice in life.notices if notice.storm)
    assert began.time_ms == START + 4 * SECOND
    assert ended.kind == "storm-ended"
    assert ended.time_ms == START + 18 * SECOND + MINUTE  # then one alert is left in the window, fewer than 5 // 2
    assert (ended.storm.count, sum(ended.storm.keys.values()), ended.storm.other_keys) == (16, 16, 0)
    assert ended.storm.sample == tuple(f"r fired for k{n % 7}" for n in range(4, 9))
    assert (began.storm.id, began.storm.ended_ms) == (ended.storm.id, None)
    assert began.id != ended.id
    resolved = [notice.key for notice in life.notices if notice.kind == "resolved"]
    assert sorted(resolved) == ["k0", "k1", "k2", "k3"]  # those that people were told of
    assert len(life.state.storms) == 0


def test_a_storm_that_gets_worse_says_so():
    """A rise of severity breaks through, once."""
    life = Life()
    for n in range(5):
        life.at(n, alert(f"a{n}"))
    assert life.at(6, alert("b", severity="critical")) == ["storm-grew"]
    assert life.at(7, alert("c", severity="critical")) == []
    assert life.notices[-1].severity == "critical"


def test_a_storm_of_a_rule_does_not_hide_others():
    """The guard is by rule: a flood of one is not the silence of the others."""
    life = Life()
    for n in range(10):
        life.at(n, alert(f"a{n}"))
    assert life.at(11, alert("b", rule="other")) == ["opened"]


def test_a_steady_trickle_below_the_limit_is_no_storm():
    """One alert fewer than the limit within the window never folds."""
    life = Life(LONG)
    for n in range(40):
        life.at(n * 15 * SECOND, alert(f"a{n}", key=f"k{n}"))
    assert {kind for kind, _, _ in life.told} == {"opened"}
    assert len(life.told) == 40


def test_many_keys_of_a_storm_are_counted_together():
    """The notice stays small: keys beyond the first twenty are one number."""
    life = Life()
    for n in range(100):
        life.at(n, alert(f"a{n}", key=f"k{n}"))
    life.at(HOUR)
    storm = next(notice.storm for notice in life.notices if notice.kind == "storm-ended")
    assert (len(storm.keys), storm.other_keys, storm.count) == (20, 76, 96)


def test_a_command_works_in_a_storm():
    """Somebody can take care of an incident that nobody was told about alone."""
    life = Life()
    for n in range(6):
        life.at(n, alert(f"a{n}"))
    assert life.at(7, Acknowledge(id="c", incident=life.incident.id, by="ann")) == ["acknowledged"]
