"""How far ahead of others a partition may run while a backlog is worked off."""

import json

import numpy as np
import pytest

from agents.events import TopicPartition
from pipeline.errors import FencedError
from pipeline.log.api import Fence
from pipeline.worker.frame.clocks import MOST_AHEAD_MS, UP_TO_DATE, Clocks
from pipeline.worker.frame.fairness import even
from pipeline.worker.units.pace import MANY_AT_ONCE
from pipeline.worker.units.unit import Unit
from tests.pipeline.shards import chunk_of
from tests.pipeline.worker.tally import TallyShard

ZERO, ONE, TWO, THREE = (TopicPartition("payments", number) for number in range(4))


def unit(source, visible_ms=None, *, watermark_ms=None, is_behind=True):
    """A unit that was fetched for, and whose commits have come to ``visible_ms``; without, it is being restored."""
    made = Unit(Fence("g", source, "m", 1), None)
    if visible_ms is not None:
        shard = TallyShard(source)
        shard.watermark_ms = visible_ms
        made.start(shard)
        shard.watermark_ms = visible_ms if watermark_ms is None else watermark_ms
    made.backlog.is_behind, made.backlog.was_looked_at = is_behind, True
    return made


def units(*made):
    """Units by where they are."""
    return {each.source: each for each in made}


def clocks(partitions=4):
    """Of payments."""
    return Clocks("app-clocks", {"payments": partitions}, patience_s=15.0)


def told(clocks, units):
    """What others are told, decoded."""
    news = clocks.news(units)
    return news and (news.topic, news.partition, json.loads(news.records.values[0]))


def heard(clocks, now, *values, start=0):
    """Let ``values`` come in."""
    clocks.hear(chunk_of([json.dumps(value).encode() for value in values], start=start, topic="app-clocks"), now)


def bounds(clock, own, *, until):
    """Bounds after listening all the time."""
    for now in (*np.arange(max(clock._listened_at, 0.5), until, 0.5), until):
        clock.listened(float(now))
        found = clock.bounds(own, float(now))
    return found


def fetched(own, bounds):
    """Partitions that are fetched for, the slowest first."""
    return [source.partition for source in even(own, bounds, most_ahead_ms=1 << 40)]


def test_what_counts_is_what_was_committed():
    """Others see the rows of a partition when they are committed: so far the slowest one is, however far it ran."""
    own = units(unit(ZERO, 1_000, watermark_ms=90_000), unit(ONE, 70_000), unit(TWO, 95_000))
    bounds = clocks(3).bounds(own, 1.0)
    assert bounds == {ZERO: 70_000 + MOST_AHEAD_MS, ONE: 1_000 + MOST_AHEAD_MS, TWO: 1_000 + MOST_AHEAD_MS}
    assert fetched(own, bounds) == [0]


def test_live_partitions_neither_wait_nor_hold_up():
    """Only those with a backlog do either."""
    own = units(unit(ZERO, 0, is_behind=False), unit(ONE, 500_000), unit(TWO, 0, is_behind=False))
    assert ONE not in clocks(3).bounds(own, 1.0)
    own = units(unit(ZERO, 500_000, is_behind=False), unit(ONE, 0))
    assert fetched(own, clocks(2).bounds(own, 1.0)) == [1, 0]


def test_a_partition_counts_until_others_have_the_last_of_its_backlog():
    """Its end may lie long before that of others: they would run away from rows that are not committed yet."""
    zero, one = unit(ZERO, 0), unit(ONE, 10_000)
    own, clock = units(zero, one), clocks(2)
    zero.found(chunk_of([b""] * MANY_AT_ONCE), 0)
    zero.found(chunk_of([b""] * 10, start=MANY_AT_ONCE), MANY_AT_ONCE)
    for committed in (0, MANY_AT_ONCE, MANY_AT_ONCE + 9):
        zero.committed = committed
        assert clock.bounds(own, 1.0)[ONE] == MOST_AHEAD_MS
    zero.committed = MANY_AT_ONCE + 10
    assert ONE not in clock.bounds(own, 1.0)


def test_a_partition_that_is_being_restored_holds_up():
    """Where it stands is not known yet, so that others with a backlog wait, but not for one that stays closed."""
    restored = unit(ZERO)
    own, clock = units(restored, unit(ONE, 5)), clocks(2)
    assert fetched(own, clock.bounds(own, 1.0)) == []
    restored.stopped, restored.failure = True, ValueError("broken")
    assert fetched(own, clock.bounds(own, 1.0)) == [1]


