"""Faust on the event log: every override of Faust is in this file, each with its reason.

Faust keeps what it is good at: app, topics, agents, timers, life cycle, and the callbacks of a rebalance. Its tables,
commits and assignor are not used. Topics of streams reach their agent a chunk at a time (``delivery``), all other
topics record by record (``plain``).

::

    Log.fetch ─▶ LogConsumer.getmany ─▶ Faust's conductor ─▶ agent ─▶ ChunkEvent.apply ─▶ Unit ─▶ Log.commit
                        ▲                                                                │
                        └──────────── only units without a chunk under way ◀─────────────┘
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import faust
from faust.tables.manager import TableManager
from faust.transport import base
from faust.transport.consumer import Consumer as FaustConsumer
from faust.transport.producer import Producer as FaustProducer
from faust.types import TP
from faust.types.tuples import ConsumerMessage, RecordMetadata

from agents.events import Headers, Outgoing, Records, TopicPartition
from pipeline.errors import LogUnavailableError
from pipeline.log.api import Fence, Log, Membership, TopicSpec
from pipeline.log.partitioner import murmur2
from pipeline.worker.frame.clocks import Clocks
from pipeline.worker.frame.fetching import Fetching
from pipeline.worker.frame.plain import PlainFeed
from pipeline.worker.frame.rebalancing import Rebalancing
from pipeline.worker.units.keeper import Keeper
from pipeline.worker.watchdog import Watchdog

_AWAY_S = 0.5  # between two tries while the log does not answer

frame_logger = logging.getLogger("faust.streamgauge")  # where Faust tells of starting and stopping, not among messages


class LogApp(faust.App):  # type: ignore[misc]  # Faust is untyped
    """A Faust app that lives on an event log."""

    logger = frame_logger
    log_: Log
    keeper: Keeper
    clocks: Clocks
    internal: Collection[str]
    watchdog: Watchdog
    membership: Membership
    specs: Sequence[TopicSpec]
    fences: Mapping[TopicPartition, Fence]
    failure: "asyncio.Future[Exception]"

    def _create_directories(self) -> None:
        """No directories: Faust makes them for RocksDB tables, which are not used."""

    async def on_start(self) -> None:
        """Create the app's topics before anything subscribes; Faust would declare each by its first user."""
        while True:
            try:
                for spec in self.specs:
                    await self.log_.create_topic(spec)
            except LogUnavailableError:  # the log has said so itself
                await asyncio.sleep(_AWAY_S)
            else:
                break
        await super().on_start()

    async def on_stop(self) -> None:
        """Commit while agents still run. Once cancelled, an agent acknowledges the record that it was busy with."""
        if self._consumer is not None:
            await self._consumer.commit()
            self._consumer.is_draining = True
        await super().on_stop()

    def fail(self, error: Exception) -> None:
        """End the worker because of ``error``; Faust's own way prints a traceback for each service it crashes."""
        if not self.failure.done():
            self.failure.set_result(error)


class NoTables(TableManager):  # type: ignore[misc]  # Faust is untyped
    """Faust's table manager with nothing to manage; it still drives the start and each rebalance."""

    logger = frame_logger

    async def on_start(self) -> None:
        """Start without the second that Faust sleeps here, in case that tables get registered."""
        await self._update_channels()
        await self.recovery.start()


class LogConsumer(FaustConsumer):  # type: ignore[misc]  # Faust is untyped
    """Fetches for units and for plain partitions, and takes Faust through rebalances."""

    logger = frame_logger

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._log: Log = self.app.log_
        self._keeper: Keeper = self.app.keeper
        self._membership: Membership = self.app.membership
        self.feed = PlainFeed(lambda tp: self._acked_index[tp])
        self._fetching = Fetching(self._log, self._keeper, self.feed, self.app.clocks, self.app.internal)
        self._rebalancing = Rebalancing(self, self._membership, self._keeper)
        self._partitions: dict[str, int] = {}
        self.is_draining = False  # whether acknowledgements have lost their meaning, see ``LogApp.on_stop``

    # ---- membership, which Faust leaves to aiokafka's coordinator: see ``rebalancing``

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Note the topics, and join."""
        for topic in self.app.topics:  # Faust declares internal ones only and lets the broker make the rest
            await topic.maybe_declare()
        self._partitions = {name: spec.partitions for name, spec in (await self._log.topics()).items()}
        for name in topics:  # not all are listed at once by a broker that has just been started
            if name not in self._partitions:
                self._partitions[name] = len(await self._log.partitions(name))
        self._rebalancing.begin({name: self._partitions[name] for name in topics})

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

    async def commit_plain(self) -> None:
        """Commit plain partitions alone."""
        await super().commit()

    def _new_offset(self, tp: TP) -> int | None:
        """Up to where a plain partition is done. Faust's own is off by one at gaps and forgets order at a rebalance."""
        self._acked[tp].clear()
        return None if self.is_draining else self.feed.committable(tp)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        await self._membership.commit_offsets({TopicPartition(*tp): offset for tp, offset in offsets.items()})
        return True

    async def on_stop(self) -> None:
        """Commit what waits, end the units and leave the group, so that others take over at once."""
        await super().on_stop()
        await self._keeper.release(list(self._keeper.units), timeout_s=self._membership.ttl_ms / 1000)
        self._membership.note(self._keeper.positions)
        await self._fetching.close()
        await self._keeper.close()
        await self._rebalancing.end()

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
        return self._rebalancing.owned

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


class LogProducer(FaustProducer):  # type: ignore[misc]  # Faust is untyped
    """``topic.send()`` of user agents: appended at once, outside any unit's commit."""

    logger = frame_logger

    async def send(  # noqa: PLR0913 - Faust's signature
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,  # noqa: ARG002 - Faust's signature
    ) -> Awaitable[RecordMetadata]:
        """Append a record; the log doesn't tell its offset, so that is -1."""
        pairs: Headers = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        stamps = None if timestamp is None else [int(timestamp * 1000)]
        records = Records(values=[value], keys=[key], timestamps_ms=stamps, headers=[pairs] if pairs else None)
        await self.app.log_.append([Outgoing(topic, partition, records)])
        sent: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        where = partition if partition is not None else -1
        sent.set_result(RecordMetadata(topic, where, TP(topic, where), -1, timestamp, 0))
        return sent

    async def send_and_wait(self, *args: Any, **kwargs: Any) -> RecordMetadata:
        """Append a record."""
        return await (await self.send(*args, **kwargs))

    async def flush(self) -> None:
        """Wait for what ``send_soon`` put aside."""
        await self.buffer.flush()

    async def create_topic(self, topic: str, partitions: int, replication: int, **options: Any) -> None:  # noqa: ARG002
        """Create a user's topic; one that exists keeps its settings, which the app's own plan has chosen."""
        if topic not in await self.app.log_.topics():
            spec = TopicSpec(name=topic, partitions=partitions or 1)
            await self.app.log_.create_topic(replace(spec, cleanup="compact") if options.get("compacting") else spec)

    def supports_headers(self) -> bool:
        """They are supported."""
        return True


class LogTransport(base.Transport):  # type: ignore[misc]  # Faust is untyped
    """Ties the two to the app; the log itself comes with the app."""

    Consumer = LogConsumer
    Producer = LogProducer
    default_port = 0
    driver_version = "streamgauge"
