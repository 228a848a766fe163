"""Multiscale surprise with the shipped threshold and rest: each kind of incident, and what is none."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from agents.episodes import Episodes
from agents.spec import DetectorSpec
from detectors import MultiscaleSurprise

GIVEN = tomllib.loads((Path(__file__).parents[2] / "examples/series.toml").read_text())["detectors"]["anomaly"]
SPEC = DetectorSpec(
    name="a", kind="multiscale", value="v", severity="low", **{key: GIVEN[key] for key in ("threshold", "clear", "rest")}
)
N, AT, STEP_MS = 4_000, 2_500, 300_000  # two weeks of samples every five minutes
I = np.arange(N)  # noqa: E741 - the usual index


def noise(seed=1):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, N)


def alarms(values, *, time_ms=None):
    """Samples that fire; the first 600 only teach."""
    detector, episodes, row = MultiscaleSurprise(), Episodes(SPEC), np.array([0])
    detector.grow(1)
    episodes.grow(1)
    times = 1_600_000_000_000 + STEP_MS * np.arange(len(values)) if time_ms is None else time_ms
    fired = []
    for i in range(len(values)):
        value, time = values[i : i + 1], times[i : i + 1]
        fires, _ = episodes.step(row, detector.score(row, value, time), np.array([600]))
        detector.learn(row, value, time)
        if fires[0]:
            fired.append(i)
    return fired


def test_a_constant_never_fires():
    """Neither a constant nor bounded noise is an incident."""
    assert alarms(np.full(N, 7.5)) == []
    assert alarms(100.0 + noise()) == []


@pytest.mark.parametrize("size", [30.0, -30.0])
def test_a_spike_fires_once(size):
    """One value far off fires at once, and only once."""
    values = 100.0 + noise()
    values[AT] += size
    assert alarms(values) == [AT]


def test_a_step_fires_once():
    """A new level fires where it begins; it is then the usual one."""
    assert alarms(100.0 + noise() + np.where(I >= AT, 20.0, 0.0)) == [AT]


def test_a_slow_drift_is_two_episodes_at_most():
    """Endless growth by 1 % of the noise a sample fires once or twice as it begins, and is then the usual course."""
    fired = alarms(100.0 + noise() + np.maximum(I - 1_500, 0) * 0.01)
    assert 1 <= len(fired) <= 2
    assert 1_500 < fired[0] <= fired[-1] < 2_000


def test_a_missing_stretch_is_no_incident_by_itself():
    """Half a day without samples, or without values, raises nothing when the series comes back as it was."""
    daily = 100.0 + 30.0 * np.sin(2 * np.pi * I / 288) + noise()
    gap = np.r_[0:AT, AT + 144 : N]
    assert alarms(daily[gap], time_ms=1_600_000_000_000 + STEP_MS * gap) == []
    empty = daily.copy()
    empty[AT : AT + 144] = np.nan
    assert alarms(empty) == []


def test_a_changed_rhythm_fires_once():
    """A daily course that stays away for a day fires within the hour, once."""
    daily = 100.0 + 30.0 * np.sin(2 * np.pi * I / 288)
    daily[AT : AT + 288] = 100.0
    (fired,) = alarms(daily + noise())
    assert AT <= fired < AT + 40


def test_a_usual_day_does_not_fire():
    """A daily course is learned."""
    assert alarms(100.0 + 30.0 * np.sin(2 * np.pi * I / 288) + noise()) == []


def test_a_long_incident_is_one_episode():
    """Two hours of bad values after which all is well again raise one alarm."""
    values = 100.0 + noise()
    values[AT : AT + 24] = 10.0
    assert alarms(values) == [AT]


def test_false_alarms_of_normal_noise_are_few():
    """Independent normal values, which do have outliers, fire less than once in 500 samples."""
    assert len(alarms(np.random.default_rng(4).normal(size=N))) < (N - 600) / 500


def test_a_score_depends_on_the_past_only():
    """Another future leaves every score before it as it was, bit for bit."""
    detector, other, row = MultiscaleSurprise(), MultiscaleSurprise(), np.array([0])
    detector.grow(1)
    other.grow(1)
    values, changed = noise(), noise()
    changed[400:] *= 50.0
    for i in range(400):
        now, then = values[i : i + 1], changed[i : i + 1]
        assert detector.score(row, now).tobytes() == other.score(row, then).tobytes()
        detector.learn(row, now)
        other.learn(row, then)
