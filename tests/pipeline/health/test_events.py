"""What a meter says of the chunks and alerts that it saw."""

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from agents.events import Alert, Chunk, Output, RecordRef, TopicPartition
from pipeline.codec import Reason
from pipeline.health.events import COUNTERS, HISTOGRAMS, REJECTED, UnitMeter, health_topic, outgoing
from tables.histogram import WIDTH, bucket_counts

SOURCE = TopicPartition("payments", 3)
NOW_MS = 1_700_000_000_000


def chunk(values):
    n = len(values)
    offsets = np.arange(n, dtype=np.int64)
    times = np.full(n, NOW_MS, np.int64)
    return Chunk(
        topic="payments",
        partition=3,
        offsets=offsets,
        timestamps_ms=times,
        keys=[None] * n,
        values=values,
        next_offset=n,
    )


def output(latencies, **rest):
    """Accepted records with (event to append, append to now) in ms."""
    appended = np.array([NOW_MS - waited for _, waited in latencies], np.int64)
    early = np.array([late for late, _ in latencies], np.int64)
    return Output(time_ms=appended - early, appended_ms=appended, **rest)


def alert(event_ms, appended_ms):
    ref = RecordRef("payments", 3, 7, None)
    return Alert(
        id="0" * 32,
        rule="r",
        version="0" * 8,
        severity="low",
        stream="payments",
        table="t",
        key="k",
        event_time_ms=event_ms,
        appended_ms=appended_ms,
        window_start_ms=0,
        window_end_ms=1,
        condition="n > 1",
        values={},
        thresholds={},
        source=ref,
        records=(ref,),
    )


def drained(meter):
    event = meter.drain(NOW_MS)
    assert event is not None
    return orjson.loads(event)


def test_nothing_happened():
    """A meter that saw nothing, or was just drained, has nothing to say."""
    meter = UnitMeter(SOURCE, "w1")
    assert meter.drain(NOW_MS) is None
    meter.observe(Output(), chunk([]), NOW_MS)
    meter.alerted([], NOW_MS)
    assert meter.drain(NOW_MS) is None
    meter.observe(output([(1, 1)]), chunk([b"{}"]), NOW_MS)
    assert meter.drain(NOW_MS) is not None
    assert meter.drain(NOW_MS) is None


def test_counts():
    """Records, payload bytes without tombstones, late records and rejects by reason are those of the chunks."""
    meter = UnitMeter(SOURCE, "w1")
    rejects = {Reason.BAD_JSON: 2, "missing-field": 1}
    meter.observe(output([(5, 20)], late=4, rejects=rejects), chunk([b"12345", None, b"", b"x"]), NOW_MS)
    meter.observe(output([], rejects={Reason.BAD_JSON: 1}), chunk([b"?"]), NOW_MS)
    event = drained(meter)
    assert (event["source"], event["ts"], event["worker"]) == ("payments/3", NOW_MS, "w1")
    assert (event["records"], event["bytes"], event["late"]) == (5, 7, 4)
    assert (event["rejected"], event["rejected_bad_json"], event["rejected_missing_field"]) == (4, 3, 1)


def test_records_of_a_packed_chunk():
    """A chunk of a repartition topic counts the records that its payloads hold, not the payloads."""
    meter = UnitMeter(SOURCE, "w1")
    meter.observe(output([(5, 20)] * 100), chunk([b"packed", b"packed"]), NOW_MS)
    assert drained(meter)["records"] == 100


@given(latencies=st.lists(st.tuples(st.integers(-50, 100_000), st.integers(-50, 100_000)), min_size=1, max_size=40))
def test_latency_histograms(latencies):
    """The histograms are those of all latencies, whatever the chunks; a record from the future is counted as such."""
    meter = UnitMeter(SOURCE, "w1")
    for one in latencies:
        meter.observe(output([one]), chunk([b"{}"]), NOW_MS)
    event = drained(meter)
    first, second = (np.array(column, np.int64) for column in zip(*latencies, strict=True))
    assert event["event_append"] == bucket_counts(first).tolist()
    assert event["append_processed"] == bucket_counts(second).tolist()
    assert event["ahead"] == sum(late < 0 for late, _ in latencies)
    assert sum(event["event_alert"]) == 0


def test_alert_latencies():
    """An alert's latency counts from its record's event time and from its append."""
    meter = UnitMeter(SOURCE, "w1")
    meter.alerted([alert(NOW_MS - 900, NOW_MS - 100), alert(NOW_MS - 40, NOW_MS - 30)], NOW_MS)
    event = drained(meter)
    assert event["alerts"] == 2
    assert event["event_alert"] == bucket_counts(np.array([900, 40])).tolist()
    assert event["append_alert"] == bucket_counts(np.array([100, 30])).tolist()


def test_peaks():
    """A percentile is within the histogram's error, and null where nothing was measured."""
    meter = UnitMeter(SOURCE, "w1")
    meter.observe(output([(5, 2_000)] * 100), chunk([b"{}"] * 100), NOW_MS)
    event = drained(meter)
    assert event["event_append_p99_ms"] == 5
    assert abs(event["append_processed_p99_ms"] - 2_000) < 150
    assert event["event_alert_p99_ms"] is None


def test_shape_of_an_event():
    """Every counter is a whole number, every histogram has its width, and each reason of the codec has a counter."""
    meter = UnitMeter(SOURCE, "w1")
    meter.observe(output([(5, 20)]), chunk([b"{}"]), NOW_MS)
    event = drained(meter)
    assert all(isinstance(event[name], int) for name in COUNTERS)
    assert all(len(event[name]) == WIDTH for name in HISTOGRAMS)
    assert set(REJECTED) == set(Reason)
    assert set(REJECTED.values()) <= set(COUNTERS)


def test_outgoing():
    """Events go to partition 0 of the app's health topic; without events nothing is written."""
    [out] = outgoing("shop", [b"1", b"2"])
    assert (out.topic, out.partition, list(out.records.values)) == (health_topic("shop"), 0, [b"1", b"2"])
    assert outgoing("shop", []) == []


def test_drained_meters_share_nothing():
    """Draining one meter leaves another one's counts alone."""
    one, two = UnitMeter(SOURCE, "w1"), UnitMeter(SOURCE, "w1")
    for meter in (one, two):
        meter.observe(output([(5, 20)]), chunk([b"{}"]), NOW_MS)
    assert drained(one) == drained(two)
