"""Shards of an internal topic, fed by several source partitions at once, and what they tell as evidence."""

import numpy as np
import orjson
import pytest

from agents.events import Batch, TopicPartition
from pipeline.packed import pack
from tests.pipeline.shards import app, build_shard, chunk_of, feed, fresh, payload, records_of

REPARTITION = "app-payments-by-merchant-repartition"


def packed(origin, times, clock_ms, *, start=0):
    """One record of the internal topic: payments at ``m1`` from the partition ``origin``."""
    n = len(times)
    batch = Batch(
        stream="payments",
        topic="payments",
        partition=np.full(n, origin),
        offsets=np.arange(start, start + n),
        appended_ms=np.full(n, 10**9),
        time_ms=np.array(times),
        columns={
            "account": ["ann"] * n,
            "cents": np.ones(n, np.int64),
            "id": [f"{origin}-{start + at}" for at in range(n)],
            "merchant": ["m1"] * n,
            "ts": np.array(times),
        },
    )
    return pack(batch, stream_ms=np.full(n, clock_ms), late=np.zeros(n, np.bool_))


def shops():
    return build_shard(app(), TopicPartition(REPARTITION, 0))


def alerts_of(outputs):
    return [alert for output in outputs for alert in output.alerts]


def given_in(shard, values, size):
    outputs = []
    for start in range(0, len(values), size):
        chunk = chunk_of(values[start : start + size], topic=REPARTITION, start=start)
        outputs.append(shard.process(chunk))
    return outputs


def test_an_origin_that_comes_late_finds_its_windows_open():
    """Which source partition is read first is chance: it closes no window of those that were not heard of yet."""
    values = [packed(0, [100_000], 100_000), packed(1, [99_000, 99_001], 99_001), packed(0, [100_010], 100_010)]
    outputs = given_in(shops(), values, 1)
    assert [output.late for output in outputs] == [0, 0, 0]


@pytest.mark.parametrize("restart_after", [1, 2, 3, 4])
def test_a_restart_opens_no_closed_window_again(restart_after):
    """Windows that were closed stay closed when a slower source partition comes after the restart."""
    values = [
        packed(0, [200_000], 200_000),
        packed(0, [200_400], 200_400),
        packed(1, [140_300], 140_300),
        packed(1, [200_050], 200_050),
        packed(1, [202_000], 202_000),
        packed(0, [202_000], 202_000),
    ]
    undisturbed = given_in(shops(), values, 1)
    first, second = shops(), shops()
    outputs = [
        first.process(chunk_of([value], topic=REPARTITION, start=at)) for at, value in enumerate(values[:restart_after])
    ]
    second.restore({key: slab for key, slab in first.dirty().items() if slab is not None})
    rest = enumerate(values[restart_after:], restart_after)
    outputs += [second.process(chunk_of([value], topic=REPARTITION, start=at)) for at, value in rest]
    for topic in ("app-shops", "payments.late"):
        assert records_of(outputs, topic) == records_of(undisturbed, topic)


def test_evidence_ends_with_the_record_that_fired():
    """Rows of one packed record share an offset; those after the fifth did not contribute to an alert at it."""
    (alert,) = alerts_of(given_in(shops(), [packed(0, range(1_000, 1_008), 1_000)], 1))
    assert [ref.offset for ref in alert.records] == [0, 1, 2, 3, 4]
    assert alert.source == alert.records[-1]


@pytest.mark.parametrize("size", [1, 2, 4])
def test_late_rows_are_counted_once(size):
    """However many records of the internal topic a chunk holds."""
    shard, late = shops(), packed(0, [900], 2_000)
    outputs = given_in(shard, [packed(0, [2_000], 2_000), late, late, late], size)
    counts = orjson.loads(shard.dirty()[b"meta"])["counts"]
    assert counts["late"] == sum(output.late for output in outputs) == 3


def test_evidence_after_a_restart_leaves_late_records_out():
    """A record that was late when it came is late when it is read again, also as the first of a chunk."""

    def payment(ts, cents=1):
        return payload({"id": str(ts), "account": "ann", "merchant": "m", "country": "DE", "ts": ts, "cents": cents})

    values = [payment(1_000), payment(1_500, 0), payment(1_350), payment(1_501), payment(1_502)]
    whole = feed(fresh(), values, [])
    first, second = fresh(), fresh()
    outputs = feed(first, values[:4], [])
    second.restore({key: slab for key, slab in first.dirty().items() if slab is not None})
    for start, stop in ((0, 2), (2, 4)):
        second.remember(chunk_of(values[start:stop], start=start))
    outputs.append(second.process(chunk_of(values[4:], start=4)))
    assert alerts_of(outputs) == alerts_of(whole)
    assert {alert.rule for alert in alerts_of(whole)} == {"busy", "fifth"}
