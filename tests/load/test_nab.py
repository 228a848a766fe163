"""NAB's score on constructed cases, and against its definition written sample by sample."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.nab import PROFILES, NabTally, nab_score, probation, tally

N, WINDOW = 4_000, (2_000, 2_399)
CENTRE_WORTH = (2 / (1 + math.exp(-2.5)) - 1) / (2 / (1 + math.exp(-5)) - 1)


def by_hand(n, windows, alarms, profile):
    """The definition: each sample on its own, first alarm of a window by its largest weight."""

    def sigmoid(y):
        return -1.0 if y > 3 else 2 / (1 + math.exp(5 * y)) - 1

    best, false = {}, 0.0
    for alarm in sorted(set(alarms)):
        if alarm < math.floor(0.15 * min(n, 5000)):
            continue
        inside = [w for w in windows if w[0] <= alarm <= w[1]]
        if inside:
            end, width = inside[0][1], inside[0][1] - inside[0][0] + 1
            weight = sigmoid(-(end - alarm + 1) / width) / sigmoid(-1)
            best[inside[0]] = max(best.get(inside[0], -9), weight)
            continue
        past = [w for w in windows if w[1] < alarm]
        false += sigmoid((alarm - past[-1][1]) / (past[-1][1] - past[-1][0])) if past else -1.0
    missed = len(windows) - len(best)
    raw = profile.hit * sum(best.values()) + profile.false * false - profile.miss * missed
    null = -profile.miss * len(windows)
    return 100 * (raw - null) / (profile.hit * len(windows) - null)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_perfect_is_100_and_null_is_0(profile):
    """An alarm at the first sample of each window and nowhere else scores 100; no alarm at all scores 0."""
    windows = [WINDOW, (3_000, 3_100)]
    assert nab_score([tally(N, windows, [2_000, 3_000])], profile) == pytest.approx(100.0)
    assert nab_score([tally(N, windows, [])], profile) == 0.0


def test_half_of_the_windows():
    """One of two windows found at once: half in the standard profile and also where misses cost double."""
    found = [tally(N, [WINDOW, (3_000, 3_100)], [2_000])]
    assert [nab_score(found, profile) for profile in PROFILES.values()] == pytest.approx([50.0, 50.0, 50.0])


def test_earlier_is_better():
    """Within a window the worth falls from 1 at its first sample, .86 in its middle, to almost 0 at its last."""
    worths = [tally(N, [WINDOW], [at]).hits for at in (2_000, 2_200, 2_399)]
    assert worths == pytest.approx([1.0, CENTRE_WORTH, 0.0063], abs=1e-3)
    assert tally(N, [WINDOW], [2_200]).detected == 1


def test_only_the_first_alarm_of_a_window_counts():
    """More alarms in a window neither add nor cost."""
    assert tally(N, [WINDOW], [2_100, 2_101, 2_399]) == tally(N, [WINDOW], [2_100])


@pytest.mark.parametrize(("name", "cost"), [("standard", 0.11), ("low_fp", 0.22), ("low_fn", 0.11)])
def test_a_false_alarm_far_away_costs_its_weight(name, cost):
    """Before the first window, and more than three widths after one, an alarm costs the profile's full weight."""
    profile = PROFILES[name]
    scale = 100 / (profile.hit + profile.miss)
    for alarm in (1_000, 2_399 + 3 * 400):
        assert nab_score([tally(N, [WINDOW], [2_000, alarm])], profile) == pytest.approx(100 - cost * scale)


def test_a_false_alarm_shortly_after_a_window_costs_little():
    """The cost grows with the distance from the window before."""
    costs = [tally(N, [WINDOW], [at]).false_cost for at in (2_400, 2_600, 2_900, 3_700)]
    assert costs == sorted(costs)
    assert costs[0] < 0.01
    assert costs[-1] == 1.0


@pytest.mark.parametrize(("n", "samples"), [(1_000, 150), (1_127, 169), (4_032, 604), (5_000, 750), (15_902, 750)])
def test_probation_is_15_percent_and_at_most_750(n, samples):
    """Alarms of the probation are not looked at; the first sample after it is."""
    assert probation(n) == samples
    assert tally(n, [], range(samples)).false_alarms == 0
    assert tally(n, [], [samples]).false_alarms == 1


def test_a_window_within_the_probation_is_left_out():
    """What nobody may detect is no miss."""
    assert tally(N, [(100, 200)], []).windows == 0


def test_series_without_windows_only_cost():
    """False alarms of clean series lower the score of the whole; alone they have none."""
    whole = [tally(N, [WINDOW], [2_000]), tally(N, [], [1_000, 2_000])]
    assert nab_score(whole) == pytest.approx(100 - 2 * 0.11 * 50)
    assert math.isnan(nab_score(whole[1:]))
    assert sum(whole, NabTally()).false_alarms == 2


@given(st.lists(st.integers(600, N - 1), max_size=40), st.sampled_from(sorted(PROFILES)))
def test_equals_the_definition(alarms, name):
    """Equal to the definition written sample by sample."""
    windows = [(700, 899), WINDOW, (2_500, 2_560), (3_900, 3_999)]
    expected = by_hand(N, windows, alarms, PROFILES[name])
    assert nab_score([tally(N, windows, alarms)], PROFILES[name]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("windows", "alarms", "words"),
    [
        ([(10, 5)], [], "window 10 to 5"),
        ([(5, 20), (20, 30)], [], "after sample 20"),
        ([(5, 200)], [], "before sample 100"),
        ([], [100], "samples 100 to 100"),
        ([], [-1], "-1"),
    ],
)
def test_what_lies_outside_is_refused(windows, alarms, words):
    """Windows and alarms must lie within the series, windows in order."""
    with pytest.raises(ValueError, match=words):
        tally(100, windows, alarms)
