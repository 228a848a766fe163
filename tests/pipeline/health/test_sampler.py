"""Lag in records and in time, rates, ETA and status from constructed looks."""

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.events import TopicPartition
from pipeline.health.burrow import Status
from pipeline.health.events import COUNTERS, HISTOGRAMS, SAMPLED
from pipeline.health.look import Look
from pipeline.health.sampler import NEVER, LagSampler, eta_ms, rates
from pipeline.log.api import Committed
from tables.histogram import WIDTH

SOURCE = TopicPartition("payments", 0)
T0 = 1_700_000_000_000


def seen(second, end, committed, *, position=None, next_ms=None, start=0, source=SOURCE):
    """A look ``second`` seconds after T0; the next record was appended one second before unless said otherwise."""
    time_ms = T0 + 1_000 * second
    at = None if committed is None else Committed(committed, time_ms - 200)
    position = (committed or start) if position is None else position
    waiting = position < end
    return Look(
        source=source,
        time_ms=time_ms,
        start=start,
        end=end,
        committed=at,
        position=position,
        next_ms=(time_ms - 1_000 if next_ms is None else next_ms) if waiting else None,
    )


def last_of(looks):
    sampler = LagSampler(commit_ms=1_000)
    samples = [sampler.measure([one]) for one in looks]
    return samples[-1][0]


def test_lag():
    """Lag counts what isn't committed and what isn't processed apart, and is as old as the next unprocessed record."""
    lag = last_of([seen(0, end=100, committed=60, position=90, next_ms=T0 - 1_234)])
    assert (lag.lag_records, lag.lag_processed, lag.lag_ms) == (40, 10, 1_234)


def test_quiet_topic():
    """A partition where nothing waits has no lag, an ETA of 0 and is OK, however long nothing was committed."""
    lag = last_of([seen(second, end=70, committed=70) for second in range(100)])
    assert (lag.lag_records, lag.lag_ms, lag.eta_ms, lag.status) == (0, 0, 0, Status.OK)
    assert (lag.produce_per_s, lag.consume_per_s) == (0.0, 0.0)


def test_never_committed():
    """Before the first commit all that is kept lags, not what retention removed."""
    lag = last_of([seen(0, end=100, committed=None, start=30)])
    assert lag.lag_records == 70


def test_committed_below_start():
    """Records that retention removed before they were read are no lag any more."""
    lag = last_of([seen(0, end=100, committed=10, start=30, position=30)])
    assert (lag.lag_records, lag.lag_processed) == (70, 70)


def test_clock_behind_the_log():
    """A next record that seems to come from the future gives a lag of 0 ms, not a negative one."""
    assert last_of([seen(0, end=5, committed=0, next_ms=T0 + 400)]).lag_ms == 0


def test_offsets_without_records():
    """An offset that holds no record, such as a transaction's marker, makes no status but OK."""
    looks = [
        Look(
            source=SOURCE,
            time_ms=T0 + 1_000 * second,
            start=0,
            end=9,
            committed=Committed(8, T0 - 90_000),
            position=8,
            next_ms=None,
        )
        for second in range(40)
    ]
    lag = last_of(looks)
    assert (lag.lag_ms, lag.status) == (0, Status.OK)


def test_rates_and_eta():
    """Rates are those of the last ten seconds, and the ETA is what the lag takes at their difference."""
    looks = [seen(second, end=10_000 + 100 * second, committed=300 * second) for second in range(21)]
    lag = last_of(looks)
    assert (lag.produce_per_s, lag.consume_per_s) == (100.0, 300.0)
    assert lag.lag_processed == 6_000
    assert lag.eta_ms == 30_000


def test_rates_forget():
    """What happened more than ten seconds ago doesn't show in the rates."""
    burst = [seen(0, end=0, committed=0), seen(1, end=9_000, committed=9_000)]
    lag = last_of([*burst, *[seen(second, end=9_000, committed=9_000) for second in range(2, 12)]])
    assert (lag.produce_per_s, lag.consume_per_s) == (0.0, 0.0)


def test_first_look_has_no_rates():
    """One look gives no rates and, when something waits, no ETA; unknown is not 0."""
    lag = last_of([seen(0, end=10, committed=4)])
    assert (lag.produce_per_s, lag.consume_per_s, lag.eta_ms) == (None, None, None)
    event = orjson.loads(lag.encode())
    assert event["produce_per_s"] is None


def test_eta_of_a_lag_that_grows():
    """A lag that doesn't shrink is never cleared at this pace."""
    assert last_of([seen(s, end=100 + 50 * s, committed=50 * s) for s in range(5)]).eta_ms == NEVER
    assert eta_ms(1, 5.0, 5.0) == NEVER
    assert eta_ms(10, 0.0, 5.0) == 2_000


