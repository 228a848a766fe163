"""The watchdog: what does not move is found in time, its cause named, and nothing that moves is disturbed."""

import asyncio
import threading

import pytest

from agents.events import TopicPartition
from pipeline.errors import LogUnavailableError, StuckError
from pipeline.health.stuck import Cause
from pipeline.log import Fence
from pipeline.worker.units.contract import Sinks
from pipeline.worker.units.keeper import Keeper
from pipeline.worker.units.progress import RestoreProgress
from pipeline.worker.units.unit import Unit
from pipeline.worker.watchdog import LoopGuard, Watchdog
from tests.pipeline.shards import chunk_of
from tests.pipeline.worker.tally import EVENTS, TallyShard

SOURCE = TopicPartition(EVENTS, 0)
LIMIT_S = 20.0
END = 10
SINKS = Sinks(log=None, app="tally", alerts_topic="alerts", state_topic=lambda topic: topic, now_ms=lambda: 0)


def watched(prepare):
    """Run ``prepare(keeper, unit, watchdog)`` within a loop, over a keeper with one unit."""

    async def scenario():
        keeper = Keeper(topics=[EVENTS], sinks=SINKS, build=TallyShard, meter=lambda _: None)
        keeper.units[SOURCE] = unit = Unit(Fence("tally", SOURCE, "w", 1), SINKS)
        prepare(keeper, unit, Watchdog(keeper, limit_s=LIMIT_S))

    asyncio.run(scenario())


def open_unit(unit):
    unit.start(TallyShard(SOURCE))


def process(unit):
    unit.apply(chunk_of([b"k"] * 3, topic=EVENTS, start=unit.shard.position))


def hang_fetching(_keeper, unit):
    open_unit(unit)


def hang_handling(_keeper, unit):
    open_unit(unit)
    unit.in_flight = True


def hang_restoring(_keeper, _unit):
    pass


def hang_committing(_keeper, unit):
    open_unit(unit)
    process(unit)


def fail_again_and_again(_keeper, unit):
    unit.end(ValueError("tastes bad"))


HANGS = {
    Cause.FETCH: hang_fetching,
    Cause.HANDLER: hang_handling,
    Cause.RESTORE: hang_restoring,
    Cause.COMMIT: hang_committing,
    Cause.POISON: fail_again_and_again,
}


@pytest.mark.parametrize("cause", HANGS)
def test_each_cause_is_named(cause):
    """Whatever a unit hangs in, it is found when the limit has passed, with its cause, and opened again."""

    def scenario(keeper, unit, watchdog):
        HANGS[cause](keeper, unit)
        assert watchdog.look({SOURCE: END}, 100.0) == []
        assert watchdog.look({SOURCE: END}, 100.0 + LIMIT_S - 1) == []
        (stuck,) = watchdog.look({SOURCE: END}, 100.0 + LIMIT_S)
        assert (stuck.cause, stuck.strikes, stuck.source) == (cause, 1, SOURCE)
        assert cause.sentence in str(stuck)
        assert unit.failure is not None
        assert cause is Cause.POISON or isinstance(unit.failure, StuckError)

    watched(scenario)


def test_the_second_strike_is_told():
    """A unit that was opened again and still does not move is reported with its second strike."""

    def scenario(keeper, unit, watchdog):
        open_unit(unit)
        watchdog.look({SOURCE: END}, 0.0)
        assert [each.strikes for each in watchdog.look({SOURCE: END}, LIMIT_S)] == [1]
        keeper.units[SOURCE] = again = Unit(unit.fence, SINKS)
        open_unit(again)
        assert watchdog.look({SOURCE: END}, LIMIT_S + 1) == []
        assert [each.strikes for each in watchdog.look({SOURCE: END}, 2 * LIMIT_S)] == [2]

    watched(scenario)


def test_progress_forgives():
    """A commit between two looks starts the time anew, and forgets former strikes."""

    def scenario(keeper, unit, watchdog):
        open_unit(unit)
        watchdog.look({SOURCE: END}, 0.0)
        watchdog.look({SOURCE: END}, LIMIT_S)
        keeper.units[SOURCE] = again = Unit(unit.fence, SINKS)
        open_unit(again)
        again.committed = 5
        assert watchdog.look({SOURCE: END}, 1.5 * LIMIT_S) == []
        assert watchdog.look({SOURCE: END}, 2.4 * LIMIT_S) == []
        assert [each.strikes for each in watchdog.look({SOURCE: END}, 2.5 * LIMIT_S)] == [1]

    watched(scenario)


