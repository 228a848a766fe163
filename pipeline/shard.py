"""A shard: all the state of one source partition, synchronous and pure.

The live worker, a backtest, a replay and the unit tests run the same shard. What it gives depends on the records of its
partition and their order, and not on how they were cut into chunks.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from agents.events import Alert, Batch, Chunk, Int64, Output, TopicPartition
from agents.hashes import ColumnHashes
from agents.keyed import Found, KeyedAgent
from agents.series.agent import SeriesAgent
from agents.series.samples import Ending, SampleRefs
from pipeline.codec import Decoder
from pipeline.deadletter import dead_letters, late_records
from pipeline.errors import StateError
from pipeline.plan import SourcePlan
from pipeline.shard_input import packed_rows
from pipeline.shard_output import OnScores, Repartitioner, closed_windows, endings
from pipeline.shard_patterns import ShardPatterns
from pipeline.shard_scores import ShardScores
from pipeline.shard_series import ShardSeries
from pipeline.shard_state import META, Meta, Progress, read_meta
from tables.arrivals import Closed
from tables.clock import StreamClock
from tables.keys import NEVER
from tables.slab import SlabError


class Shard:
    """Decodes, keeps tables, detects.

    Args:
        plan: What to do for the topic.
        partition: Which partition of it.
        on_scores: Told the score of each record, by whoever scores records; ``None`` for nobody.
    """

    def __init__(self, plan: SourcePlan, partition: int, *, on_scores: OnScores | None = None) -> None:
        self.plan = plan
        self._on_scores = on_scores
        self.source = TopicPartition(plan.topic, partition)
        self.position = 0
        self.notices: list[str] = []
        self.counts: dict[str, int] = dict.fromkeys(("records", "late", "rejects", "evicted", "expired"), 0)
        keyed = plan.keyed
        bounded = {name for agent in keyed for name in agent.bounded} | {spec.amount for spec in plan.scores}
        self._decoder = Decoder(plan.stream, needed=plan.needed, bounded=bounded)
        origins = plan.stream.partitions if plan.repartitioned else 0
        self._clock = StreamClock(skew_ms=plan.skew_ms, expected=origins)
        self._remembered_ms = NEVER
        hashes = ColumnHashes()
        self._keyed = {agent.by: KeyedAgent(agent, hashes) for agent in keyed}
        self._series = ShardSeries((*plan.samples, *plan.windows))
        self._scores = ShardScores(plan.scores, plan.stream, hashes)
        self._patterns = ShardPatterns(plan, hashes)
        self._dropped_before = (0, 0)
        self._tumbling = any(table.window.kind == "tumbling" for table in plan.tables.values())
        self._repartitioner = Repartitioner(plan.repartitions, hashes)
        self._progress = Progress()
        self._gone: set[bytes] = set()

    @property
    def watermark_ms(self) -> int:
        """Newest event time seen."""
        return self._clock.head_ms

    @property
    def emitted(self) -> int:
        """Offset up to which (exclusive) what comes of the records is out already."""
        return self._progress.emitted

    @property
    def history(self) -> int:
        """How many offsets before the position are to be re-read after a restore, as evidence for alerts to come."""
        return max((agent.plan.reach for agent in self._keyed.values() if agent.plan.rules), default=0)

    # ---- records in -------------------------------------------------------------------------------------------------

    def process(self, chunk: Chunk) -> Output:
        """Apply a chunk; what it gave."""
        output = Output()
        if self.plan.repartitioned:
            for packed, positions in packed_rows(chunk, apart=self._tumbling):
                for origin in np.unique(packed.batch.partition).tolist():
                    self._clock.arrived(origin, int(packed.stream_ms[packed.batch.partition == origin].max()))
                self._apply(packed.batch, positions, output, own_ms=packed.stream_ms)
        else:
            batch, rejects = self._decoder.decode(chunk)
            for reject in rejects:
                output.rejects[reject.reason] = output.rejects.get(reject.reason, 0) + 1
            if rejects:
                output.outgoing.append(dead_letters(chunk, rejects, self.plan.topic))
            self._apply(batch, batch.offsets, output, chunk=chunk)
        self.position = chunk.next_offset
        self.counts["rejects"] += sum(output.rejects.values())
        return output

    def advance(self, time_ms: int) -> Output:
        """Let event time come to ``time_ms`` without a record: windows close."""
        output = Output()
        if time_ms > self._clock.head_ms:
            self._progress.disturbed()
        self._clock.advance(time_ms)
        self._close(np.empty(0, np.int64), np.empty(0, np.int64), output)
        return output

    def remember(self, chunk: Chunk) -> None:
        """Take records from before the position, for evidence only."""
        if self.plan.repartitioned:
            for packed, positions in packed_rows(chunk, apart=self._tumbling):
                for agent in self._keyed.values():
                    agent.remember(packed.batch, positions, packed.stream_ms)
            return
        batch, _ = self._decoder.decode(chunk)
        own_ms = np.maximum.accumulate(np.maximum(batch.time_ms, self._remembered_ms))
        self._remembered_ms = int(own_ms[-1]) if len(own_ms) else self._remembered_ms
        for agent in self._keyed.values():
            agent.remember(batch, batch.offsets, own_ms)

    def _apply(
        self,
        batch: Batch,
        positions: Int64,
        output: Output,
        *,
        own_ms: Int64 | None = None,
        chunk: Chunk | None = None,
    ) -> None:
        """Apply decoded records; rows that were repartitioned bring the clock of their origin, others their chunk."""
        if not len(batch):
            return
        before = self._dropped()
        head_ms = self._clock.observe(batch.time_ms if own_ms is None else own_ms)
        own_ms = head_ms if own_ms is None else own_ms
        allowed, alerts = self._patterns.look_up(batch, head_ms)
        late: dict[str, Int64] = {}
        for agent in self._keyed.values():
            found: Found = agent.process(batch, positions, own_ms, head_ms, allowed)
            alerts += found.alerts
            late |= found.late
        for spec in self.plan.samples:
            alerts += self._sample(spec.name, batch)
        ended = [ending for spec in self.plan.samples for ending in self._series[spec.name].take_endings()]
        self._tell(sorted(ended), output)
        alerts += self._patterns.follow(batch, allowed)
        alerts += self._scores.process(batch, head_ms, self._on_scores)
        alerts.sort(key=lambda pair: pair[0])
        output.alerts += [alert for _, alert in alerts]
        output.time_ms = np.concatenate((output.time_ms, batch.time_ms))
        output.appended_ms = np.concatenate((output.appended_ms, batch.appended_ms))
        if late:
            n_late = len(np.unique(np.concatenate(list(late.values()))))
            output.late += n_late
            self.counts["late"] += n_late
            output.outgoing.append(late_records(batch, late, own_ms, chunk=chunk, key=self.plan.stream.key))
        output.outgoing += self._repartitioner.split(batch, own_ms)
        self._close(head_ms, positions, output)
        evicted, expired = self._dropped()
        output.evicted += evicted - before[0]
        output.expired += expired - before[1]
        self.counts["records"] += len(batch)

    def _dropped(self) -> tuple[int, int]:
        """Keys evicted and expired so far."""
        groups = [agent.group for agent in self._keyed.values()]
        evicted, expired = self._dropped_before
        more = self._scores.dropped
        evicted += sum(group.evicted for group in groups) + more[0]
        return evicted, expired + sum(group.expired for group in groups) + more[1]

    def _sample(self, name: str, batch: Batch) -> list[tuple[int, Alert]]:
        agent = self._series[name]
        names, values = batch.columns[str(agent.spec.by)], batch.columns[agent.spec.value]
        series = names if isinstance(names, Sequence) else names.tolist()
        ids = batch.columns[self.plan.stream.id] if self.plan.stream.id else None
        refs = SampleRefs.of_batch(batch, ids=None if isinstance(ids, np.ndarray) else ids)
        field = agent.spec.calibration
        learning = np.asarray(batch.columns[field], np.int64) if field else None
        measured = np.asarray(values, np.float64)
        scores, alerts = agent.take(series, batch.time_ms, measured, refs, calibration=learning)
        if self._on_scores is not None:
            self._on_scores(name, batch, scores)
        at = np.searchsorted(batch.offsets, [alert.source.offset for alert in alerts])  # of one partition, so in order
        return list(zip(at.tolist(), alerts, strict=True))

    def _close(self, head_ms: Int64, positions: Int64, output: Output) -> None:
        for agent in self._keyed.values():
            agent.group.close(self._clock.closed_ms)
            for name, closed in agent.group.take_closed():
                table = agent.group.tables[name].spec
                if table.sends_closed:
                    output.outgoing.append(closed_windows(self.plan.app, table, closed))
                due_ms = closed.window_start_ms + table.window.size_ms + table.window.grace_ms
                closer = self._closer(due_ms, head_ms, positions)
                for spec in self.plan.windows:
                    if spec.table == name:
                        output.alerts += self._window(self._series[spec.name], closed, table.window.size_ms, closer)
                        self._tell(self._series[spec.name].take_endings(), output)

    def _tell(self, ended: list[Ending], output: Output) -> None:
        if self.plan.tells_ends:
            output.outgoing += endings(self.plan.app, ended)

    def _closer(self, due_ms: int, head_ms: Int64, positions: Int64) -> int:
        """Offset of the record with which a window was due to close."""
        at = int(np.searchsorted(head_ms, due_ms))
        return int(positions[min(at, len(positions) - 1)]) if len(positions) else self.position - 1

    def _window(self, agent: SeriesAgent, closed: Closed, size_ms: int, closer: int) -> list[Alert]:
        n = len(closed.keys)
        start_ms = np.full(n, closed.window_start_ms)
        refs = SampleRefs(
            stream=self.plan.stream.name,
            topic=self.source.topic,
            partition=np.full(n, self.source.partition),
            offsets=np.full(n, closer),
            appended_ms=start_ms + size_ms,
            window_start_ms=start_ms,
            window_end_ms=start_ms + size_ms,
        )
        return agent.process(closed.keys, start_ms + size_ms, closed.columns[agent.spec.value].astype(np.float64), refs)

    # ---- stored form ------------------------------------------------------------------------------------------------

    def dirty(self) -> dict[bytes, bytes | None]:
        """Slabs that changed since the last call, by key, and the one that holds the position; ``None``: gone."""
        slabs: dict[bytes, bytes | None] = dict.fromkeys(sorted(self._gone))
        self._gone.clear()
        for by, agent in self._keyed.items():
            for name, slab in agent.group.take_dirty(self.position).items():
                slabs[f"by/{by}/{name}".encode()] = slab
        slabs |= (
            self._series.dirty(self.position) | self._scores.dirty(self.position) | self._patterns.dirty(self.position)
        )
        self.counts["evicted"], self.counts["expired"] = self._dropped()
        now = self._clock
        meta = Meta(self.position, now.head_ms, now.closed_ms, now.origins, self._definitions(), dict(self.counts))
        slabs[META] = self._progress.full(meta)
        return slabs

    def progress(self) -> dict[bytes, bytes | None] | None:
        """The slab that says that all up to the position is out; ``None`` if the state has to be stored."""
        meta = self._progress.early(self.position)
        return None if meta is None else {META: meta}

    def restore(self, slabs: Mapping[bytes, bytes]) -> None:
        """Take over the latest stored slabs; without any the position is 0.

        Raises:
            StateError: If a slab can't be read.
        """
        if META not in slabs:
            return
        try:
            self._restore(slabs, read_meta(slabs))
        except SlabError as error:
            raise StateError(f"state of {self.source} can't be restored: {error}") from error

    def _restore(self, slabs: Mapping[bytes, bytes], meta: Meta) -> None:
        self.position = meta.position
        self._progress.restored(meta)
        self.counts |= meta.counts
        self._dropped_before = (self.counts["evicted"], self.counts["expired"])
        self._clock.restore(meta.head_ms, meta.origins)
        for by, agent in self._keyed.items():
            prefix = f"by/{by}/".encode()
            own = {key[len(prefix) :].decode(): slab for key, slab in slabs.items() if key.startswith(prefix)}
            unknown = agent.group.load(own, meta.head_ms, meta.closed_ms)
            self._gone |= {prefix + name.encode() for name in unknown}
        self._gone |= self._series.restore(slabs)
        self._gone |= self._scores.restore(slabs, meta.head_ms) | self._patterns.restore(slabs)
        self._gone |= {
            key for key in slabs if key.startswith(b"by/") and key.split(b"/")[1].decode() not in self._keyed
        }
        now = self._definitions()
        for name in sorted(now.keys() & meta.definitions.keys()):
            if now[name] != meta.definitions[name]:
                self.notices.append(
                    f"{name} was changed: its state in {self.source} starts anew at offset {self.position}"
                )

    def _definitions(self) -> dict[str, str]:
        tables = {table.name: table.version for agent in self._keyed.values() for table in agent.plan.tables}
        return tables | self._series.versions | self._scores.versions | self._patterns.versions