def test_looks_too_close():
    """Two looks within half a second give no rate: a commit between them would look like any speed."""
    assert rates(499, 5, 5) == (None, None)
    assert rates(500, 5, 5) == (10.0, 10.0)


def test_status_of_a_stall():
    """A position that stands while commits go on turns to STALL once the window has seen nothing else."""
    moving = [seen(second, end=1_000, committed=10 + second) for second in range(5)]
    standing = [seen(second, end=1_000, committed=14) for second in range(5, 40)]
    sampler = LagSampler(commit_ms=1_000)
    statuses = [sampler.measure([one])[0].status for one in moving + standing]
    assert statuses[:19] == [Status.OK] * 19
    assert statuses[19:] == [Status.STALL] * 21


def test_window_grows_with_the_commit_interval():
    """With commits a minute apart, half a minute of a standing position is nothing odd."""
    sampler = LagSampler(commit_ms=60_000)
    statuses = {sampler.measure([seen(s, end=1_000, committed=10)])[0].status for s in range(60)}
    assert statuses == {Status.OK}


def test_a_gap_in_looking():
    """After a pause of the sampler the window starts anew, so the pause itself is no stall."""
    sampler = LagSampler(commit_ms=1_000)
    sampler.measure([seen(0, end=100, committed=10)])
    lag = sampler.measure([seen(600, end=100, committed=10)])[0]
    assert (lag.status, lag.produce_per_s) == (Status.OK, None)


def test_a_topic_made_anew():
    """When a partition's end falls back, what was seen before doesn't count: no rewind, no rates."""
    sampler = LagSampler(commit_ms=1_000)
    sampler.measure([seen(0, end=900, committed=800)])
    lag = sampler.measure([seen(1, end=5, committed=3)])[0]
    assert (lag.status, lag.consume_per_s, lag.lag_records) == (Status.OK, None, 2)


def test_partitions_apart():
    """Each partition has its own window, and one that is no longer looked at is forgotten."""
    other = TopicPartition("payments", 1)
    sampler = LagSampler(commit_ms=1_000)
    sampler.measure([seen(0, end=10, committed=10), seen(0, end=50, committed=0, source=other)])
    first, second = sampler.measure([seen(1, end=30, committed=10), seen(1, end=50, committed=40, source=other)])
    assert (first.source, first.produce_per_s, first.consume_per_s) == (SOURCE, 20.0, 0.0)
    assert (second.source, second.produce_per_s, second.consume_per_s) == (other, 0.0, 40.0)
    sampler.measure([seen(2, end=30, committed=30)])
    assert sampler.measure([seen(3, end=50, committed=40, source=other)])[0].produce_per_s is None


def test_event():
    """A sample's event has all gauges, the reason, and zeros to be summed."""
    event = orjson.loads(last_of([seen(s, end=100 + s, committed=50 + 2 * s) for s in range(3)]).encode())
    assert event["source"] == "payments/0"
    assert event["ts"] == T0 + 2_000
    assert all(event[name] is not None for name in SAMPLED)
    assert event["reason"]
    assert {event[name] for name in COUNTERS} == {0}
    assert all(event[name] == [0] * WIDTH for name in HISTOGRAMS)


def test_refuses_no_interval():
    """A commit interval that isn't positive is refused."""
    with pytest.raises(ValueError, match="commit_ms must be positive, got 0"):
        LagSampler(commit_ms=0)


STEPS = st.lists(st.tuples(st.integers(1, 4_000), st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=40)


@given(steps=STEPS)
def test_against_a_queue(steps):
    """Against a plain queue of append times: true lag is the age of its head; no number is ever negative or NaN."""
    queue: list[int] = []
    now_ms, end, done = T0, 0, 0
    sampler = LagSampler(commit_ms=1_000)
    for waited_ms, produced, consumed in steps:
        queue += [now_ms + i * waited_ms // 5 for i in range(produced)]
        now_ms += waited_ms
        end += produced
        taken = min(consumed, len(queue))
        queue, done = queue[taken:], done + taken
        look = Look(
            source=SOURCE,
            time_ms=now_ms,
            start=0,
            end=end,
            committed=Committed(done, now_ms),
            position=done,
            next_ms=queue[0] if queue else None,
        )
        [lag] = sampler.measure([look])
        assert lag.lag_ms == (now_ms - queue[0] if queue else 0)
        assert lag.lag_records == lag.lag_processed == len(queue)
        for rate in (lag.produce_per_s, lag.consume_per_s):
            assert rate is None or (rate >= 0 and math.isfinite(rate))
        assert lag.eta_ms is None or lag.eta_ms >= NEVER
        if not queue:
            assert (lag.eta_ms, lag.status) == (0, Status.OK)
