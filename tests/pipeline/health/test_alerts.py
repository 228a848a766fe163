"""Health alerts: what a minute or ten of health events gives, run through the shard of the health topic."""

from dataclasses import dataclass

import numpy as np
import pytest

from agents.events import Chunk, Output, TopicPartition
from agents.spec import Field, StreamSpec
from pipeline.config.model import AppConfig
from pipeline.health.definitions import with_health
from pipeline.health.events import UnitMeter, health_topic
from pipeline.health.look import Look
from pipeline.health.sampler import LagSampler
from pipeline.health.stuck import Cause
from pipeline.log.api import Committed
from pipeline.worker.watchdog import Stuck, stuck_events
from tests.pipeline.shards import build_shard

T0 = 1_700_000_000_000
FIELDS = {"ts": Field(name="ts", type="int")}
PAYMENTS = StreamSpec(name="payments", topic="payments", partitions=2, key=None, time="ts", id=None, fields=FIELDS)
CONFIG = with_health(AppConfig(name="shop", log="local://x.db", streams={"payments": PAYMENTS}))


@dataclass
class Second:
    """What happened to a partition in one second."""

    produced: int = 1_000
    consumed: int = 1_000
    rejected: int = 0
    latency_ms: int = 40
    commits: bool = True
    back: int = 0


class Partition:
    """A partition that is produced and consumed as told, metered and looked at once a second."""

    def __init__(self, number, backlog=0):
        self.source = TopicPartition("payments", number)
        self.meter = UnitMeter(self.source, "w1")
        self.end, self.done = backlog, 0
        self.committed = None
        self.stamps = [T0] * backlog

    def live(self, now_ms, what):
        self.stamps += np.linspace(now_ms - 1_000, now_ms, what.produced, endpoint=False).astype(int).tolist()
        self.end += what.produced
        self.done -= what.back
        before, self.done = self.done, min(self.done + what.consumed, self.end)
        n = self.done - before
        bad = min(what.rejected, n)
        appended = np.full(n - bad, now_ms - what.latency_ms, np.int64)
        if n:
            output = Output(time_ms=appended - 5, appended_ms=appended, rejects={"bad-json": bad} if bad else {})
            self.meter.observe(output, self._chunk(n), now_ms)
        if what.commits:
            self.committed = Committed(self.done, now_ms)
        event = self.meter.drain(now_ms)
        return [] if event is None else [event]

    def _chunk(self, n):
        offsets = np.arange(n, dtype=np.int64)
        return Chunk(
            topic="payments",
            partition=0,
            offsets=offsets,
            timestamps_ms=offsets,
            keys=[None] * n,
            values=[b"{}"] * n,
            next_offset=n,
        )

    def look(self, now_ms):
        waiting = self.done < self.end
        return Look(
            source=self.source,
            time_ms=now_ms,
            start=0,
            end=self.end,
            committed=self.committed,
            position=self.done,
            next_ms=self.stamps[self.done] if waiting else None,
        )


def alerts_of(seconds, *, backlog=0, quiet=True):
    """Alerts of a run, as (rule, second); a second partition is quiet, or gets what the first gets."""
    shard = build_shard(CONFIG, TopicPartition(health_topic("shop"), 0))
    first, second = Partition(0, backlog), Partition(1)
    sampler = LagSampler(commit_ms=1_000)
    raised, offset = [], 0
    for at, what in enumerate(seconds, start=1):
        now_ms = T0 + 1_000 * at
        events = first.live(now_ms, what) + second.live(now_ms, Second(0, 0) if quiet else what)
        events += [sample.encode() for sample in sampler.measure([first.look(now_ms), second.look(now_ms)])]
        offsets = np.arange(offset, offset + len(events), dtype=np.int64)
        offset += len(events)
        chunk = Chunk(
            topic=health_topic("shop"),
            partition=0,
            offsets=offsets,
            timestamps_ms=np.full(len(events), now_ms, np.int64),
            keys=[None] * len(events),
            values=events,
            next_offset=offset,
        )
        output = shard.process(chunk)
        assert output.rejects == {}
        assert output.late == 0
        raised += [(alert.rule, alert.key, at) for alert in output.alerts]
    return raised


