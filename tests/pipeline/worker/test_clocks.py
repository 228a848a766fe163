"""How far ahead of others a partition may run while a backlog is worked off."""

import json

from agents.events import TopicPartition
from pipeline.log.api import Fence
from pipeline.worker.frame.clocks import MOST_AHEAD_MS, Clocks
from pipeline.worker.frame.fairness import even
from pipeline.worker.units.unit import Unit
from tests.pipeline.shards import chunk_of
from tests.pipeline.worker.tally import TallyShard

ZERO, ONE, TWO, THREE = (TopicPartition("payments", number) for number in range(4))


def unit(source, visible_ms=None, *, watermark_ms=None, backlog=1.0):
    """A unit that fetched, and whose commits have come to ``visible_ms``; one that is being restored without."""
    made = Unit(Fence("g", source, "m", 1), None)
    if visible_ms is not None:
        shard = TallyShard(source)
        shard.watermark_ms = visible_ms
        made.start(shard)
        shard.watermark_ms = visible_ms if watermark_ms is None else watermark_ms
    made.backlog, made.is_behind = backlog, backlog > 0
    return made


def units(*made):
    """Units by where they are."""
    return {each.source: each for each in made}


def clocks():
    """Of payments, which has four partitions."""
    return Clocks("app-clocks", {"payments": 4})


def told(clocks, units):
    """What others are told, decoded."""
    news = clocks.news(units)
    assert clocks.has_news(units) == (news is not None)
    return news and (news.topic, news.partition, json.loads(news.records.values[0]))


def heard(clocks, now, *values, start=0):
    """Let ``values`` come in."""
    clocks.hear(chunk_of([json.dumps(value).encode() for value in values], start=start, topic="app-clocks"), now)


def test_what_counts_is_what_was_committed():
    """Others see the rows of a partition when they are committed: so far the slowest one is, however far it ran."""
    own = units(unit(ZERO, 1_000, watermark_ms=90_000), unit(ONE, 70_000), unit(TWO, 95_000))
    bounds = clocks().bounds(own, 1.0)
    assert bounds == {ZERO: 70_000 + MOST_AHEAD_MS, ONE: 1_000 + MOST_AHEAD_MS, TWO: 1_000 + MOST_AHEAD_MS}
    assert list(even(own, bounds, most_ahead_ms=1 << 40)) == [ZERO]


def test_live_partitions_neither_wait_nor_hold_up():
    """Only those with a backlog do either."""
    own = units(unit(ZERO, 0, backlog=0), unit(ONE, 500_000), unit(TWO, 0, backlog=0))
    assert ONE not in clocks().bounds(own, 1.0)
    own = units(unit(ZERO, 500_000, backlog=0), unit(ONE, 0))
    assert list(even(own, clocks().bounds(own, 1.0), most_ahead_ms=1 << 40)) == [ONE, ZERO]


def test_a_partition_that_is_being_restored_holds_up():
    """Where it stands is not known yet, so that others with a backlog wait; a broken one is not waited for."""
    restored = unit(ZERO)
    own = units(restored, unit(ONE, 5))
    assert list(even(own, clocks().bounds(own, 1.0))) == []
    restored.failure = ValueError("broken")
    assert list(even(own, clocks().bounds(own, 1.0))) == [ONE]


def test_topics_whose_partitions_never_meet_are_left_alone():
    """Nothing is told of them, and nothing bounds them."""
    other = TopicPartition("other", 0)
    own = units(unit(other, 5), unit(TopicPartition("other", 1), 500_000))
    assert told(clocks(), own) is None
    assert clocks().bounds(own, 1.0) == {}


def test_workers_that_share_a_topic_tell_their_clocks():
    """Those of partitions that are behind, and that others are being restored; a live one is not mentioned."""
    own = units(unit(ZERO, 7), unit(ONE), unit(TWO, 9, backlog=0))
    assert told(clocks(), own) == ("app-clocks", 0, {"payments": {"0": 7, "1": None}})


def test_who_has_all_partitions_tells_nobody():
    """There is nobody else."""
    own = units(*(unit(source, 7) for source in (ZERO, ONE, TWO, THREE)))
    assert told(clocks(), own) is None


def test_what_others_tell_bounds():
    """The slowest of all workers counts, and news replace news."""
    clock, own = clocks(), units(unit(ZERO, 500_000), unit(ONE, 510_000))
    heard(clock, 1.0, {"payments": {"2": 100, "3": 200}}, {"payments": {"2": 300}})
    assert clock.position == 2
    assert clock.bounds(own, 1.5) == {ZERO: 200 + MOST_AHEAD_MS, ONE: 200 + MOST_AHEAD_MS}
    heard(clock, 1.6, {"payments": {"3": 600_000}, "unknown": {"0": 1}})
    assert clock.bounds(own, 1.7)[ZERO] == 300 + MOST_AHEAD_MS
    heard(clock, 1.8, {"payments": {"2": None}})
    assert list(even(own, clock.bounds(own, 1.9))) == []


def test_own_news_come_back_without_an_effect():
    """A worker knows better where its own partitions stand."""
    clock, own = clocks(), units(unit(ZERO, 500_000), unit(ONE, 510_000))
    heard(clock, 1.0, {"payments": {"0": 3}})
    assert clock.bounds(own, 1.0) == {ZERO: 510_000 + MOST_AHEAD_MS, ONE: 500_000 + MOST_AHEAD_MS}


def test_a_clock_that_stands_still_is_not_waited_for():
    """Its worker may be gone; hearing the same once more does not count, moving or being restored does."""
    clock, own = clocks(), units(unit(ZERO, 500_000))
    for now in (1.0, 3.0, 5.9):
        heard(clock, now, {"payments": {"1": 100}})
        assert ZERO in clock.bounds(own, now)
    assert clock.bounds(own, 6.1) == {}
    for now in (7.0, 11.0, 15.0):
        heard(clock, now, {"payments": {"1": None}})
    assert ZERO in clock.bounds(own, 19.0)
    assert clock.bounds(own, 20.1) == {}


def test_a_partition_that_was_given_away_holds_up_until_its_new_worker_tells():
    """Else others would run away from it while it is on its way."""
    clock = clocks()
    clock.bounds(units(unit(ZERO, 500_000), unit(ONE, 100)), 1.0)
    own = units(unit(ZERO, 500_000))
    assert clock.bounds(own, 1.5) == {ZERO: 100 + MOST_AHEAD_MS}
    heard(clock, 2.0, {"payments": {"1": 480_000}})
    assert clock.bounds(own, 2.1) == {ZERO: 480_000 + MOST_AHEAD_MS}


def test_what_is_no_news_is_left_out():
    """The topic is open to others as well."""
    clock = clocks()
    clock.hear(chunk_of([b"{", None, b"[1]", b'{"payments": {"0": "x"}}', b'{"payments": {"1": 5}}']), 1.0)
    assert clock.position == 5
    assert clock.bounds(units(unit(ZERO, 9)), 1.0) == {ZERO: 5 + MOST_AHEAD_MS}
