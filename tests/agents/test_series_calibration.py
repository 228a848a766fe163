"""Calibration from the records, and scores of every sample, through the agent."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.series.agent import build_series_agent
from agents.series.samples import SampleRefs
from agents.spec import DetectorSpec

SPEC = DetectorSpec(
    name="a", kind="multiscale", stream="s", by="k", value="v", severity="low", threshold=9.0, clear=1.0, rest=0.02,
    calibration="c", params={"warmup": 40},
)  # fmt: skip
N = 400
NAMES = ["ab"[i % 3 == 0] for i in range(N)]
TIMES = 1_600_000_000_000 + 60_000 * np.arange(N)
VALUES = np.random.default_rng(3).uniform(size=N)
VALUES[[60, 240]] = 40.0
VALUES[350] = -400.0


def taken(sizes, restart_at=None):
    """Scores and offsets of alerts, of chunks of these sizes, over and over; restored from its state once."""
    agent, start, turn, scores, fired = build_series_agent(SPEC), 0, 0, [], []
    while start < N:
        if restart_at is not None and start >= restart_at:
            state, agent, restart_at = agent.state(), build_series_agent(SPEC), None
            agent.restore(state)
        part = slice(start, min(start + sizes[turn % len(sizes)], N))
        offsets = np.arange(part.start, part.stop)
        refs = SampleRefs(
            stream="s", topic="s", partition=np.zeros(len(offsets), np.int64), offsets=offsets, appended_ms=offsets,
            window_start_ms=TIMES[part], window_end_ms=TIMES[part] + 1,
        )  # fmt: skip
        teach = np.full(len(offsets), 60)
        got, alerts = agent.take(NAMES[part], TIMES[part], VALUES[part], refs, calibration=teach)
        scores.append(got)
        fired += [alert.source.offset for alert in alerts]
        start, turn = part.stop, turn + 1
    return np.concatenate(scores), fired


WHOLE = taken([N])


def test_the_first_samples_only_teach():
    """What is as odd within the calibration raises no alert; later it does, once an episode."""
    assert WHOLE[1] == [240, 350]


def test_a_sample_scores_beyond_the_threshold_where_it_fires_and_only_there():
    """Scores and alerts say the same, so one threshold over the scores gives the alerts."""
    assert np.flatnonzero(np.abs(np.nan_to_num(WHOLE[0])) >= SPEC.threshold).tolist() == WHOLE[1]


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=5), st.integers(0, N))
def test_neither_cutting_nor_restoring_changes_anything(sizes, restart_at):
    """Chunks of any size, and a restore between any two, give the same scores and alerts, bit for bit."""
    scores, fired = taken(sizes, restart_at)
    assert scores.tobytes() == WHOLE[0].tobytes()
    assert fired == WHOLE[1]
