"""What every detector of series in the registry must keep to; a new one is tested before its author writes a test."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import SERIES
from detectors.base import ArrayDetector
from tests.contracts.detector_settings import ODD_VALUES, SETTINGS, every_series

WARM = 60


def build(kind, n_series):
    detector = SERIES[kind](**SETTINGS[kind])
    detector.grow(n_series)
    return detector


def measured(n_series, n, seed=11):
    """Plausible measurements with spikes and gaps, shape (n, n_series)."""
    rng = np.random.default_rng(seed)
    values = 10.0 + rng.normal(0.0, 1.0, (n, n_series)) + np.sin(np.arange(n) / 9.0)[:, None]
    values[rng.random((n, n_series)) < 0.02] *= 4.0
    values[rng.random((n, n_series)) < 0.02] = np.nan
    return values


def follow(detector, values):
    """Score and learn values of shape (n, n_series); gives scores of the same shape."""
    rows = np.arange(values.shape[1])
    scores = np.empty(values.shape)
    for i, now in enumerate(values):
        scores[i] = detector.score(rows, now)
        detector.learn(rows, now)
    return scores


def same(left, right):
    """Equal bit for bit, NaN included."""
    return left.keys() == right.keys() and all(left[name].tobytes() == right[name].tobytes() for name in left)


@every_series
def test_score_never_learns(kind):
    """Scoring leaves the state as it was, whatever the values."""
    detector = build(kind, 3)
    follow(detector, measured(3, WARM))
    before = detector.state()
    for value in [1e6, -5.0, *ODD_VALUES]:
        detector.score(np.arange(3), np.full(3, value))
    assert same(before, detector.state())


@every_series
def test_deterministic(kind):
    """The same samples give the same scores and state in a second detector."""
    values = measured(4, 200)
    first, second = build(kind, 4), build(kind, 4)
    assert follow(first, values).tobytes() == follow(second, values).tobytes()
    assert same(first.state(), second.state())


@every_series
def test_state_round_trip_shares_nothing(kind):
    """A restored detector goes on like the original, and neither sees what the other or the state's holder does."""
    values = measured(3, 120)
    original, restored = build(kind, 3), SERIES[kind](**SETTINGS[kind])
    follow(original, values[:60])
    state = original.state()
    kept = {name: column.copy() for name, column in state.items()}
    restored.restore(state)
    follow(original, values[60:])
    assert same(state, kept)
    for column in state.values():
        column[:] = 1e9
    assert same(restored.state(), kept)
    follow(restored, values[60:])
    assert same(original.state(), restored.state())


@every_series
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_series_do_not_influence_each_other(kind, data):
    """Series scored together, alone, or in any subsets and orders get the same scores, bit for bit."""
    n_series, n = data.draw(st.integers(2, 6)), WARM
    values = measured(n_series, n, seed=data.draw(st.integers(0, 1_000)))
    together = follow(build(kind, n_series), values)
    detector = build(kind, n_series)
    apart = np.empty(values.shape)
    for i in range(n):
        order = np.array(data.draw(st.permutations(range(n_series))))
        cut = data.draw(st.integers(1, n_series))
        for rows in (order[:cut], order[cut:]):
            apart[i, rows] = detector.score(rows, values[i, rows])
            detector.learn(rows, values[i, rows])
    assert together.tobytes() == apart.tobytes()


@every_series
def test_no_opinion_until_warm(kind):
    """Scores, and what they are measured by, are NaN for the warm-up and numbers after it; 0 is no substitute."""
    detector = build(kind, 1)
    warmup = SETTINGS[kind].get("warmup", 0)
    values = 10.0 + np.random.default_rng(1).normal(size=(WARM, 1))
    row = np.array([0])
    if warmup:
        assert np.isnan([detector.expected(row), detector.spread(row)]).all()
    scores = follow(detector, values)
    assert np.isnan(scores[:warmup]).all()
    assert np.isfinite(scores[warmup + 1 :]).all()
    assert np.isfinite([detector.expected(row), detector.spread(row)]).all()


@every_series
@pytest.mark.parametrize("value", ODD_VALUES)
def test_unusable_values_are_counted_and_ignored(kind, value):
    """NaN, infinite and absurdly large values get no score, are not learned, and are counted."""
    detector, clean = build(kind, 2), build(kind, 2)
    values = measured(2, WARM)
    follow(detector, values)
    follow(clean, values)
    before = detector.ignored
    rows, now = np.arange(2), np.array([value, 11.0])
    assert np.isnan(detector.score(rows, now)).tolist() == [True, False]
    detector.learn(rows, now)
    clean.learn(rows[1:], now[1:])
    assert detector.ignored == before + 1
    left, right = detector.state(), clean.state()
    left.pop("ignored")
    right.pop("ignored")
    assert same(left, right)


