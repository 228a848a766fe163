"""One owned source partition: its shard, the fence that proves the ownership, and what waits to be committed."""

import asyncio
import logging
import time

import numpy as np

from agents.events import Alert, Chunk, Outgoing, Output, Records, TopicPartition
from pipeline.alerts import encode_alert
from pipeline.codec import Reason, Reject
from pipeline.deadletter import dead_letter_topic, dead_letters
from pipeline.health.events import UnitMeter
from pipeline.health.events import outgoing as health_outgoing
from pipeline.log.api import Fence, TopicSpec
from pipeline.worker.units import chunks
from pipeline.worker.units.contract import Shard, Sinks
from pipeline.worker.units.pace import Backlog, event_ms_of
from tables.keys import NEVER
from tables.slices import payload_bytes

_logger = logging.getLogger(__name__)
MANY_RECORDS = 32_768
"""Twice as many pending records and alerts stop the fetching, so memory stays bounded."""
MANY_BYTES = 16 << 20
"""The same for the size of what is pending: a record of an internal topic holds many rows."""
_LEAST_COST_S = 0.001
_WRITE_COST = 2  # writing what a commit holds takes about as long as putting it together


class Unit:
    """Applies chunks to a shard and commits what comes of it.

    A unit lives for one term of ownership. Whatever goes wrong ends it: half-applied state is never committed, and the
    next unit starts from what the log says.

    Args:
        fence: Proof of owning the partition.
        sinks: Where to write.
        meter: Measures what flows; ``None`` to measure nothing.
    """

    def __init__(self, fence: Fence, sinks: Sinks, meter: UnitMeter | None = None) -> None:
        self.fence = fence
        self.source: TopicPartition = fence.source
        self.token: object | None = None  # what chunks must carry to be applied; None unless the unit is open
        self.failure: Exception | None = None  # why the unit ended, when it did not end by being given up
        self.is_leaving = False  # whether the partition was given up already, so that a refused commit is no news
        self.stopped = False  # whether opening it again would fail again
        self.is_retry = False  # whether the unit before it broke, and nothing was committed since
        self.retry_at = 0.0  # when it may be opened again, on the loop's clock
        self.in_flight = False  # whether a chunk is on its way through the agent
        self.in_flight_to = 0  # up to where
        self.is_committing = False
        self.backlog = Backlog()
        self.is_bounded = False  # whether the last chunk came with a bound at which to stop
        self.is_held = False  # whether it waits for partitions that are behind it in event time
        self.rest: Chunk | None = None  # of the last chunk, where it was to stop before the end
        self.fed_at = 0.0  # when the last chunk came, on the loop's clock
        self.committed = 0  # position of the last commit
        self.visible_ms = NEVER  # event time that had been reached then
        self.pace_ms: float | None = None  # event time that a record takes, of late
        self.restore_steps = 0  # how often its restoring got on
        self.awaits_turn = False  # whether others are being restored first
        self.commits = 0
        self.commit_cost_s = 0.0  # processor time that the last commit took, about, but for encoding alerts
        self.pending_records = 0
        self.pending_bytes = 0
        self.alerts: list[Alert] = []
        self._sinks = sinks
        self._meter = meter
        self._outgoing: list[Outgoing] = []
        self._touched = False
        self._may_be_early = True
        self._is_full = False  # whether keys had to make room, which is said once
        self._shard: Shard | None = None

    @property
    def shard(self) -> Shard:
        """The shard; there is one from opening on."""
        if self._shard is None:
            raise RuntimeError(f"{self.source}: the unit has not been opened")
        return self._shard

    @property
    def was_opened(self) -> bool:
        """Whether there is a shard."""
        return self._shard is not None

    @property
    def is_open(self) -> bool:
        """Whether chunks are applied."""
        return self.token is not None

    @property
    def is_clean(self) -> bool:
        """Whether nothing waits to be applied or committed."""
        return not self._touched and not self.in_flight

    @property
    def is_urgent(self) -> bool:
        """Whether what waits should not wait for the regular commit."""
        return self.is_open and bool(self.alerts or self._outgoing)  # somebody waits for it, perhaps another unit

    @property
    def wants_more(self) -> bool:
        """Whether it can take another chunk now."""
        return self.is_open and not self.in_flight and self.has_room

    @property
    def next_position(self) -> int:
        """Where the chunk after the one under way begins."""
        return self.in_flight_to if self.in_flight else self.shard.position

    @property
    def has_room(self) -> bool:
        """Whether so little waits to be committed that more may be processed."""
        return self.pending_records < 2 * MANY_RECORDS and self.pending_bytes < 2 * MANY_BYTES

    def wants_from(self, position: int) -> bool:
        """Whether it stands there and has nothing under way."""
        return self.is_open and not self.in_flight and self.shard.position == position

    def found(self, chunk: Chunk | None, position: int) -> None:
        """Note what the log has for it at once from ``position`` on, if anything."""
        if chunk is None:
            self.backlog.found(0, 0, 0.0, position)
        else:
            event_ms = event_ms_of(chunk.timestamps_ms, self.pace_ms)
            self.backlog.found(len(chunk), payload_bytes(chunk.values), event_ms, chunk.next_offset)

    @property
    def is_done(self) -> bool:
        """Whether it is open and others have all of what it had to catch up with."""
        return self.is_open and self.backlog.is_worked_off(self.committed)

    def start(self, shard: Shard) -> None:
        """Begin with a restored shard."""
        self._shard, self.token = shard, object()
        self.committed, self.visible_ms = shard.position, shard.watermark_ms

    def renew_token(self) -> None:
        """Disown the chunks that are under way, because the frame has thrown them away."""
        if self.is_open:
            self.token, self.in_flight = object(), False

    def end(self, failure: Exception | None = None) -> None:
        """Apply and commit nothing any more."""
        self.token, self.failure, self.in_flight = None, failure, False

    def apply(self, chunk: Chunk) -> None:
        """Process a chunk. After an exception the unit must be ended."""
        chunk = self._replay(chunk)
        output = self.shard.process(chunk)
        if not len(chunk):
            self._pass()
            return
        if self._meter is not None:
            self._meter.observe(output, chunk, self._sinks.now_ms())
        if output.evicted and not self._is_full:
            self._is_full = True
            _logger.warning("%s: a table is full, keys seen longest ago make room: raise max_keys", self.source)
        self._gather(output)

    def _replay(self, chunk: Chunk) -> Chunk:
        """Bring the state to where its alerts and records are out already, and return the rest of the chunk."""
        count = int(np.searchsorted(chunk.offsets, self.shard.emitted))
        if not count:
            return chunk
        part = chunks.head(chunk, count)
        output = self.shard.process(part)
        self._touched = True
        if self._meter is not None:
            now_ms = self._sinks.now_ms()
            self._meter.observe(output, part, now_ms)
            self._meter.alerted(output.alerts, now_ms)
        return chunks.tail(chunk, count)

    def _pass(self) -> None:
        """Go past what holds no records, such as the markers of transactions.

        That can be done again after a restart, so it needs no commit. Commits make markers too: two units that feed
        each other would never rest.
        """
        if not self._touched:
            self.committed, self.visible_ms = self.shard.position, self.shard.watermark_ms

    def advance(self, time_ms: int) -> None:
        """Let event time pass without records; only what comes of it needs a commit."""
        output = self.shard.advance(time_ms)
        if output.alerts or output.outgoing:
            self._gather(output)

    async def bury(self, poison: Chunk, error: str) -> str:
        """Go past a record that can't be processed, sending it to where somebody can look at it.

        Args:
            poison: The record alone, as a chunk.
            error: Class of the error.

        Returns:
            The dead-letter topic. Streams have theirs from the start, internal topics get one when it is needed.
        """
        log, topic = self._sinks.log, dead_letter_topic(self.source.topic)
        partitions = (await log.topics())[self.source.topic].partitions
        await log.create_topic(TopicSpec(name=topic, partitions=partitions))
        message = "processing it raised an error each time it was tried"
        letter = dead_letters(poison, [Reject(0, int(poison.offsets[0]), Reason.POISON, error, message)])
        output = self.shard.process(chunks.nothing(*self.source, poison.next_offset))
        self.passed_over()
        output.outgoing.append(letter)
        output.rejects[Reason.POISON] = len(poison)
        if self._meter is not None:
            self._meter.observe(output, poison, self._sinks.now_ms())
        self._gather(output)
        return topic

    def passed_over(self) -> None:
        """Note that a record was left out: processing from an earlier state again would not do that."""
        self._may_be_early = False

    def _gather(self, output: Output) -> None:
        self._touched = True
        self.alerts.extend(output.alerts)
        self._outgoing.extend(output.outgoing)
        self.pending_records += len(output.alerts) + sum(len(each.records) for each in output.outgoing)
        self.pending_bytes += sum(payload_bytes(each.records.values) for each in output.outgoing)

    async def commit(self, *, early: bool = False) -> bool:
        """Make alerts, outgoing records, changed slabs and the position visible together; returns whether it did.

        Args:
            early: Leave the slabs for later where the shard allows it; see ``shard_state.Progress``.

        Raises:
            FencedError: If another worker owns the partition. After this and any other error the outcome counts as
                unknown, and the unit must be ended.
        """
        if not self.is_open or not (self.is_urgent if early else self._touched):
            return False
        now_ms = self._sinks.now_ms()
        self._encode_alerts(now_ms)  # not timed: it costs the same however often commits are made
        started = time.perf_counter()
        outgoing, reached = self._take(now_ms, early=early), (self.shard.position, self.shard.watermark_ms)
        self.commit_cost_s = max(_LEAST_COST_S, _WRITE_COST * (time.perf_counter() - started))
        # Shielded: a commit that was abandoned half-way could land after the partition was restored anew.
        writing = asyncio.ensure_future(self._sinks.log.commit(self.fence, reached[0], outgoing))
        self.is_committing = True
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])
            if writing.exception() is None:
                self._committed(*reached)
            raise
        finally:
            self.is_committing = False
        self._committed(*reached)
        return True

    def _committed(self, position: int, clock_ms: int) -> None:
        self.committed, self.visible_ms = position, clock_ms
        self.commits += 1
        self.is_retry = False

    def _encode_alerts(self, now_ms: int) -> None:
        """Make records of the alerts that wait; they are detected now."""
        alerts, self.alerts = self.alerts, []
        if alerts:
            self._outgoing.append(self._encoded(alerts, now_ms))
        if self._meter is not None:
            self._meter.alerted(alerts, now_ms)

    def _take(self, now_ms: int, *, early: bool) -> list[Outgoing]:
        """Everything that belongs into one commit: no await in here, so that all of it is of one moment."""
        outgoing, self._outgoing = self._outgoing, []
        self.pending_records = self.pending_bytes = 0
        slabs = self.shard.progress() if early and self._may_be_early else None
        is_full = slabs is None
        if slabs is None:
            slabs = self.shard.dirty()
            self._touched, self._may_be_early = False, True
        if self._meter is not None:
            # What was measured goes with the state: records that are processed again are measured again.
            event = self._meter.drain(now_ms) if is_full else None
            if event is not None:
                outgoing.extend(health_outgoing(self._sinks.app, [event]))
        state = Records(keys=list(slabs), values=list(slabs.values()))
        outgoing.append(Outgoing(self._sinks.state_topic(self.source.topic), self.source.partition, state))
        return chunks.merged(outgoing)

    def _encoded(self, alerts: list[Alert], now_ms: int) -> Outgoing:
        keys, values, headers = zip(
            *(encode_alert(alert, detected_ms=now_ms, app=self._sinks.app) for alert in alerts), strict=True
        )
        return Outgoing(self._sinks.alerts_topic, None, Records(keys=keys, values=values, headers=headers))
