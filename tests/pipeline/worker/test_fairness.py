"""Draining partitions evenly."""

from agents.events import TopicPartition
from pipeline.log.api import Fence
from pipeline.worker.frame.fairness import even
from pipeline.worker.units.unit import Unit
from tests.pipeline.worker.tally import TallyShard


def unit(partition, watermark_ms, *, caught_up=False, topic="t", in_flight=False):
    source = TopicPartition(topic, partition)
    made = Unit(Fence("g", source, "m", 1), None)
    shard = TallyShard(source)
    shard.watermark_ms = watermark_ms
    made.start(shard)
    made.caught_up, made.in_flight = caught_up, in_flight
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
