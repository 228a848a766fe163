"""Multiscale surprise with the shipped threshold and rest: each kind of incident, and what is none."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from agents.series.episodes import Episodes
from agents.spec import DetectorSpec
from detectors import MultiscaleSurprise

GIVEN = tomllib.loads((Path(__file__).parents[2] / "examples/series.toml").read_text())["detectors"]["anomaly"]
SPEC = DetectorSpec(
    name="a",
    kind="multiscale",
    value="v",
    severity="low",
    **{key: GIVEN[key] for key in ("threshold", "clear", "rest")},
)
N, AT, STEP_MS = 4_000, 2_500, 300_000  # two weeks of samples every five minutes
I = np.arange(N)  # noqa: E741 - the usual index


NOISE = np.random.default_rng(1).uniform(-1.0, 1.0, N)
DAILY = 100.0 + 30.0 * np.sin(2 * np.pi * I / 288)
HERE = np.where(I == AT, 1.0, 0.0)
DURING = (I >= AT) & (I < AT + 24)
CASES = {
    "constant": np.full(N, 7.5),
    "noise": 100.0 + NOISE,
    "spike": 100.0 + NOISE + 30.0 * HERE,
    "drop": 100.0 + NOISE - 30.0 * HERE,
    "step": 100.0 + NOISE + np.where(I >= AT, 20.0, 0.0),
    "drift": 100.0 + NOISE + np.maximum(I - 1_500, 0) * 0.01,
    "daily": DAILY + NOISE,
    "daily, a day missing": np.where((I >= AT) & (I < AT + 288), 100.0, DAILY) + NOISE,
    "daily, half a day without values": np.where((I >= AT) & (I < AT + 144), np.nan, DAILY + NOISE),
    "daily, half a day without samples": DAILY + NOISE,
    "two bad hours": np.where(DURING, 10.0, 100.0 + NOISE),
    "normal": np.random.default_rng(4).normal(size=N),
}


@pytest.fixture(scope="module")
def fired():
    """Samples that fire, by case, all cases followed at once; the first 600 only teach."""
    detector, episodes = MultiscaleSurprise(), Episodes(SPEC)
    detector.grow(len(CASES))
    episodes.grow(len(CASES))
    values = np.stack(list(CASES.values()), axis=1)
    gap = list(CASES).index("daily, half a day without samples")
    found = {name: [] for name in CASES}
    for i in range(N):
        rows = np.arange(len(CASES))
        rows = rows[rows != gap] if AT <= i < AT + 144 else rows
        now, time = values[i, rows], np.full(len(rows), 1_600_000_000_000 + STEP_MS * i)
        fires, _, _ = episodes.step(rows, detector.score(rows, now, time), np.full(len(rows), 600))
        detector.learn(rows, now, time)
        for row in rows[fires]:
            found[list(CASES)[row]].append(i)
    return found


@pytest.mark.parametrize("case", ["constant", "noise", "daily"])
def test_what_goes_on_as_usual_never_fires(fired, case):
    """Neither a constant nor bounded noise nor a daily course is an incident."""
    assert fired[case] == []


@pytest.mark.parametrize("case", ["spike", "drop", "step", "two bad hours"])
def test_an_incident_fires_once(fired, case):
    """One value far off, a new level, and two hours of bad values each fire as they begin, and only once."""
    assert fired[case] == [AT]


def test_a_slow_drift_is_two_episodes_at_most(fired):
    """Endless growth by 1 % of the noise a sample fires once or twice as it begins, and is then the usual course."""
    assert 1 <= len(fired["drift"]) <= 2
    assert 1_500 < fired["drift"][0] <= fired["drift"][-1] < 2_000


@pytest.mark.parametrize("case", ["daily, half a day without values", "daily, half a day without samples"])
def test_a_missing_stretch_is_no_incident_by_itself(fired, case):
    """Half a day without samples, or without values, raises nothing when the series comes back as it was."""
    assert fired[case] == []


def test_a_changed_rhythm_fires_once(fired):
    """A daily course that stays away for a day fires within hours, once."""
    (at,) = fired["daily, a day missing"]
    assert AT <= at < AT + 40


def test_false_alarms_of_normal_noise_are_few(fired):
    """Independent normal values, which do have outliers, fire less than once in 500 samples."""
    assert len(fired["normal"]) < (N - 600) / 500


def test_a_score_depends_on_the_past_only():
    """Another future leaves every score before it as it was, bit for bit."""
    detector, other, row = MultiscaleSurprise(), MultiscaleSurprise(), np.array([0])
    detector.grow(1)
    other.grow(1)
    changed = np.where(I < 300, NOISE, 50.0)
    for i in range(300):
        now, then = NOISE[i : i + 1], changed[i : i + 1]
        assert detector.score(row, now).tobytes() == other.score(row, then).tobytes()
        detector.learn(row, now)
        other.learn(row, then)
