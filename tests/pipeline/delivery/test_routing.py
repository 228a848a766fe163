"""Which destinations a message goes to, by severity, rule, key and the clock on the wall."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from pipeline.delivery import Route
from pipeline.delivery.routing import is_routed, is_within, matches
from tests.pipeline.delivery.given import message

ALL = Route(name="all", to=("x",))


def at(text, zone="UTC"):
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, True),
        ({"severity": "high"}, True),
        ({"severity": "critical"}, False),
        ({"rules": ("often", "other")}, True),
        ({"rules": ("other",)}, False),
        ({"keys": ("a",)}, True),
        ({"keys": ("b",)}, False),
        ({"severity": "low", "rules": ("often",), "keys": ("b",)}, False),
    ],
)
def test_every_condition_of_a_route_must_hold(changes, passes):
    """Severity is a least one; names are alternatives; the message is high, of the rule often, for a."""
    assert matches(replace(ALL, **changes), message()) is passes


def test_a_message_goes_where_some_route_leads():
    """Routes are alternatives; without one there is nowhere to go."""
    routes = [replace(ALL, keys=("b",)), replace(ALL, to=("y", "z"))]
    assert [is_routed(message(), name, routes) for name in ("x", "y", "z")] == [False, True, True]
    assert not is_routed(message(), "x", [])


@pytest.mark.parametrize(
    ("time", "passes"),
    [
        ("2026-03-06T21:59:59", False),
        ("2026-03-06T22:00:00", True),
        ("2026-03-07T05:59:59", True),
        ("2026-03-07T06:00:00", False),
        ("2026-03-07T23:00:00", False),  # Saturday
        ("2026-03-09T01:00:00", False),  # the night that began on Sunday
        ("2026-03-10T01:00:00", True),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_starts(time, passes):
    """Start inclusive, end exclusive, over midnight, on weekdays only; 6 March 2026 is a Friday."""
    night = replace(ALL, from_minute=22 * 60, until_minute=6 * 60, days=frozenset(range(5)))
    assert is_within(night, at(time)) is passes


def test_times_of_day_follow_the_clock_of_their_zone():
    """Nine o'clock is nine o'clock on both sides of the change to summer time."""
    day = replace(ALL, from_minute=9 * 60, until_minute=17 * 60, zone="Europe/Berlin")
    for date in ("2026-03-28", "2026-03-30"):
        assert is_within(day, at(f"{date}T09:00:00", "Europe/Berlin"))
        assert not is_within(day, at(f"{date}T08:59:00", "Europe/Berlin"))
        assert not is_within(day, at(f"{date}T17:00:00", "Europe/Berlin"))


def test_the_whole_day_is_the_default():
    """Midnight to midnight."""
    assert all(is_within(ALL, at(f"2026-03-06T{hour:02}:00:00")) for hour in range(24))
