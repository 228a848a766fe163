"""What is told beside rows of lag: what the workers measured, and how uneven the load is."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.health.burrow import Status
from pipeline.health.lag import LagRow, skew, with_measured
from pipeline.health.stuck import Cause

T0 = 1_700_000_000_000


def row(partition, **values):
    made = LagRow(
        group="app",
        topic="payments",
        partition=partition,
        time_ms=T0,
        start=0,
        end=100,
        committed=100,
        committed_ms=T0,
        lag_records=0,
        lag_ms=0,
        owner="w1",
        lease="held",
        status=Status.OK,
        reason="nothing waits",
    )
    return replace(made, **values)


@dataclass
class View:
    keys: list
    window_end_ms: np.ndarray
    columns: dict


def view(*rows):
    names = ("produce_per_s", "consume_per_s", "eta_ms", "status")
    columns = {name: np.array([found[2][i] for found in rows], float) for i, name in enumerate(names)}
    columns["stuck"] = np.array([found[3] if len(found) > 3 else np.nan for found in rows], float)
    return View([found[0] for found in rows], np.array([T0 + 1_000 * found[1] for found in rows]), columns)


def test_measured_by_the_workers():
    """The newest window that a sampler wrote for a partition gives its rates, ETA and status, else the look does."""
    nan = float("nan")
    table = view(
        ("payments/0", -1, (9.0, 5.0, -1.0, 2.0)),
        ("payments/0", -3, (1.0, 1.0, 0.0, 0.0)),
        ("payments/0", 0, (nan, nan, nan, nan)),
        ("payments/1", -1, (2.0, nan, nan, 0.0)),
        ("other/2", -1, (9.0, 9.0, 0.0, 2.0)),
    )
    first, second, third = with_measured([row(0), row(1, consume_per_s=7.0), row(2)], "app", table)
    assert (first.produce_per_s, first.consume_per_s, first.eta_ms) == (9.0, 5.0, -1)
    assert (first.status, first.reason) == (Status.STALL, "nothing waits; the workers measured STALL")
    assert (second.produce_per_s, second.consume_per_s, second.status) == (2.0, 7.0, Status.OK)
    assert third == row(2)


def test_a_stuck_partition_says_in_what():
    """What a watchdog found stands in the reason, and the status is that of a partition that stands."""
    [seen] = with_measured([row(0)], "app", view(("payments/0", 0, (1.0, 0.0, -1.0, 0.0), Cause.COMMIT)))
    assert seen.status == Status.STALL
    assert "stuck in commit: records are processed, but committing them" in seen.reason


def test_dead_workers_measure_nothing():
    """Old measurements don't count, nor do those of another group, nor an OK that the log itself contradicts."""
    stopped = row(0, status=Status.STOP, reason="dead")
    assert with_measured([stopped], "app", view(("payments/0", -20, (1.0, 1.0, 0.0, 0.0)))) == [stopped]
    assert with_measured([stopped], "else", view(("payments/0", 0, (1.0, 1.0, 0.0, 0.0)))) == [stopped]
    [seen] = with_measured([stopped], "app", view(("payments/0", 0, (1.0, 1.0, 0.0, 0.0))))
    assert (seen.status, seen.reason, seen.produce_per_s) == (Status.STOP, "dead", 1.0)


def test_skew():
    """Skew compares the worst lag with the mean, and names the partition that gets most of the records."""
    [even] = skew([row(0), row(1)])
    assert (even.lag_ratio, even.share, even.partitions) == (1.0, 0.5, 2)
    lagging = [row(0, lag_records=90, end=100), row(1, end=300), row(2, end=0), row(3, lag_records=30, end=100)]
    [uneven] = skew(lagging)
    assert (uneven.lag_ratio, uneven.busiest, uneven.share) == (3.0, 1, 0.6)


def test_skew_of_rates():
    """Where all rates are known they decide, not what was produced long ago."""
    rows = [row(0, end=1_000, produce_per_s=1.0), row(1, end=10, produce_per_s=9.0)]
    assert [(each.busiest, each.share) for each in skew(rows)] == [(1, 0.9)]
    assert skew([row(0, end=0), row(1, end=0)])[0].share == 0.5


def test_skew_of_each_topic():
    """Groups and topics are kept apart."""
    found = skew([row(0), row(0, topic="other"), row(0, group="reader")])
    assert [(each.group, each.topic) for each in found] == [
        ("app", "payments"),
        ("app", "other"),
        ("reader", "payments"),
    ]
