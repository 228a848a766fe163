"""Draining partitions evenly."""

from agents.events import TopicPartition
from pipeline.log.api import Fence
from pipeline.worker.frame.fairness import LEAST_MS, REST_S, even, is_held, resting
from pipeline.worker.units.unit import Unit
from tests.pipeline.worker.tally import TallyShard


def unit(partition, watermark_ms, *, caught_up=False, topic="t", in_flight=False):
    source = TopicPartition(topic, partition)
    made = Unit(Fence("g", source, "m", 1), None)
    shard = TallyShard(source)
    shard.watermark_ms = watermark_ms
    made.start(shard)
    made.backlog.is_behind, made.backlog.was_looked_at, made.in_flight = not caught_up, True, in_flight
    return made


def chosen(*units):
    return [source.partition for source in even({unit.source: unit for unit in units})]


def test_a_partition_far_ahead_waits_for_the_slowest():
    """More than ten seconds ahead of the slowest one with a backlog means not now; exactly ten is fine."""
    assert chosen(unit(0, 20_001), unit(1, 20_000), unit(2, 10_000)) == [2, 1]


def test_the_slowest_comes_first():
    """Positions are asked for in order of event time."""
    assert chosen(unit(0, 3), unit(1, 1), unit(2, 2)) == [1, 2, 0]


def test_caught_up_partitions_neither_wait_nor_hold_up():
    """A quiet partition's old event time holds nobody up, and one without a backlog is always asked for."""
    assert chosen(unit(0, 0, caught_up=True), unit(1, 90_000), unit(2, 200_000, caught_up=True)) == [0, 1, 2]


def test_a_partition_is_looked_at_before_it_waits():
    """It may be live, as may others that have come to this worker from another one."""
    new = unit(1, 90_000)
    new.backlog.was_looked_at = False
    assert chosen(unit(0, 0), new, unit(2, 90_000)) == [0, 1]


def test_a_chunk_under_way_still_counts_as_slowest():
    """The slowest partition is not asked for while it has a chunk, but the ones ahead still wait for it."""
    assert chosen(unit(0, 0, in_flight=True), unit(1, 10_001)) == []


def test_topics_do_not_wait_for_each_other():
    """Event times of different topics have nothing to do with each other."""
    assert chosen(unit(0, 0), unit(1, 90_000, topic="other")) == [0, 1]


def test_a_broken_partition_holds_nobody_up():
    """A unit that is not open has no say."""
    broken = unit(0, 0)
    broken.end(ValueError("broken"))
    assert chosen(broken, unit(1, 90_000)) == [1]


def test_a_partition_near_its_bound_waits():
    """What is left up to the bound must be worth a chunk. Without a bound, or without a backlog, it never waits.

    Neither does one that was not looked at yet.
    """
    near = unit(0, 90_001)
    assert is_held(near, 90_000 + LEAST_MS)
    assert not is_held(near, 90_001 + LEAST_MS)
    assert not is_held(near, None)
    near.backlog.was_looked_at = False
    assert not is_held(near, 0)
    near.backlog.is_behind, near.backlog.was_looked_at = False, True
    assert not is_held(near, 0)


def rests(now, *units):
    """Partitions of ``internal`` that rest."""
    found = resting({unit.source: unit for unit in units}, {"internal"}, now)
    assert all(source.topic == "internal" for source in found)
    return sorted(source.partition for source in found)


def test_while_what_feeds_it_is_behind_an_internal_topic_gathers():
    """Each chunk of it is given a moment; how far behind other internal topics are says nothing."""
    source, zero, one = unit(0, 0), unit(0, 0, topic="internal"), unit(1, 0, topic="internal")
    zero.fed_at, one.fed_at, one.backlog.share = 10.0, 9.95, 0.5
    assert rests(10.01, source, zero, one) == []
    source.backlog.share = 0.25
    assert rests(10.01, source, zero, one) == [0, 1]
    assert rests(9.96 + REST_S, source, zero, one) == [0]
    assert rests(10.01 + REST_S, source, zero, one) == []


def test_an_internal_partition_that_is_far_behind_does_not_rest():
    """It would fall back further and further."""
    source, zero = unit(0, 0), unit(0, 0, topic="internal")
    source.backlog.share, zero.backlog.share, zero.fed_at = 1.0, 1.0, 10.0
    assert rests(10.0, source, zero) == []
