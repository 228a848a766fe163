import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from load import DelayHistogram, OpenLoop, PaymentsConfig, PaymentsLoad

START_MS, WALL_MS = 1_000_000, 5_000_000


def loop(**changes):
    return OpenLoop(**({"start_ms": START_MS, "wall_ms": WALL_MS} | changes))


@given(
    st.lists(st.integers(0, 900), min_size=1, max_size=60),
    st.sampled_from([0.1, 1.0, 7.3, 3_600.0]),
    st.integers(1, 60),
)
def test_intervals_join_up_and_never_reach_beyond_now(pauses_ms, speed, tick_ms):
    """Whatever the clock does, each moment of event time is handed out once, in order, and not before it is due."""
    pacing = loop(speed=speed, tick_ms=tick_ms, slice_ms=200)
    now_ms, position_ms = WALL_MS, START_MS
    for pause_ms in pauses_ms:
        now_ms += pause_ms
        due = pacing.due(now_ms)
        assert due.start_ms == position_ms <= due.end_ms
        assert due.end_ms <= START_MS + (now_ms - WALL_MS) * speed
        assert not due.finished
        position_ms = due.end_ms


@given(st.integers(1, 5_000), st.integers(1, 40), st.sampled_from([0.5, 1.0, 60.0]))
def test_waiting_as_told_hands_out_all_of_the_duration(duration_ms, tick_ms, speed):
    """A punctual caller ends after the duration with all event time given, and asks about once a tick."""
    pacing = loop(duration_ms=duration_ms, tick_ms=tick_ms, speed=speed)
    now_ms, asked, position_ms = WALL_MS, 0, START_MS
    while True:
        due = pacing.due(now_ms)
        asked += 1
        position_ms = due.end_ms
        if due.finished:
            break
        assert due.wait_ms > 0
        now_ms += due.wait_ms
    assert now_ms == WALL_MS + duration_ms
    assert position_ms == START_MS + int(duration_ms * speed)
    assert asked <= duration_ms // tick_ms + 3


def test_a_late_sender_catches_up_in_slices():
    """After a stall of 2 s everything missed is due at once, in slices, with no wait between."""
    pacing = loop(tick_ms=20, slice_ms=500)
    now_ms = WALL_MS + 2_000
    assert pacing.behind_ms(now_ms) == 2_000
    slices = [pacing.due(now_ms) for _ in range(4)]
    assert [due.end_ms - due.start_ms for due in slices] == [500] * 4
    assert [due.wait_ms for due in slices] == [0, 0, 0, 20]
    assert pacing.behind_ms(now_ms) == 0
    assert pacing.due(now_ms).end_ms == slices[-1].end_ms


def test_the_delay_of_a_stall_is_counted():
    """Records that were due during a stall count from when they were due, not from when they could be made."""
    pacing = loop(tick_ms=10, slice_ms=1_000)
    due = pacing.due(WALL_MS + 1_000)
    pacing.sent(due, 1_000, WALL_MS + 1_000)
    assert len(pacing.delays) == 1_000
    assert 450 < pacing.delays.quantile(0.5) < 550
    assert 985 < pacing.delays.quantile(0.99) <= 1_000
    assert pacing.delays.max_ms == 999


def test_delays_are_wall_time_at_any_speed():
    """A sender that is 100 ms late at a thousandfold speed is 100 ms late, not 100 s."""
    pacing = loop(speed=1_000, tick_ms=10)
    due = pacing.due(WALL_MS + 10)
    pacing.sent(due, 50, WALL_MS + 110)
    assert 100 <= pacing.delays.max_ms <= 110


def test_a_stalled_generator_loses_nothing():
    """Driven through a stall, the generator gives what a punctual run gives, byte for byte."""
    config = PaymentsConfig(rate_per_s=500, seed=1, start_ms=START_MS, accounts=100, merchants=50)
    expected = PaymentsLoad(config).until(START_MS + 4_000)[0].records.values
    load, pacing, values, now_ms = PaymentsLoad(config), loop(duration_ms=4_000), [], WALL_MS
    while True:
        due = pacing.due(now_ms)
        for outgoing in load.until(due.end_ms):
            values += outgoing.records.values
            pacing.sent(due, len(outgoing.records), now_ms)
        if due.finished:
            break
        now_ms += due.wait_ms
        if now_ms == WALL_MS + 1_000:
            now_ms += 1_500
    assert values == expected
    assert 1_400 < pacing.delays.max_ms <= 1_520


def test_before_the_start_nothing_is_due():
    """A start in the future is waited for."""
    due = loop(tick_ms=20).due(WALL_MS - 500)
    assert due.start_ms == due.end_ms == START_MS
    assert due.wait_ms > 0


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=300), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_at_most_a_bucket_too_high(delays_ms, q):
    """Against sorting: never below the true quantile, above by at most 9 % and a millisecond's share."""
    histogram = DelayHistogram()
    histogram.add(np.array(delays_ms))
    exact = sorted(delays_ms)[max(1, math.ceil(q * len(delays_ms))) - 1]
    assert exact - 1e-6 <= histogram.quantile(q) <= (exact + 1) * 1.091 - 1 + 1e-6
    assert histogram.max_ms == max(delays_ms)


def test_an_empty_histogram_has_no_opinion():
    """Without delays a quantile is NaN, not zero; adding none changes nothing."""
    histogram = DelayHistogram()
    histogram.add(np.array([], np.int64))
    assert math.isnan(histogram.quantile(0.5))


@pytest.mark.parametrize("change", [{"speed": 0}, {"duration_ms": 0}, {"tick_ms": 0}, {"tick_ms": 700}])
def test_wrong_plans_are_refused(change):
    """The message holds the offending number."""
    with pytest.raises(ValueError, match=str(*change.values())):
        loop(**change)
