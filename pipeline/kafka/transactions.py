"""Producers: one transactional for each owned partition, and one for what belongs to no partition.

The transactional id is ``GROUP-TOPIC-PARTITION``. Starting a producer with it ends the open transaction of every
earlier owner and refuses what that owner still sends: it is the fence. One producer for all partitions of a worker
would not do, since nothing would fence them one by one when a partition moves.

::

    begin ── alerts, outgoing records, changed slabs ── every one acknowledged ── commit
      │                                                                              │
      └──────────── a few milliseconds: readers of committed records wait for it ────┘
"""

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.events import Outgoing
from pipeline.errors import FencedError, LogUnavailableError
from pipeline.kafka.connection import Connections
from pipeline.kafka.sending import BATCH_BYTES, MOST_REQUEST_BYTES, Sending
from pipeline.log.api import Fence

TRANSACTION_MS: Final = 15_000
"""How long brokers keep the transaction of a producer that died, if nobody takes its partition over."""
_RETRY_MS: Final = 20  # brokers finish a transaction just after they said so, and refuse the next one until then
_STOP_S: Final = 3.0


class Producers:
    """The producers of one process.

    Args:
        connections: How to connect.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._owned: dict[Fence, AIOKafkaProducer] = {}
        self._plain: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._appending = asyncio.Lock()
        self._turns = itertools.count(os.getpid())
        self._stopping: set[asyncio.Task[None]] = set()

    async def claim(self, fence: Fence) -> None:
        """Fence every earlier owner of the partition, and end its open transaction.

        Raises:
            LogUnavailableError: If no broker answers in time.
        """
        await self.disclaim(fence)
        source = fence.source
        producer = self._make(
            transactional_id=f"{fence.group}-{source.topic}-{source.partition}", transaction_timeout_ms=TRANSACTION_MS
        )
        with self._connections.translated(f"claiming {source}"):
            await self._connections.start(producer)
        self._owned[fence] = producer

    async def disclaim(self, fence: Fence) -> None:
        """Release the producer of a partition, if there is one."""
        producer = self._owned.pop(fence, None)
        if producer is not None:
            await _stop(producer)

    async def commit(self, fence: Fence, outgoing: Sequence[Outgoing]) -> None:
        """Send ``outgoing`` in one transaction. After an error the outcome is unknown and the fence has to be claimed.

        Raises:
            FencedError: If another owner has claimed the partition since, or ``fence`` was never claimed.
            LogUnavailableError: If the brokers don't answer in time.
        """
        producer = self._owned.get(fence)
        if producer is None:
            raise FencedError(f"{fence.source} has not been claimed")
        try:
            with self._connections.translated(f"committing {fence.source}"):
                await self._transact(producer, outgoing)
        except BaseException:
            self._owned.pop(fence, None)
            self._stop_soon(producer)
            raise

    async def append(self, outgoing: Sequence[Outgoing]) -> None:
        """Send ``outgoing`` outside of transactions, each partition's records once and in order.

        Raises:
            LogUnavailableError: If the brokers don't answer in time.
        """
        with self._connections.translated("appending"):
            producer = await self._plain_producer()
            try:
                # One at a time: the library's own queue for a partition gives up early when many wait in it.
                async with self._appending, asyncio.timeout(self._patience_s):
                    await self._send(producer, outgoing)
            except (KafkaError, TimeoutError):
                self._plain = None  # after a failure its sequence numbers are in doubt
                self._stop_soon(producer)
                raise

    async def close(self) -> None:
        """Release everything; transactions that are open are aborted by the brokers."""
        producers = [*self._owned.values(), *([self._plain] if self._plain else [])]
        self._owned.clear()
        self._plain = None
        await asyncio.gather(*map(_stop, producers), *self._stopping)

    @property
    def _patience_s(self) -> float:
        return 2 * self._connections.settings.request_timeout_ms / 1000

    async def _transact(self, producer: AIOKafkaProducer, outgoing: Sequence[Outgoing]) -> None:
        async with asyncio.timeout(self._patience_s):
            await producer.begin_transaction()
            await self._send(producer, outgoing)
            await producer.commit_transaction()
        self._connections.answered()

    async def _send(self, producer: AIOKafkaProducer, outgoing: Sequence[Outgoing]) -> None:
        sending = Sending(self._connections, producer, now_ms=time.time_ns() // 1_000_000, turn=next(self._turns))
        for each in outgoing:
            await sending.add(each)
        await sending.send()

    async def _plain_producer(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._plain is None:
                producer = self._make(enable_idempotence=True)
                await self._connections.start(producer)
                self._plain = producer
        return self._plain

    def _make(self, **options: Any) -> AIOKafkaProducer:
        compression = self._connections.settings.compression
        return AIOKafkaProducer(
            **self._connections.options,
            acks="all",
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=MOST_REQUEST_BYTES,
            retry_backoff_ms=_RETRY_MS,
            compression_type=None if compression == "none" else compression,
            **options,
        )

    def _stop_soon(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.create_task(_stop(producer))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)


async def _stop(producer: AIOKafkaProducer) -> None:
    """Release a producer within a bounded time; one that has failed may not be able to flush."""
    with contextlib.suppress(KafkaError, OSError, TimeoutError, LogUnavailableError):
        async with asyncio.timeout(_STOP_S):
            await producer.stop()
    with contextlib.suppress(KafkaError, OSError, TimeoutError, AttributeError):
        async with asyncio.timeout(_STOP_S):
            await producer.client.close()