@every_series
@pytest.mark.parametrize("level", [0.0, 1.0, -7.25, 1e-300, 1e150])
def test_constant_series_stay_finite(kind, level):
    """A series that never moves scores 0 or stays beyond its limit, and a first flicker is finite too."""
    detector = build(kind, 1)
    scores = follow(detector, np.full((WARM, 1), level))
    assert np.isfinite(scores[SETTINGS[kind].get("warmup", 0) + 1 :]).all()
    row = np.array([0])
    for flicker in (level + 1.0, 0.0, -1e150, 1e150):
        assert np.isfinite(detector.score(row, np.array([flicker]))).all()


@pytest.mark.parametrize("kind", ["ewma", "persistence"])
@pytest.mark.parametrize("factor", [2.0**-20, 2.0**20, -1.0])
def test_the_unit_of_the_values_does_not_matter(kind, factor):
    """Values in another unit get the same scores, and mirrored values mirrored ones."""
    values = measured(2, 100)
    plain, scaled = follow(build(kind, 2), values), follow(build(kind, 2), values * factor)
    assert np.array_equal(plain * np.sign(factor), scaled, equal_nan=True)


@every_series
def test_memory_is_bounded_by_the_series(kind):
    """State is as large as the cost line says, however many samples came."""
    n_series = 10
    detector = build(kind, n_series)
    sizes = []
    for _ in range(3):
        follow(detector, measured(n_series, 50))
        sizes.append(sum(column.nbytes for column in detector.state().values()))
    assert sizes[0] == sizes[2]
    assert f"{sizes[0] // n_series:,} bytes" in SERIES[kind].cost


@every_series
def test_growing_and_forgetting(kind):
    """Growing keeps what is learned, and a forgotten series is like a new one while its neighbours stay."""
    values = measured(3, WARM)
    detector, fresh = build(kind, 2), build(kind, 3)
    follow(detector, values[:, :2])
    before = detector.state()
    detector.grow(3)
    detector.grow(1)
    assert detector.n_series == 3
    assert all(detector.state()[name][:2].tobytes() == before[name].tobytes() for name in before)
    detector.forget(np.array([0]))
    after, new = detector.state(), fresh.state()
    assert all(after[name][[0, 2]].tobytes() == new[name][[0, 2]].tobytes() for name in after)
    assert all(after[name][1].tobytes() == before[name][1].tobytes() for name in after)


@every_series
def test_refuses_foreign_state(kind):
    """State with other columns, or columns of unequal length, is refused."""
    detector = build(kind, 2)
    state = detector.state()
    with pytest.raises(ValueError, match="stranger"):
        detector.restore({**state, "stranger": np.zeros(2)})
    with pytest.raises(ValueError, match="length"):
        detector.restore({**state, "ignored": np.zeros(3)})


@pytest.mark.parametrize("kind", [kind for kind in sorted(SERIES) if SERIES[kind].follow is not ArrayDetector.follow])
@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.one_of(st.sampled_from([0.0, -0.0, 1.0, 2.0, *ODD_VALUES]), st.floats(-1e3, 1e3), st.just(5e-324)),
            st.booleans(),
        ),
        max_size=160,
    ),
    st.sampled_from([{"window": 5, "warmup": 2}, {"window": 8, "warmup": 5}, {}]),
    st.lists(st.integers(0, 160), max_size=3),
)
def test_values_that_are_followed_are_scored_and_learned_one_by_one(kind, samples, given_settings, cuts):
    """Compiled code gives what score and learn give, bit for bit, also after a restore."""
    made = {"warmup": 4} | given_settings
    plain, followed = SERIES[kind](**made), SERIES[kind](**made)
    for detector in (plain, followed):
        detector.grow(2)
    edges = [0, *sorted(min(cut, len(samples)) for cut in cuts), len(samples)]
    for number, (start, stop) in enumerate(pairwise(edges)):
        part = samples[start:stop]
        for detector in (plain, followed):
            detector.grow(4)
        one_by_one = []
        for row, value, begins in part:
            at, values = np.array([row]), np.array([value])
            plain.forget(at[:0] if not begins else at)
            one_by_one.append((plain.score(at, values)[0], plain.expected(at)[0], plain.spread(at)[0]))
            plain.learn(at, values)
        rows, values, begins = (
            np.array([each[i] for each in part], kind_of) for i, kind_of in enumerate((np.int64, np.float64, np.bool_))
        )
        found = followed.follow(rows, values, begins)
        if found is None:
            pytest.skip("numba is not installed")
        expected = np.array(one_by_one).reshape(-1, 3)
        assert np.column_stack(found).tobytes() == expected.tobytes()
        assert same(plain.state(), followed.state())
        if number == 0:
            followed.learn(np.arange(2), np.array([3.0, 7.0]))
            plain.learn(np.arange(2), np.array([3.0, 7.0]))
        else:
            followed.restore(plain.state())
