"""When scores become alerts: rest, calibration, and the scores that are reported."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.series import episodes as module
from agents.series.episodes import Episodes
from agents.spec import DetectorSpec
from tests.bench.bake_off import fires

ROW = np.array([0])
SPEC = {"name": "a", "kind": "ewma", "value": "v", "severity": "low", "threshold": 3.0}


def run(scores, calibration=None, **changes):
    """Indices that fire, and the scores reported."""
    episodes = Episodes(DetectorSpec(**{**SPEC, **changes}))
    episodes.grow(1)
    teach = None if calibration is None else np.array([calibration])
    steps = [episodes.step(ROW, np.array([score]), teach) for score in scores]
    return [i for i, step in enumerate(steps) if step.fires[0]], [float(step.scores[0]) for step in steps]


def by_hand(scores, calibration, rest):
    fired, last = [], None
    for i, score in enumerate(scores):
        if abs(score) >= 3.0:
            in_episode = last is not None and (i - last <= rest * (i + 1) or last == i - 1)
            if i >= calibration and not in_episode:
                fired.append(i)
            last = i
    return fired


@given(
    st.lists(st.sampled_from([0.0, 1.0, 4.0, -5.0]), max_size=120), st.integers(0, 40), st.sampled_from([0.0, 0.1, 0.3])
)
def test_equals_one_sample_at_a_time(scores, calibration, rest):
    """Fires where a score is beyond, calibration is over, and no score was beyond for the rest."""
    assert run(scores, calibration, rest=rest)[0] == by_hand(scores, calibration, rest)


@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.0, 4.0, -5.0, np.nan]), max_size=120),
    st.sampled_from([1.0, 2.0, 3.0]),
    st.sampled_from([0.0, 0.1, 0.3]),
)
def test_equals_what_the_bake_off_finds_in_a_whole_series(scores, clear, rest):
    """Sample by sample, and from the whole series at once, the same samples fire."""
    found = fires(np.array(scores, np.float64), threshold=3.0, clear=clear, rest=rest, teach=7)
    assert run(scores, 7, clear=clear, rest=rest)[0] == found.tolist()


def test_the_end_of_an_episode_is_told_once_if_it_raised_an_alert():
    """Below ``clear`` it ends; what was only learned from has no end that anybody waits for."""
    episodes = Episodes(DetectorSpec(**SPEC, clear=2.0, rest=0.0))
    episodes.grow(1)
    scores = [5.0, 0.0, 5.0, 2.5, np.nan, 1.0, 0.0, 4.0, 1.0]
    steps = [episodes.step(ROW, np.array([score]), np.array([2])) for score in scores]
    assert [i for i, step in enumerate(steps) if step.fires[0]] == [2, 7]
    assert [i for i, step in enumerate(steps) if step.ends[0]] == [5, 8]
    before = episodes.state(1)
    del before["raised"]
    episodes.restore(before)
    assert not episodes.step(ROW, np.array([0.0])).ends[0]


def test_the_rest_is_a_share_of_the_samples_so_far():
    """With a tenth, two spikes ten apart are one episode at the hundredth sample and two at the twentieth."""
    scores = np.zeros(200)
    scores[[20, 30, 100, 110, 150]] = 5.0
    assert run(scores, rest=0.1)[0] == [20, 30, 100, 150]


def test_an_episode_that_began_in_calibration_does_not_fire():
    """What goes on when the calibration ends was learned; the next episode fires."""
    assert run([0, 5, 5, 5, 0, 5], calibration=2)[0] == [5]


def test_reported_scores_reach_the_threshold_only_where_one_fires():
    """Within an episode and during calibration scores are folded below the threshold, in their order and sign."""
    fired, reported = run([4.0, 0.5, 4.0, 9.0, -6.0, np.nan], calibration=1)
    assert fired == [2]
    assert reported[1:3] == [0.5, 4.0]
    assert np.abs([reported[i] for i in (0, 3, 4)]).max() < 3.0
    assert reported[3] > reported[0] > 0.0 > reported[4]
    assert np.isnan(reported[5])


@pytest.mark.parametrize("rest", [-0.1, 1.0, float("nan")])
def test_a_rest_is_a_share(rest):
    """Below 0, or all samples, is refused."""
    with pytest.raises(ValueError, match="rest"):
        Episodes(DetectorSpec(**SPEC, rest=rest))


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([0.0, 1.0, 2.0, 4.0, -5.0, np.nan]), st.booleans()), max_size=120
    ),
    st.sampled_from(["both", "up", "down"]),
    st.sampled_from([1.0, 3.0]),
    st.sampled_from([0.0, 0.1]),
    st.sampled_from([None, 10]),
)
def test_scores_that_are_followed_are_those_of_one_step_after_the_other(samples, direction, clear, rest, calibration):
    """With compiled code and without, many scores of a series at once give what they give one at a time."""
    spec = DetectorSpec(**{**SPEC, "direction": direction, "clear": clear, "rest": rest})
    rows, score, begins = (
        np.array([each[i] for each in samples], kind) for i, kind in enumerate((np.int64, np.float64, np.bool_))
    )
    single, expected = Episodes(spec), []
    single.grow(3)
    for row, value, is_first in samples:
        at = np.array([row])
        if is_first:
            single.forget(at)
        step = single.step(at, np.array([value]), None if calibration is None else np.array([calibration]))
        expected.append([float(column[0]) for column in step])
    taught = None if calibration is None else np.full(len(samples), calibration)
    for loops in (module.compiled(), None):
        together = Episodes(spec)
        together.grow(3)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "compiled", lambda loops=loops: loops)
            found = together.follow(rows, begins, score, taught)
        assert np.array_equal(np.column_stack(found), np.array(expected).reshape(-1, 3), equal_nan=True)
        assert {name: column.tobytes() for name, column in together.state(3).items()} == {
            name: column.tobytes() for name, column in single.state(3).items()
        }
