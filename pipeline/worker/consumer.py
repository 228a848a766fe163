"""The consumer that Faust sees: fetches for units and plain partitions, and takes Faust through rebalances.

Overrides of Faust are in this file and in ``transport``, each with its reason.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from faust.assignor.client_assignment import ClientAssignment
from faust.transport.consumer import Consumer as FaustConsumer
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from agents.events import TopicPartition
from pipeline.log.api import Fence, Log, Membership
from pipeline.log.partitioner import murmur2
from pipeline.worker.fetching import Fetching
from pipeline.worker.keeper import Keeper
from pipeline.worker.plain import PlainFeed

frame_logger = logging.getLogger("faust.streamgauge")
"""Where Faust tells of starting and stopping; else it would be the logger of the module, among our messages."""


class LogConsumer(FaustConsumer):  # type: ignore[misc]  # Faust is untyped
    """Fetches for units and for plain partitions, and takes Faust through rebalances."""

    logger = frame_logger

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._log: Log = self.app.log_
        self._keeper: Keeper = self.app.keeper
        self._membership: Membership = self.app.membership
        self.feed = PlainFeed(lambda tp: self._acked_index[tp])
        self._fetching = Fetching(self._log, self._keeper, self.feed)
        self._owned: set[TP] | None = None
        self._partitions: dict[str, int] = {}
        self._staying: asyncio.Future[None] | None = None
        self._patience_s = self._membership.ttl_ms / 3000  # for commits that a rebalance waits for
        self.is_draining = False  # whether acknowledgements have lost their meaning, see ``LogApp.on_stop``

    # ---- membership, which Faust leaves to aiokafka's coordinator

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Note the topics. Joining happens in a task: the callbacks of a rebalance wait for this call to end."""
        for topic in self.app.topics:  # Faust declares internal ones only and lets the broker make the rest
            await topic.maybe_declare()
        self._partitions = {name: spec.partitions for name, spec in (await self._log.topics()).items()}
        for name in topics:  # not all are listed at once by a broker that has just been started
            if name not in self._partitions:
                self._partitions[name] = len(await self._log.partitions(name))
        self._membership.subscribe({name: self._partitions[name] for name in topics})
        if self._staying is None:
            self._staying = self.add_future(self._stay())

    async def _stay(self) -> None:
        try:
            await self._membership.stay(self._own, self._before_rebalance)
        except Exception as error:  # noqa: BLE001 - whatever it is, a worker that is no member must end
            self.app.fail(error)

    async def _before_rebalance(self) -> None:
        """Commit what waits, so that whoever gets a partition next has little to do again. Units go on meanwhile."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.commit(), self._patience_s)

    async def _own(self, fences: list[Fence]) -> None:
        owned = {TP(*fence.source) for fence in fences}
        if self.should_stop:
            return
        if owned != self._owned:
            await self._rebalance(owned)
        self.app.fences = {fence.source: fence for fence in fences}
        self._keeper.assign(fences)

    async def _rebalance(self, owned: set[TP]) -> None:
        """Take Faust through a rebalance in the order in which aiokafka would."""
        app, before = self.app, self._owned or set()
        await self._keeper.release({TopicPartition(*tp) for tp in before - owned}, timeout_s=self._patience_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(super().commit(), self._patience_s)
        app.on_rebalance_start()
        await self.on_partitions_revoked(before)
        self._owned = owned
        app.assignor._assignment = _assignment(owned)  # noqa: SLF001 - Faust's recovery reads it
        app.consumer_generation_id += 1
        await self.on_partitions_assigned(set(owned), app.consumer_generation_id)
        self._keeper.renew_tokens()  # Faust has emptied its queues, so what was under way is gone

    # ---- fetching

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109 - Faust's
        """One round. Faust's own fetches on whatever is under way, and puts each record of a topic into a queue."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow, timeout=timeout)
            return
        try:
            acking = self.app.topics.acking_topics
            messages = await self._fetching.messages(self._generation, self._active_partitions, acking)
        except Exception as error:  # noqa: BLE001 - whatever it is, a worker that can't fetch must end
            self.app.fail(error)
            await self.sleep(timeout)
            return
        for message in messages:
            # Its own generation, not the one at the start of the round: a rebalance that ended before the message was
            # made has disowned nothing of it, and its unit would wait for it for ever.
            if message.generation_id != self._generation():
                break  # a rebalance has begun since: its end disowns what is left here
            self._read_offset[message.tp] = None  # or Faust drops what a reopened unit reads again
            yield message.tp, message

    def _generation(self) -> int | None:
        return int(self.app.consumer_generation_id) if self.flow_active else None

    # ---- committing: units by themselves, plain partitions by what was acknowledged

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002 - Faust's
        """Commit units and plain partitions; Faust calls this at each commit interval."""
        await self._keeper.commit()
        self._membership.note(self._keeper.positions)
        return bool(await super().commit(topics))

    def _new_offset(self, tp: TP) -> int | None:
        """Up to where a plain partition is done. Faust's own is off by one at gaps and forgets order at a rebalance."""
        self._acked[tp].clear()
        return None if self.is_draining else self.feed.committable(tp)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        positions = {TopicPartition(*tp): offset for tp, offset in offsets.items()}
        await self._membership.commit_offsets(positions)
        return True

    async def on_stop(self) -> None:
        """Commit what waits, end the units and leave the group, so that others take over at once."""
        await super().on_stop()
        await self._keeper.release(list(self._keeper.units), timeout_s=self._membership.ttl_ms / 1000)
        self._membership.note(self._keeper.positions)
        await self._keeper.close()
        if self._staying is not None:  # a sign of life after leaving would be a return
            self._staying.cancel()
            await asyncio.wait([self._staying])
        await self._membership.leave()

    # ---- positions

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Start plain partitions at their committed offset, or at the first record kept; units know theirs."""
        committed = await self._log.committed(self.app.conf.id)
        positions = {}
        for tp in (tp for tp in self.assignment() if tp.topic not in self._keeper.topics):
            start, end, _ = (await self._log.partitions(tp.topic))[tp.partition]
            known = committed.get(TopicPartition(*tp))
            positions[tp] = start if known is None else min(max(known.offset, start), end)
            self._acked_index.pop(tp, None)
        self.feed.reset(positions)
        return positions

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Move plain partitions."""
        for tp, offset in partitions.items():
            self.feed.move(tp, offset)

    async def _seek(self, partition: TP, offset: int) -> None:
        self.feed.move(partition, offset)

    async def position(self, tp: TP) -> int | None:
        """Where the next fetch starts."""
        unit = self._keeper.units.get(TopicPartition(*tp))
        return self.feed.position(tp) if unit is None else unit.committed

    def assignment(self) -> set[TP]:
        """What is owned now."""
        return set(self._owned or ())

    def highwater(self, tp: TP) -> int:  # noqa: ARG002 - Faust's signature
        """Faust's monitor asks for it at each record; nobody reads it, so it is not worth a look at the log."""
        return 0

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """First offsets kept."""
        return {tp: (await self._log.partitions(tp.topic))[tp.partition].start for tp in partitions}

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Offsets after the last record."""
        return {tp: (await self._log.partitions(tp.topic))[tp.partition].end for tp in partitions}

    def topic_partitions(self, topic: str) -> int | None:
        """How many partitions a topic has."""
        return self._partitions.get(topic)

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        """Kafka's partitioner."""
        if partition is not None or key is None:
            return partition
        return (murmur2(key) & 0x7FFFFFFF) % self._partitions[topic]

    # ---- what the base class demands of drivers that leave fetching to it

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, list[Any]]:  # noqa: ASYNC109
        raise NotImplementedError

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        raise NotImplementedError

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    async def create_topic(self, topic: str, partitions: int, replication: int, **options: Any) -> None:
        """Create a user's topic."""
        await self.app.producer.create_topic(topic, partitions, replication, **options)


def _assignment(owned: set[TP]) -> ClientAssignment:
    actives: dict[str, list[int]] = {}
    for tp in owned:
        actives.setdefault(tp.topic, []).append(tp.partition)
    return ClientAssignment(actives=actives, standbys={})