def test_a_partition_that_broke_is_waited_for_until_it_is_open_again():
    """It goes on where it was. If that takes long, others go on without it, however often it is tried."""
    broken = unit(ZERO, 100)
    own, clock = units(broken, unit(ONE, 100_000)), clocks(2)
    clock.bounds(own, 1.0)
    broken.end(ValueError("broken"))
    assert told(clock, units(broken)) is None
    assert bounds(clock, own, until=8.0)[ONE] == 100 + MOST_AHEAD_MS
    for again in (unit(ZERO), unit(ZERO, 100)):
        again.is_retry, own[ZERO] = True, again
        assert bounds(clock, own, until=15.9)[ONE] == 100 + MOST_AHEAD_MS
    assert ONE not in bounds(clock, own, until=16.1)
    again.visible_ms = 200
    assert bounds(clock, own, until=17.0)[ONE] == 200 + MOST_AHEAD_MS
    own[ZERO] = restored = unit(ZERO)
    restored.is_retry, restored.restore_steps = True, 1
    assert fetched(own, bounds(clock, own, until=60.0)) == [], "it gets on"


def test_a_partition_that_waits_itself_is_not_forgotten():
    """It stands still with its worker well: when what it waited for has come on, it is the slowest."""
    clock, own = clocks(3), units(unit(ZERO, 60_000))
    heard(clock, 1.0, {"payments": {"1": 50_000, "2": None}})
    for now in (10.0, 20.0, 30.0):
        assert fetched(own, bounds(clock, own, until=now)) == []
        heard(clock, now, {"payments": {"1": 50_000, "2": None}})
    heard(clock, 31.0, {"payments": {"2": UP_TO_DATE}})
    assert bounds(clock, own, until=31.0)[ZERO] == 50_000 + MOST_AHEAD_MS


def test_who_falls_far_behind_asks_the_others_anew():
    """They may have as well, with the same burst. It asks once: answers count until it has caught up."""
    own, clock = units(unit(ZERO, 7, is_behind=False)), clocks(2)
    heard(clock, 1.0, {"payments": {"1": UP_TO_DATE}})
    assert bounds(clock, own, until=2.0) == {}
    own[ZERO].pace_ms = 100.0
    own[ZERO].found(chunk_of([b""] * 300), 0)
    assert fetched(own, bounds(clock, own, until=3.0)) == []
    heard(clock, 3.1, {"payments": {"1": UP_TO_DATE}})
    own[ZERO].found(chunk_of([b""] * 300), 0)
    assert bounds(clock, own, until=4.0) == {}


def test_a_pause_lets_nobody_count_longer_than_from_its_end():
    """What was heard right after it needs no more time."""
    clock, own = clocks(2), units(unit(ZERO, 500_000))
    heard(clock, 1.0, {"payments": {"1": 100}})
    bounds(clock, own, until=1.0)
    heard(clock, 600.0, {"payments": {"1": 200}})
    clock.listened(600.0)
    assert ZERO in bounds(clock, own, until=614.9)
    assert ZERO not in bounds(clock, own, until=615.1)


def test_a_worker_that_was_busy_hears_the_others_before_it_gives_them_up():
    """It could not hear of them while its first chunk was compiled, or while it was paused."""
    clock, own = clocks(2), units(unit(ZERO, 500_000))
    heard(clock, 1.0, {"payments": {"1": 100}})
    assert ZERO in bounds(clock, own, until=10.0)
    assert ZERO in clock.bounds(own, 40.0)
    heard(clock, 40.0, {"payments": {"1": 300}})
    assert clock.bounds(own, 40.1)[ZERO] == 300 + MOST_AHEAD_MS


def test_topics_whose_partitions_never_meet_are_left_alone():
    """Nothing is told of them, and nothing bounds them."""
    other = TopicPartition("other", 0)
    own, clock = units(unit(other, 5), unit(TopicPartition("other", 1), 500_000)), clocks()
    assert not clock.has_others(own)
    assert told(clock, own) is None
    assert clock.bounds(own, 1.0) == {}


def test_workers_that_share_a_topic_tell_their_clocks():
    """How far those are that are behind, that others are being restored, and who needs not to be waited for."""
    own, clock = units(unit(ZERO, 7), unit(ONE), unit(TWO, 9, is_behind=False)), clocks()
    assert clock.has_others(own)
    assert told(clock, own) == ("app-clocks", 0, {"payments": {"0": 7, "1": None, "2": UP_TO_DATE}})


def test_live_workers_tell_only_who_is_behind():
    """Each piece of news is answered once, and answers are not: else workers would never be quiet again."""
    own, clock = units(unit(ZERO, 7, is_behind=False)), clocks()
    assert told(clock, own) is None
    heard(clock, 1.0, {"payments": {"1": 5}}, {"payments": {"2": None}})
    assert told(clock, own) == ("app-clocks", 0, {"payments": {"0": UP_TO_DATE}})
    assert told(clock, own) is None
    heard(clock, 2.0, {"payments": {"1": UP_TO_DATE}})
    assert told(clock, own) is None


