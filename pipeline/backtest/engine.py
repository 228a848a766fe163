"""Recorded events through the shards of the live worker, repartitioned stages included, in one process.

::

    step of records ──> source shards ──> packed rows ──> merged in the records' order ──> shards by other keys
                              └─────────────── alerts, scores, refused and late records ──────────┘

Live, the order in which rows of different partitions meet at another key is chance. Here it is the order of the records
themselves, so that what is known at a record is what stands before it, however many records are processed at once. Only
the ids of alerts about closed windows of such tables differ: they name a place in an internal topic.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from agents.events import Alert, Batch, Chunk, Headers, Int64, Output, TopicPartition, joined
from pipeline.backtest.lane import Lane
from pipeline.backtest.lines import Feed
from pipeline.config.model import AppConfig
from pipeline.deadletter import dead_letter_topic, parse_dead_letter
from pipeline.packed import Packed, pack, unpack
from pipeline.plan import SourcePlan, plans
from tables.keys import NEVER


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """Records of one batch that got a score, as columns of length ``n``.

    Args:
        by: Name of the detector.
        ids: The records' own ids, or their places in a stream without ids.
        time_ms: Event times.
        score: As reported; never NaN.
        order: Where each record stands among all.
    """

    by: str
    ids: list[str]
    time_ms: Int64
    score: np.ndarray[tuple[int], np.dtype[np.float64]]
    order: Int64


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A record that could not be decoded: where it stands among all and in its partition, and why."""

    order: int
    where: dict[str, Any]
    reason: str
    message: str


@dataclass(kw_only=True, slots=True)
class Happened:
    """What a step gave.

    Args:
        alerts: Where the record that fired stands among all, and the alert; in that order.
        scored: One for each batch and detector.
        refused: In order.
        late: Records that came after their window had closed.
        records: Records that counted.
        first_ms: Their oldest event time; ``None`` without records.
        last_ms: Their newest event time.
    """

    alerts: list[tuple[int, Alert]] = field(default_factory=list)
    scored: list[Scored] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    late: int = 0
    records: int = 0
    first_ms: int | None = None
    last_ms: int | None = None


