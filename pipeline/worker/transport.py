"""Faust on the event log: every override of Faust is in this file and in ``consumer``, each with its reason.

Faust keeps what it is good at: app, topics, agents, timers, life cycle, and the callbacks of a rebalance. Its tables,
commits and assignor are not used. Topics of streams reach their agent a chunk at a time (``delivery``), all other
topics record by record (``plain``).

::

    Log.fetch ─▶ LogConsumer.getmany ─▶ Faust's conductor ─▶ agent ─▶ ChunkEvent.apply ─▶ Unit ─▶ Log.commit
                        ▲                                                                │
                        └──────────── only units without a chunk under way ◀─────────────┘
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import faust
from faust.tables.manager import TableManager
from faust.transport import base
from faust.transport.producer import Producer as FaustProducer
from faust.types import TP
from faust.types.tuples import RecordMetadata

from agents.events import Headers, Outgoing, Records, TopicPartition
from pipeline.errors import LogUnavailableError
from pipeline.log.api import Fence, Log, Membership, TopicSpec
from pipeline.worker.consumer import LogConsumer, frame_logger
from pipeline.worker.keeper import Keeper
from pipeline.worker.watchdog import Watchdog

_AWAY_S = 0.5  # between two tries while the log does not answer


class LogApp(faust.App):  # type: ignore[misc]  # Faust is untyped
    """A Faust app that lives on an event log."""

    logger = frame_logger
    log_: Log
    keeper: Keeper
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