def test_who_has_all_partitions_tells_nobody():
    """There is nobody else."""
    own, clock = units(*(unit(source, 7) for source in (ZERO, ONE, TWO, THREE))), clocks()
    assert not clock.has_others(own)
    assert told(clock, own) is None


def test_what_others_tell_bounds():
    """The slowest of all workers counts, and news replace news."""
    clock, own = clocks(), units(unit(ZERO, 500_000), unit(ONE, 510_000))
    heard(clock, 1.0, {"payments": {"2": 100, "3": 200}}, {"payments": {"2": 300}})
    assert clock.position == 2
    assert clock.bounds(own, 1.5) == {ZERO: 200 + MOST_AHEAD_MS, ONE: 200 + MOST_AHEAD_MS}
    heard(clock, 1.6, {"payments": {"3": 600_000}, "unknown": {"0": 1}})
    assert clock.bounds(own, 1.7)[ZERO] == 300 + MOST_AHEAD_MS
    heard(clock, 1.8, {"payments": {"2": None}})
    assert fetched(own, clock.bounds(own, 1.9)) == []
    heard(clock, 2.0, {"payments": {"2": UP_TO_DATE}})
    assert clock.bounds(own, 2.1) == {ZERO: 510_000 + MOST_AHEAD_MS, ONE: 500_000 + MOST_AHEAD_MS}


def test_own_news_come_back_without_an_effect():
    """A worker knows better where its own partitions stand."""
    clock, own = clocks(2), units(unit(ZERO, 500_000), unit(ONE, 510_000))
    heard(clock, 1.0, {"payments": {"0": 3}})
    assert clock.bounds(own, 1.0) == {ZERO: 510_000 + MOST_AHEAD_MS, ONE: 500_000 + MOST_AHEAD_MS}


def test_a_partition_of_which_nothing_was_heard_is_waited_for():
    """Its worker may be about to begin. What was known before this one listened says nothing any more."""
    clock, own = clocks(2), units(unit(ZERO, 500_000))
    assert fetched(own, clock.bounds(own, 1.0)) == []
    heard(clock, 2.0, {"payments": {"1": UP_TO_DATE}})
    assert fetched(own, clock.bounds(own, 2.0)) == [0]
    clock.listen(70)
    assert fetched(own, clock.bounds(own, 3.0)) == []
    assert fetched(own, bounds(clock, own, until=17.9)) == []
    assert fetched(own, bounds(clock, own, until=18.1)) == [0]


def test_a_clock_that_stands_still_is_not_waited_for():
    """Nobody may have it; hearing the same once more does not count, moving or being restored does."""
    clock, own = clocks(2), units(unit(ZERO, 500_000))
    for now in (1.0, 10.0, 15.9):
        heard(clock, now, {"payments": {"1": 100}})
        assert ZERO in bounds(clock, own, until=now)
    assert bounds(clock, own, until=16.1) == {}
    for now in (17.0, 31.0, 45.0):
        bounds(clock, own, until=now)
        heard(clock, now, {"payments": {"1": None}})
    assert ZERO in bounds(clock, own, until=59.0)
    assert bounds(clock, own, until=60.1) == {}


@pytest.mark.parametrize("failure", [None, FencedError("given up")])
def test_a_partition_that_was_given_away_holds_up_until_its_new_worker_tells(failure):
    """Else others would run away from it while it is on its way, also where its last commit came too late."""
    clock, leaving = clocks(2), unit(ONE, 100)
    clock.bounds(units(unit(ZERO, 500_000), leaving), 1.0)
    leaving.end(failure)
    clock.bounds(units(unit(ZERO, 500_000), leaving), 1.2)
    own = units(unit(ZERO, 500_000))
    assert fetched(own, clock.bounds(own, 1.5)) == []
    heard(clock, 2.0, {"payments": {"1": 480_000}})
    assert clock.bounds(own, 2.1) == {ZERO: 480_000 + MOST_AHEAD_MS}


def test_what_is_no_news_is_left_out():
    """The topic is open to others as well."""
    clock = clocks(2)
    clock.hear(chunk_of([b"{", None, b"[1]", b'{"payments": {"0": "x"}}', b'{"payments": {"1": 5}}']), 1.0)
    assert clock.position == 5
    assert clock.bounds(units(unit(ZERO, 9)), 1.0) == {ZERO: 5 + MOST_AHEAD_MS}
