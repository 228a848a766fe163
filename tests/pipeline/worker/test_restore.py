"""From the log back to a shard."""

import pytest

from agents.events import Outgoing, Records, TopicPartition
from pipeline.errors import OffsetOutOfRangeError
from pipeline.log import TopicSpec
from pipeline.worker.units.restore import read_slabs, restore
from tests.pipeline.worker.tally import TallyShard

SOURCE, STATE = TopicPartition("source", 0), "state"


class Remembering(TallyShard):
    """Keeps what it was given to remember, and may fail at it."""

    def __init__(self, source, *, fails=False):
        super().__init__(source)
        self.history = 7
        self.remembered = []
        self.fails = fails

    def remember(self, chunk):
        if self.fails:
            raise ValueError("can't be read")
        self.remembered += chunk.offsets.tolist()


async def prepare(log, *, n=20, position=None, retention_bytes=None):
    spec = TopicSpec(name=SOURCE.topic, partitions=1, retention_bytes=retention_bytes)
    await log.create_topic(spec)
    await log.create_topic(TopicSpec(name=STATE, partitions=1, cleanup="compact"))
    for number in range(n):
        await log.append([Outgoing(SOURCE.topic, 0, Records(values=[b"r%d" % number]))])
    if position is not None:
        shard = TallyShard(SOURCE)
        shard.position = position
        slabs = shard.dirty()
        await log.append([Outgoing(STATE, 0, Records(keys=list(slabs), values=list(slabs.values())))])


def test_slabs_are_the_newest_of_each_key(with_log):
    """Later values win, a tombstone removes."""

    async def work(log):
        await prepare(log, n=0)
        for keys, values in (([b"a", b"b"], [b"1", b"1"]), ([b"a", b"c"], [b"2", b"1"]), ([b"b"], [None])):
            await log.append([Outgoing(STATE, 0, Records(keys=keys, values=values))])
        assert await read_slabs(log, TopicPartition(STATE, 0)) == {b"a": b"2", b"c": b"1"}

    with_log(work)


@pytest.mark.parametrize(("position", "remembered"), [(12, [5, 6, 7, 8, 9, 10, 11]), (3, [0, 1, 2]), (0, [])])
def test_what_came_just_before_is_remembered(with_log, position, remembered):
    """As many records as the shard asks for, none at or after its position."""

    async def work(log):
        await prepare(log, position=position)
        restored = await restore(log, Remembering, SOURCE, STATE)
        assert restored.shard.position == position
        assert restored.shard.remembered == remembered

    with_log(work)


def test_evidence_that_can_not_be_read_costs_only_evidence(with_log):
    """The shard stands where it should with its state, and the error is told."""

    async def work(log):
        await prepare(log, position=12)
        restored = await restore(log, lambda source: Remembering(source, fails=True), SOURCE, STATE)
        assert restored.shard.position == 12
        assert isinstance(restored.forgot, ValueError)

    with_log(work)


def test_a_position_beyond_the_end_is_refused(with_log):
    """A source that is shorter than its state was made anew: nothing that follows could be right."""

    async def work(log):
        await prepare(log, position=21)
        with pytest.raises(OffsetOutOfRangeError, match=r"state of source/0 stands at offset 21, but .* ends at 20"):
            await restore(log, TallyShard, SOURCE, STATE)

    with_log(work)


async def outlive(log):
    """Append until retention has dropped what there was; returns the first offset kept."""
    await log.append([Outgoing(SOURCE.topic, 0, Records(values=[bytes(3_000_000)]))] * 3)
    await log.tidy()
    start = (await log.partitions(SOURCE.topic))[0].start
    assert start > 2
    return start


def test_records_lost_to_retention_are_told(with_log):
    """The shard goes on at the first record kept, and the report names the first and last one that are missing."""

    async def work(log):
        await prepare(log, position=2, retention_bytes=1_000)
        start = await outlive(log)
        restored = await restore(log, TallyShard, SOURCE, STATE)
        assert restored.shard.position == start
        assert restored.lost == (2, start - 1)

    with_log(work)


def test_a_first_start_behind_retention_loses_nothing(with_log):
    """Without state there is nothing to miss: the shard begins at the first record kept."""

    async def work(log):
        await prepare(log, retention_bytes=1_000)
        start = await outlive(log)
        restored = await restore(log, TallyShard, SOURCE, STATE)
        assert (restored.shard.position, restored.lost) == (start, None)

    with_log(work)
