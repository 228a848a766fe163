"""Reading all partitions in the order of appending, against sorting everything."""

import asyncio
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from agents.events import Outgoing, Records
from pipeline.cli.traffic.reading import find_span, read_span
from pipeline.log import TopicSpec
from pipeline.log.opening import open_log

T0 = 1_700_000_000_000
PARTITIONS = 3
BATCHES = st.lists(
    st.tuples(st.integers(0, PARTITIONS - 1), st.lists(st.integers(0, 50), min_size=1, max_size=6)), max_size=12
)


def oracle(batches):
    """Partition, offset of every record by the newest append time of its partition until then."""
    rows = []
    for partition in range(PARTITIONS):
        times = [time for number, batch in batches if number == partition for time in batch]
        newest = accumulate(times, max)
        rows += [(time, partition, offset) for offset, time in enumerate(newest)]
    return [row[1:] for row in sorted(rows)]


@given(BATCHES)
def test_records_come_in_the_order_of_their_append_times(tmp_path_factory, batches):
    """All records before the end come once, sorted by time over all partitions; what comes later does not."""

    async def check():
        log = open_log(f"local://{tmp_path_factory.mktemp('merged') / 'x.db'}")
        try:
            await log.create_topic(TopicSpec(name="t", partitions=PARTITIONS))
            for partition, times in batches:
                records = Records(values=[b"v"] * len(times), timestamps_ms=[T0 + time for time in times])
                await log.append([Outgoing("t", partition, records)])
            span = await find_span(log, "t", "start", T0)
            await log.append([Outgoing("t", 0, Records(values=[b"later"], timestamps_ms=[T0]))])
            found = [record async for records in read_span(log, span) for record in records]
        finally:
            await log.close()
        assert [(record.partition, record.offset) for record in found] == oracle(batches)

    asyncio.run(check())


def test_a_compacted_end_is_an_end(tmp_path):
    """A span whose last records were compacted away comes to its end instead of waiting for them."""

    async def check():
        log = open_log(f"local://{tmp_path / 'x.db'}")
        try:
            await log.create_topic(TopicSpec(name="t", partitions=2, cleanup="compact"))
            for value in (b"1", b"2", None):
                await log.append([Outgoing("t", 0, Records(keys=[b"k"], values=[value]))])
            await log.append([Outgoing("t", 1, Records(keys=[b"k"], values=[b"kept"]))])
            await log.tidy()
            span = await find_span(log, "t", "start", T0)
            found = [record async for records in read_span(log, span) for record in records]
        finally:
            await log.close()
        assert [record.value for record in found if record.partition == 1] == [b"kept"]

    asyncio.run(asyncio.wait_for(check(), 20))