def test_a_long_restore_that_gets_on_is_let_alone():
    """State that keeps coming is progress."""

    def scenario(_keeper, unit, watchdog):
        for at in range(10):
            unit.restore_steps += 1
            assert watchdog.look({SOURCE: END}, at * LIMIT_S * 0.9) == []

    watched(scenario)


def test_who_waits_for_its_turn_is_let_alone_while_others_get_on():
    """To open it again would only put it last; if nobody gets on, it is stuck too."""

    def scenario(keeper, unit, watchdog):
        unit.awaits_turn = True
        for at in range(10):
            keeper.opening.restores.advance(SOURCE, done=at, total=99, size_bytes=at)
            assert watchdog.look({SOURCE: END}, at * LIMIT_S * 0.9) == []
        assert [each.cause for each in watchdog.look({SOURCE: END}, 11 * LIMIT_S)] == [Cause.RESTORE]

    watched(scenario)


def test_time_without_the_log_does_not_count():
    """When it answers again, everybody has the whole limit."""

    def scenario(_keeper, _unit, watchdog):
        watchdog.look({SOURCE: END}, 0.0)
        watchdog.excuse()
        assert watchdog.look({SOURCE: END}, 2.0 * LIMIT_S) == []
        assert [each.strikes for each in watchdog.look({SOURCE: END}, 3.0 * LIMIT_S)] == [1]

    watched(scenario)


def test_who_has_nothing_to_do_is_let_alone():
    """A partition at its end, one that was stopped, and one that waits for the brokers are no news."""

    def caught_up(_keeper, unit, watchdog):
        open_unit(unit)
        unit.committed = END
        assert [watchdog.look({SOURCE: END}, at * 1_000.0) for at in range(3)] == [[]] * 3

    def stopped(_keeper, unit, watchdog):
        unit.end(ValueError("no"))
        unit.stopped = True
        assert [watchdog.look({SOURCE: END}, at * 1_000.0) for at in range(3)] == [[]] * 3

    def waiting(_keeper, unit, watchdog):
        unit.end(LogUnavailableError("away"))
        assert [watchdog.look({SOURCE: END}, at * 1_000.0) for at in range(3)] == [[]] * 3

    for case in (caught_up, stopped, waiting):
        watched(case)


def test_a_standing_loop_ends_the_process():
    """A loop that does not answer for longer than the limit ends the process with the code for supervisors."""
    codes, ended = [], threading.Event()

    def end(code):
        codes.append(code)
        ended.set()

    async def stand_still():
        guard = LoopGuard(asyncio.get_running_loop(), limit_s=0.1, tick_s=0.01, end=end)
        guard.start()
        assert ended.wait(20)  # blocks the loop, which is the point
        guard.stop()

    asyncio.run(stand_still())
    assert codes == [StuckError.exit_code]


def test_an_answering_loop_is_let_alone():
    """A loop that answers is not ended, however long it runs."""

    async def go_on():
        guard = LoopGuard(asyncio.get_running_loop(), limit_s=0.5, tick_s=0.01, end=lambda _: pytest.fail("was ended"))
        guard.start()
        for _ in range(100):
            await asyncio.sleep(0.01)
        guard.stop()

    asyncio.run(go_on())


def test_progress_of_restores():
    """Share and time left follow from what was read; partitions whose turn is to come count as the others."""
    progress, other = RestoreProgress(), TopicPartition(EVENTS, 1)
    assert progress.report(0.0) is None
    progress.begin(SOURCE, 10.0)
    progress.begin(other, 10.0)
    assert progress.report(11.0).eta_ms is None
    progress.advance(SOURCE, done=50, total=100, size_bytes=7_000_000)
    report = progress.report(12.0)
    assert (report.share, report.eta_ms, report.sources) == (0.25, 6_000, (SOURCE, other))
    assert str(report) == "restoring 2 partitions: 25%, 7 MB so far, 6.0 s left"
    progress.end(SOURCE)
    assert progress.report(13.0).sources == (other,)
    progress.end(other)
    assert progress.report(14.0) is None


def test_waiting_for_other_partitions_is_no_standstill():
    """One that is ahead in event time waits as long as another is restored; let go, it has its whole limit again."""

    def prepare(_keeper, unit, watchdog):
        open_unit(unit)
        unit.is_held = True
        for now in (0.0, 30.0, 60.0):
            assert watchdog.look({SOURCE: END}, now) == []
        unit.is_held = False
        assert watchdog.look({SOURCE: END}, 79.0) == []
        assert [stuck.cause for stuck in watchdog.look({SOURCE: END}, 81.0)] == [Cause.FETCH]

    watched(prepare)
