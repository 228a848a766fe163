"""Points of the charts from closed health windows and measured lag."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.model import AppConfig
from pipeline.health.definitions import with_health
from pipeline.readmodel.history import SPAN_MS, HealthRow, History, read_row
from tables.histogram import bucket_counts, quantile

NOW = 1_700_000_000_000


def row(key="payments/0", second=0, **values):
    return HealthRow(key=key, window_start_ms=NOW + 1_000 * second, **values)


def test_partitions_of_a_topic_add_up():
    """A point is the sum over the partitions of its topic, in records a second."""
    history = History()
    history.add_window(row("payments/0", records=5), 1)
    history.add_window(row("payments/1", records=7), 1)
    history.add_window(row("a/b/0", records=1), 1)
    assert history.throughput() == {"payments": [(NOW, 2.4)], "a/b": [(NOW, 0.2)]}


def test_a_topic_without_records_is_zero_and_points_are_smoothed():
    """A second in which a topic did not flow counts as 0, and a point is the mean of the five seconds up to it."""
    history = History()
    history.add_window(row("a/0", 0, records=10), 1)
    history.add_window(row("b/0", 1, records=2), 1)
    history.add_window(row("b/0", 7, records=5), 1)
    assert history.throughput() == {
        "a": [(NOW, 2.0), (NOW + 1_000, 2.0), (NOW + 7_000, 0.0)],
        "b": [(NOW, 0.0), (NOW + 1_000, 0.4), (NOW + 7_000, 1.0)],
    }


@given(st.dictionaries(st.integers(0, 20), st.tuples(st.integers(1, 50), st.integers(1, 3)), min_size=1))
def test_points_by_generation_make_up_the_whole(windows):
    """A reader that asks after each generation and replaces points has the line that one reading at the end gives."""
    history, held = History(), {}
    for generation in (1, 2, 3):
        for second, (records, at) in windows.items():
            if at == generation:
                history.add_window(row(second=second, records=records), generation)
        held.update(dict(history.throughput(after=generation - 1).get("payments", [])))
    assert {start: held[start] for start, _ in history.throughput()["payments"]} == dict(
        history.throughput()["payments"]
    )


def test_throughput_goes_on_at_zero_when_no_worker_reports():
    """The line waits for windows that close late, and falls to 0 when none has come for ten seconds."""
    history = History()
    history.add_window(row(second=0, records=10), 1)
    for second in range(1, 5):
        history.add_lag(NOW + 1_000 * second, {"payments": 0.0}, 2)
    assert history.throughput()["payments"] == [(NOW, 2.0)]
    for second in range(5, 20):
        history.add_lag(NOW + 1_000 * second, {"payments": 0.0}, 3)
    assert history.throughput()["payments"][-1] == (NOW + 9_000, 0.0)
    assert (NOW + 5_000, 0.0) in history.throughput(after=3)["payments"]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 300)), min_size=1, max_size=30))
def test_latency_quantiles_merge_histograms(samples):
    """The quantiles of a second are those of all its samples, whatever partition they came from."""
    history = History()
    for place, (second, wait_ms) in enumerate(samples):
        counts = bucket_counts(np.array([wait_ms])).tolist()
        history.add_window(row(f"payments/{place}", second, records=1, append_processed=counts), 1)
    points = dict(history.latency()["p99"])
    for second in {second for second, _ in samples}:
        waits = np.array([wait_ms for at, wait_ms in samples if at == second])
        assert points[NOW + 1_000 * second] == float(quantile(bucket_counts(waits), 0.99))


def test_only_what_changed_after_a_generation_is_given():
    """A reader that has generation 1 gets the points of generation 2, also those that grew."""
    history = History()
    history.add_window(row(second=0, records=1), 1)
    history.add_window(row(second=1, records=1), 1)
    history.add_window(row("payments/1", second=1, records=4), 2)
    history.add_window(row(second=2, records=9), 2)
    assert history.throughput(after=1) == {"payments": [(NOW + 1_000, 1.2), (NOW + 2_000, 3.0)]}
    assert history.throughput(after=2) == {"payments": []}


def test_points_older_than_the_charts_are_dropped():
    """What lies before the shown span is neither taken nor kept."""
    history = History()
    history.add_window(row(second=0, records=1), 1)
    history.add_window(row(second=SPAN_MS // 1_000 + 1, records=1), 1)
    history.forget(NOW + SPAN_MS + 1_000)
    history.add_window(row(second=0, records=1), 1)
    assert len(history) == 1


def test_own_lag_counts_more_than_that_of_the_workers():
    """Lag that this process measured replaces what a worker said; the worse of two looks in a second stays."""
    history = History()
    history.add_window(row(second=0, worst_lag_ms=9_000), 1)
    history.add_window(row(second=1, worst_lag_ms=3_000), 1)
    history.add_lag(NOW + 300, {"payments": 1_000}, 1)
    history.add_lag(NOW + 700, {"payments": 500}, 1)
    history.add_window(row("payments/1", second=0, worst_lag_ms=8_000), 1)
    assert history.lag() == {"payments": [(NOW, 1.0), (NOW + 1_000, 3.0)]}


def test_recent_totals_choose_topics():
    """Throughput counts the chosen topics; refused and late records count over all."""
    history = History()
    history.add_window(row("payments/0", 0, records=10, late=1, rejected=2), 1)
    history.add_window(row("inner/0", 1, records=6, late=1), 1)
    recent = history.recent(NOW + 1_000, 10_000, topics={"payments"})
    assert (recent.rate, recent.late, recent.rejected) == (5.0, 2, 2)
    assert recent.latency_ms(0.5) is None
    assert history.recent(NOW + 60_000, 10_000).rate is None


def test_rows_are_read_as_workers_write_them():
    """The measures that the charts need exist in the health table, and the others are passed over."""
    app = with_health(AppConfig(name="a", log="local://x"))
    names = {measure.name for measure in app.tables["health_1s"].measures}
    assert set(HealthRow.__struct_fields__) - {"key", "window_start_ms"} <= names
    plain = {"table": "health_1s", "key": "p/0", "window_start_ms": 5, "records": 3, "worst_lag_ms": None, "other": [1]}
    assert read_row(msgspec.json.encode(plain)) == HealthRow(key="p/0", window_start_ms=5, records=3)
    with pytest.raises(msgspec.DecodeError):
        read_row(b'{"records": 1}')
