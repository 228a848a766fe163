"""Burrow's rules, one constructed window after the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.health.burrow import Observation, Status, evaluate

LEAST_MS = 10_000


def window(committed, lags, commits_s=None):
    """One observation a second from t = 0; commits happen at each observation unless said otherwise."""
    times = [1_000 * i for i in range(len(lags))]
    commits_ms = times if commits_s is None else [None if s is None else 1_000 * s for s in commits_s]
    return [Observation(*seen) for seen in zip(times, committed, commits_ms, lags, strict=True)]


def judge(observations, now_s=None):
    now_ms = observations[-1].time_ms if now_s is None else 1_000 * now_s
    return evaluate(observations, now_ms, LEAST_MS)


N = 15
STEADY = [10 * i for i in range(N)]
CASES = {
    "quiet topic, never committed": (window([None] * N, [0] * N, [None] * N), Status.OK, "nothing waits"),
    "quiet topic, committed long ago": (window([70] * N, [0] * N, [-9_000] * N), Status.OK, "nothing waits"),
    "a first record in a quiet topic": (
        window([70] * N, [0] * (N - 1) + [1], [-9_000] * N),
        Status.OK,
        "caught up within the last 14.0 s",
    ),
    "caught up once, then stopped for a while": (
        window([5] * N, [7, 0, *[9] * (N - 2)], [1] * N),
        Status.OK,
        "caught up",
    ),
    "works, when it commits is not told": (window(STEADY, [9] * N, [None] * N), Status.OK, "moved by 140 records"),
    "stands, when it committed is not told": (window([5] * N, [9] * N, [None] * N), Status.STALL, "stands at 5"),
    "works and keeps up": (window(STEADY, [9, 4] * 7 + [9]), Status.OK, "moved by 140 records in 14.0 s"),
    "works, the same lag at each look": (window(STEADY, [9] * N), Status.OK, "moved by 140 records"),
    "works, lag shrinks": (window(STEADY, list(range(90, 90 - N, -1))), Status.OK, "moved by"),
    "lag only grows": (
        window(STEADY, [9, 9, *range(10, 8 + N)]),
        Status.WARN,
        "the lag only grew, from 9 to 22 records in 14.0 s",
    ),
    "lag grows but for one step": (window(STEADY, [*range(10, 9 + N), 9]), Status.OK, "moved by"),
    "commits, position stands, lag fixed": (
        window([40] * N, [6] * N),
        Status.STALL,
        "6 records wait and the position stands at 40 for 14.0 s",
    ),
    "commits, position stands, lag grows": (window([40] * N, list(range(1, N + 1))), Status.STALL, "stands at 40"),
    "moved once, then stands": (window([39] + [40] * (N - 1), [6] * N), Status.OK, "moved by 1"),
    "no commits, lag grows": (
        window([40] * N, list(range(1, N + 1)), [-1] * N),
        Status.STOP,
        "15 records wait and the last commit was 15.0 s ago",
    ),
    "never committed, records wait": (
        window([None] * N, [3] * N, [None] * N),
        Status.STOP,
        "3 records wait and nothing was ever committed",
    ),
    "went back": (
        window([90, 100, 20, *range(21, 18 + N)], [5] * N),
        Status.REWIND,
        "the position went back from 100 to 20, and is at 32 now",
    ),
    "went back to the start": (window([90] * 5 + [0] * 10, [5] * N), Status.REWIND, "from 90 to 0, and is at 0"),
    "went back though nothing had waited": (window([90] * 7 + [20] * 8, [0] * 7 + [70] * 8), Status.REWIND, "to 20"),
    "went back and recovered": (window([90, 20, *range(91, 89 + N)], [9, 4] * 7 + [9]), Status.OK, "moved by"),
    "went back and caught up": (window([90] * 7 + [20] * 8, [0] * 7 + [70] * 7 + [0]), Status.OK, "nothing waits"),
    "too short for an opinion": (
        window([40] * 5, [6] * 5, [-60] * 5),
        Status.OK,
        "watched for 4.0 s only, an opinion takes 10.0 s",
    ),
    "never looked at": ([], Status.OK, "not looked at yet"),
}


@pytest.mark.parametrize("name", CASES)
def test_rule(name):
    """Each rule gives its status, and a sentence with the numbers that decided."""
    observations, status, reason = CASES[name]
    verdict = evaluate(observations, 14_000, LEAST_MS)
    assert verdict.status is status
    assert reason in verdict.reason


def test_stop_begins_when_silence_exceeds_the_commits():
    """A consumer has stopped once it is silent for longer than its commits in the window spanned, not before."""
    commits = [*range(12), 11, 11, 11]
    seen = window(STEADY, [9, 4] * 7 + [9], commits)
    assert judge(seen, now_s=22).status is Status.OK
    assert judge(seen, now_s=23).status is Status.STOP


def test_short_silence_is_no_stop():
    """With one commit in the window, a silence shorter than the least window means nothing."""
    seen = window([*[30] * 10, *[40] * 5], [6] * N, [*[3] * 10, *[4] * 5])
    assert judge(seen, now_s=14).status is Status.OK
    assert judge(seen, now_s=15).status is Status.STOP


def test_severity_order():
    """Where several rules hold, the worst status wins: a consumer that went back and stopped is shown as rewound."""
    assert judge(window([90] + [20] * 14, [6] * N, [-60] * N)).status is Status.REWIND
    assert judge(window([40] * N, [6] * N, [-60] * N)).status is Status.STOP
    assert list(Status) == [Status.OK, Status.WARN, Status.STALL, Status.STOP, Status.REWIND]


SEEN = st.tuples(st.one_of(st.none(), st.integers(0, 50)), st.integers(0, 3))


@given(seen=st.lists(SEEN, max_size=30), quiet=st.booleans())
def test_a_caught_up_partition_is_ok(seen, quiet):
    """Whatever came before, a partition where nothing waits is OK; and every window gets a verdict with a reason."""
    lags = [lag for _, lag in seen]
    if quiet and lags:
        lags[-1] = 0
    observations = window([at for at, _ in seen], lags, [None if at is None else 0 for at, _ in seen])
    verdict = evaluate(observations, 1_000 * len(seen), LEAST_MS)
    assert verdict.reason
    if not lags or lags[-1] == 0:
        assert verdict.status is Status.OK
