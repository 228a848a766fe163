"""One partition on a virtual clock."""

from dataclasses import replace

import numpy as np

from pipeline.backtest.lane import Lane
from pipeline.plan import plans
from pipeline.worker.units import chunks
from tests.pipeline.shards import app, chunk_of, payload


def lane(**changes):
    config = app()
    stream = replace(config.streams["payments"], **changes)
    return Lane(plans(replace(config, streams={"payments": stream}))["payments"], 0)


def records(stamps):
    """Payments appended at these moments, at the same event times."""
    made = [
        {"id": f"p{i}", "account": "a", "merchant": "m", "country": "DE", "ts": ts, "cents": 1}
        for i, ts in enumerate(stamps)
    ]
    return replace(chunk_of([payload(each) for each in made]), timestamps_ms=np.array(stamps))


def closed(outputs):
    """Starts of the windows that closed, and how many outputs there were."""
    return sum(each.topic == "app-windows" for output in outputs for each in output.outgoing), len(outputs)


def test_what_holds_no_record_moves_the_position():
    """As the markers of transactions do on Kafka."""
    made = lane()
    assert closed(list(made.process(chunks.nothing("payments", 0, 17)))) == (0, 1)
    assert made.shard.position == 17


def test_an_idle_partition_closes_its_windows_before_the_next_record():
    """A gap of the idle time or more is an advance of its own, a shorter one is none, and without it nothing waits."""
    stamps = [10**9, 10**9 + 100, 10**9 + 5_100, 10**9 + 10_099]
    assert closed(list(lane(idle_advance_ms=5_000).process(records(stamps))))[1] == 3
    assert closed(list(lane().process(records(stamps))))[1] == 1


def test_time_that_passes_at_the_end_closes_the_last_window():
    """Only where the stream lets idle time pass."""
    made = lane(idle_advance_ms=5_000)
    list(made.process(records([10**9])))
    assert closed(list(made.wait(10**9 + 4_999))) == (0, 0)
    assert closed(list(made.wait(10**9 + 6_000))) == (1, 1)
    other = lane()
    list(other.process(records([10**9])))
    assert closed(list(other.wait(10**12))) == (0, 0)