def test_silent_when_healthy():
    """A run of a minute with a start-up backlog of seconds raises nothing."""
    start = [Second(consumed=0, commits=False)] * 4 + [Second(consumed=5_000, latency_ms=4_000)] * 2
    assert alerts_of([*start, *[Second()] * 50], backlog=3_000) == []


def test_silent_when_traffic_is_noisy():
    """Ten minutes of traffic that wanders by half, with a batch of commits late by seconds, raise nothing."""
    rng = np.random.default_rng(5)
    counts = rng.poisson(50 * (1 + 0.5 * np.sin(np.arange(600) / 60)))
    seconds = [
        Second(produced=int(n), consumed=100_000, latency_ms=int(rng.integers(10, 900)), commits=at % 90 > 4)
        for at, n in enumerate(counts)
    ]
    assert alerts_of(seconds) == []


def test_silent_after_the_end():
    """When the producers of a short run end, nothing is raised either."""
    assert alerts_of([*[Second()] * 30, *[Second(0, 0, commits=False)] * 60]) == []


@pytest.mark.parametrize("commits", [True, False])
def test_stall(commits):
    """A partition that is no longer consumed raises a stall within 20 s, once in five minutes, for this partition."""
    raised = alerts_of([*[Second()] * 20, *[Second(consumed=0, commits=commits)] * 60])
    assert [(rule, key) for rule, key, _ in raised] == [("health-stall", "payments/0")]
    assert 20 < raised[0][2] <= 40


def test_lag_growing():
    """A partition that is consumed slower than it is produced raises growing lag once it is ten seconds behind."""
    raised = alerts_of([*[Second()] * 20, *[Second(consumed=500)] * 60])
    assert [(rule, key) for rule, key, _ in raised] == [("health-lag-growing", "payments/0")]
    assert 40 <= raised[0][2] <= 45


def test_rewind():
    """A position that went back raises a rewind, and nothing else while it is worked off."""
    seconds = [*[Second()] * 20, Second(back=15_000), *[Second(consumed=2_000)] * 20]
    assert alerts_of(seconds) == [("health-rewind", "payments/0", 21)]


def test_reject_surge():
    """A fifth of undecodable records raises a surge of rejects at once; one in fifty doesn't."""
    assert alerts_of([Second(rejected=20)] * 60) == []
    raised = alerts_of([*[Second()] * 20, *[Second(rejected=600)] * 20])
    assert [(rule, key) for rule, key, _ in raised] == [("health-reject-surge", "payments/0")]
    assert raised[0][2] <= 25


def test_throughput():
    """After minutes of steady traffic, a loss of nearly all of it raises a drop, and its tripling a surge."""
    steady = [Second()] * 300
    assert [rule for rule, _, _ in alerts_of([*steady, *[Second(50, 50)] * 30])] == ["health-throughput-drop"]
    assert [rule for rule, _, _ in alerts_of([*steady, *[Second(4_000, 4_000)] * 30])] == ["health-throughput-surge"]


def test_latency_surge():
    """After minutes at 40 ms, a 99th percentile of six seconds raises a latency surge; half a second doesn't."""
    steady = [Second()] * 300
    assert alerts_of([*steady, *[Second(latency_ms=500)] * 30]) == []
    assert [rule for rule, _, _ in alerts_of([*steady, *[Second(latency_ms=6_000)] * 30])] == ["health-latency-surge"]


@pytest.mark.parametrize("cause", Cause)
def test_a_stuck_partition_names_its_cause(cause):
    """What a watchdog finds becomes an alert whose rule names the cause, for the partition that hangs."""
    found = [Stuck(TopicPartition("payments", 1), cause, 20.0, 1)]
    (outgoing,) = stuck_events("shop", found, T0)
    events = list(outgoing.records.values)
    output = build_shard(CONFIG, TopicPartition(health_topic("shop"), 0)).process(
        Chunk(
            topic=health_topic("shop"),
            partition=0,
            offsets=np.arange(1),
            timestamps_ms=np.array([T0]),
            keys=[None],
            values=events,
            next_offset=1,
        )
    )
    assert output.rejects == {}
    assert [(alert.rule, alert.key) for alert in output.alerts] == [
        (f"health-stuck-{cause.name.lower()}", "payments/1")
    ]
