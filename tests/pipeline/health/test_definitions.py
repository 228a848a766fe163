"""The built-in definitions fit the events, the detectors, and a configuration that they are added to."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from agents.events import Chunk, Output, TopicPartition
from agents.spec import DetectorSpec, Field, RuleSpec, StreamSpec
from detectors import SERIES
from pipeline.codec import Decoder
from pipeline.config.model import AppConfig
from pipeline.errors import ConfigError
from pipeline.health.definitions import STREAM, TABLES, with_health
from pipeline.health.events import COUNTERS, GAUGES, HISTOGRAMS, PEAKS, UnitMeter
from pipeline.health.look import Look
from pipeline.health.sampler import LagSampler
from pipeline.health.stuck import Cause
from pipeline.log.api import Committed
from pipeline.worker.units.progress import Report, restore_events
from pipeline.worker.watchdog import Stuck, stuck_events
from tables.histogram import WIDTH
from tables.spec import Measure, TableSpec, Window

SOURCE = TopicPartition("payments", 0)
T0 = 1_700_000_000_000
PAYMENTS = StreamSpec(
    name="payments",
    topic="payments",
    partitions=1,
    key=None,
    time="ts",
    id=None,
    fields={"ts": Field(name="ts", type="int")},
)
CONFIG = AppConfig(name="shop", log="local://x.db", streams={"payments": PAYMENTS}, source=Path("shop.toml"))


def meter_event():
    meter = UnitMeter(SOURCE, "w1")
    times = np.array([T0 - 50], np.int64)
    chunk = Chunk(
        topic="payments", partition=0, offsets=times, timestamps_ms=times, keys=[None], values=[b"{}"], next_offset=1
    )
    meter.observe(Output(time_ms=times - 10, appended_ms=times), chunk, T0)
    return meter.drain(T0)


def sampler_event():
    look = Look(source=SOURCE, time_ms=T0, start=0, end=9, committed=Committed(4, T0), position=4, next_ms=T0 - 70)
    [sample] = LagSampler(commit_ms=1_000).measure([look])
    return sample.encode()


def decoded(values):
    stream = with_health(CONFIG).streams[STREAM]
    n = len(values)
    offsets = np.arange(n, dtype=np.int64)
    chunk = Chunk(
        topic=stream.topic,
        partition=0,
        offsets=offsets,
        timestamps_ms=np.full(n, T0, np.int64),
        keys=[None] * n,
        values=values,
        next_offset=n,
    )
    batch, rejects = Decoder(stream).decode(chunk)
    assert rejects == []
    return batch.columns


def test_events_fit_the_stream():
    """Events of meters and of samplers decode with the built-in stream; what one doesn't know is NaN, never 0."""
    columns = decoded([meter_event(), sampler_event()])
    assert columns["source"] == ["payments/0", "payments/0"]
    assert columns["records"].tolist() == [1, 0]
    assert columns["append_processed"].shape == (2, WIDTH)
    assert columns["append_processed"].sum(axis=1).tolist() == [1, 0]
    np.testing.assert_array_equal(columns["lag_records"], [np.nan, 5.0])
    np.testing.assert_array_equal(columns["lag_ms"], [np.nan, 70.0])
    np.testing.assert_array_equal(columns["slow_ms"], [1_000.0, np.nan])


def test_an_event_has_every_field_and_no_other():
    """Each field of the events is declared, and each declared one is in an event, but for words to people."""
    report = Report((SOURCE,), 0.5, 10, 700)
    others = [*stuck_events("shop", [Stuck(SOURCE, Cause.FETCH, 20.0, 1)], T0), *restore_events("shop", report, T0)]
    written = [meter_event(), sampler_event(), *(value for each in others for value in each.records.values)]
    events = {name for event in written for name in orjson.loads(event)}
    assert events == with_health(CONFIG).streams[STREAM].fields.keys() | {"worker", "reason"}


def test_tables_measure_every_field():
    """Each table has every counter, histogram and gauge under the name of its field."""
    tables = with_health(CONFIG).tables
    assert tuple(tables) == TABLES
    for table in tables.values():
        assert {measure.name for measure in table.measures} >= {*COUNTERS, *HISTOGRAMS, *PEAKS, *GAUGES}
        assert all(measure.input in tables_fields() for measure in table.measures)
        assert table.window.kind == "tumbling"
    assert [table.window.size_ms for table in tables.values()] == [1_000, 10_000, 60_000]


def tables_fields():
    return with_health(CONFIG).streams[STREAM].fields


def test_detectors_can_be_made():
    """Each built-in detector has parameters that its class accepts, and watches a measure of its table."""
    config = with_health(CONFIG)
    for detector in config.detectors.values():
        assert SERIES[detector.kind](**detector.params).n_series == 0
        assert detector.value in {measure.name for measure in config.tables[detector.table].measures}
        assert 0 < detector.clear <= detector.threshold


def test_users_definitions_stay():
    """What the user configured is kept as it is, and twice makes no difference."""
    config = with_health(CONFIG)
    assert config.streams["payments"] is PAYMENTS
    assert set(config.streams) == {"payments", STREAM}
    assert config.streams[STREAM].topic == "shop-health"
    assert with_health(config) is config


def test_switched_off():
    """Without health measurement the configuration stays what it is."""
    config = replace(CONFIG, health=False)
    assert with_health(config) is config


def test_clashes():
    """Every name that the user took from the built-in ones is reported at once, with the file and a way out."""
    window = Window(kind="tumbling", size_ms=1_000, pane_ms=1_000)
    measures = (Measure(name="n", kind="count"),)
    table = TableSpec(name="health_1m", stream="payments", by="ts", window=window, measures=measures, ttl_ms=1)
    rule = RuleSpec(name="health-throughput-drop", table="health_1m", when="n > 1", severity="low")
    detector = DetectorSpec(name="health-stall", kind="ewma", value="n", threshold=1.0, severity="low")
    config = replace(
        CONFIG,
        streams={"health": PAYMENTS, "mine": replace(PAYMENTS, name="mine", topic="shop-health")},
        tables={"health_1m": table},
        rules={rule.name: rule},
        detectors={detector.name: detector},
    )
    with pytest.raises(ConfigError) as caught:
        with_health(config)
    assert len(caught.value.problems) == 5
    told = str(caught.value)
    for name in ("'health' in [streams]", "'health_1m'", "'health-stall'", "'health-throughput-drop'", "'shop-health'"):
        assert f"{name}" in told
    assert "shop.toml: " in told
    assert "health = false" in told