class Engine:
    """Runs steps of records through the shards of a configuration.

    Workers' measurements of themselves are left out: there are no workers.

    Args:
        config: What to run.

    Raises:
        ExpressionError: If an expression is wrong.

    Cost: that of the shards, and about 1 us a record for its place among the others.
    """

    def __init__(self, config: AppConfig) -> None:
        self._plans = plans(replace(config, health=False))
        self._lanes: dict[TopicPartition, Lane] = {}
        self._internal: dict[TopicPartition, int] = defaultdict(int)
        self._places: dict[TopicPartition, Feed] = {}
        self._last = 0
        self._now_ms = NEVER
        self._found = Happened()

    def step(self, feeds: Sequence[Feed]) -> Happened:
        """Process records; each partition at most once, all of them after those of the step before."""
        self._found = found = Happened()
        self._places = {TopicPartition(feed.chunk.topic, feed.chunk.partition): feed for feed in feeds}
        rows: dict[TopicPartition, list[Packed]] = defaultdict(list)
        for source, feed in self._places.items():
            self._last = max(self._last, int(feed.order.max(initial=0)))
            self._now_ms = max(self._now_ms, int(feed.chunk.timestamps_ms.max(initial=NEVER)))
            for output in self._lane(source).process(feed.chunk):
                self._take(output, self._plans[source.topic])
                self._collect(output, rows)
        for target in sorted(rows):
            for output in self._by_other_key(target, rows[target]):
                self._take(output, self._plans[target.topic])
        return self._sorted(found)

    def finish(self) -> Happened:
        """Let the idle partitions' event time come to the end of the clock."""
        self._found, self._places = Happened(), {}
        for source, lane in sorted(self._lanes.items()):
            for output in lane.wait(self._now_ms):
                self._take(output, self._plans[source.topic])
        return self._sorted(self._found)

    def _sorted(self, found: Happened) -> Happened:
        found.alerts.sort(key=lambda pair: pair[0])
        found.refused.sort(key=lambda refused: refused.order)
        return found

    def _lane(self, source: TopicPartition) -> Lane:
        if source not in self._lanes:
            self._lanes[source] = Lane(self._plans[source.topic], source.partition, on_scores=self._on_scores)
        return self._lanes[source]

    def _take(self, output: Output, plan: SourcePlan) -> None:
        found = self._found
        found.alerts += [(self._order_of(alert), alert) for alert in output.alerts]
        found.late += output.late
        if plan.repartitioned:  # its records were counted where they came from
            return
        found.records += len(output.time_ms)
        if len(output.time_ms):
            first, last = int(output.time_ms.min()), int(output.time_ms.max())
            found.first_ms = first if found.first_ms is None else min(first, found.first_ms)
            found.last_ms = last if found.last_ms is None else max(last, found.last_ms)
        for topic, _, records in output.outgoing:
            if topic == dead_letter_topic(plan.topic):
                found.refused += [self._refused(headers) for headers in records.headers or ()]

    def _refused(self, headers: Headers) -> Refused:
        letter = parse_dead_letter(headers)
        at = letter.origin
        order = int(self._orders(at.topic, [at.partition], [at.offset])[0])
        where = {"topic": at.topic, "partition": at.partition, "offset": at.offset}
        return Refused(order=order, where=where, reason=letter.reason, message=letter.message)

    def _collect(self, output: Output, rows: dict[TopicPartition, list[Packed]]) -> None:
        for topic, partition, records in output.outgoing:
            if topic in self._plans and self._plans[topic].repartitioned and partition is not None:
                rows[TopicPartition(topic, partition)] += [unpack(value) for value in records.values]

    def _by_other_key(self, target: TopicPartition, parts: list[Packed]) -> Iterator[Output]:
        """Rows of one internal partition, in the order of the records that they came from."""
        batch = joined([part.batch for part in parts])
        stream_ms = np.concatenate([part.stream_ms for part in parts])
        late = np.concatenate([part.late for part in parts])
        order = np.argsort(self._orders(batch.topic, batch.partition, batch.offsets), kind="stable")
        lane = self._lane(target)
        now_ms = batch.appended_ms[order]
        for start, stop in lane.stretches(now_ms):
            yield from lane.wait(int(now_ms[start]))
            payload = pack(batch, stream_ms=stream_ms, late=late, rows=order[start:stop])
            offset = self._internal[target]
            self._internal[target] += 1
            yield lane.shard.process(
                Chunk(
                    topic=target.topic,
                    partition=target.partition,
                    offsets=np.array([offset]),
                    timestamps_ms=now_ms[stop - 1 : stop],
                    keys=[None],
                    values=[payload],
                    next_offset=offset + 1,
                )
            )

    def _on_scores(self, by: str, batch: Batch, score: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
        at = np.flatnonzero(~np.isnan(score))
        if not len(at):
            return
        stream = next(plan.stream for plan in self._plans.values() if plan.stream.name == batch.stream)
        ids = batch.columns[stream.id] if stream.id else None
        if ids is None:
            places = zip(batch.partition[at].tolist(), batch.offsets[at].tolist(), strict=True)
            named = [f"{batch.topic}/{partition}/{offset}" for partition, offset in places]
        else:
            named = [str(ids[i]) for i in at.tolist()]
        self._found.scored.append(
            Scored(
                by=by,
                ids=named,
                time_ms=batch.time_ms[at],
                score=score[at],
                order=self._orders(batch.topic, batch.partition[at], batch.offsets[at]),
            )
        )

    def _order_of(self, alert: Alert) -> int:
        """Where the record that fired stands; one that is not of this step is the end of a window, and stands last."""
        source = alert.source
        if TopicPartition(source.topic, source.partition) not in self._places:
            return self._last
        return int(self._orders(source.topic, [source.partition], [source.offset])[0])

    def _orders(self, topic: str, partition: Int64 | list[int], offsets: Int64 | list[int]) -> Int64:
        """Where records stand among all, shape ``(n,)``."""
        partitions, places = np.asarray(partition, np.int64), np.asarray(offsets, np.int64)
        found = np.full(len(places), self._last, np.int64)
        for number in np.unique(partitions).tolist():
            feed = self._places.get(TopicPartition(topic, number))
            if feed is None:
                continue
            mine = np.flatnonzero(partitions == number)
            at = np.searchsorted(feed.chunk.offsets, places[mine])
            known = (at < len(feed.order)) & (feed.chunk.offsets[np.minimum(at, len(feed.order) - 1)] == places[mine])
            found[mine[known]] = feed.order[at[known]]
        return found
