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
import itertools
import os
import time
from collections.abc import Sequence

from agents.events import Outgoing
from pipeline.errors import FencedError
from pipeline.kafka.connection import Connections
from pipeline.kafka.producing.producer import Producer
from pipeline.kafka.producing.sending import Sending
from pipeline.log.api import Fence


class Producers:
    """The producers of one process.

    Args:
        connections: How to connect.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._owned: dict[Fence, Producer] = {}
        self._plain: Producer | None = None
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
        with self._connections.translated(f"claiming {source}"):
            self._owned[fence] = await Producer.start(
                self._connections, f"{fence.group}-{source.topic}-{source.partition}"
            )
        self._connections.answered()

    async def disclaim(self, fence: Fence) -> None:
        """Release the producer of a partition, if there is one."""
        producer = self._owned.pop(fence, None)
        if producer is not None:
            await producer.close()

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
                await producer.transact((await self._filled(producer, outgoing)).batches)
                self._connections.answered()
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
            async with self._appending:  # a batch that overtakes another of its partition is out of sequence
                if self._plain is None:
                    self._plain = await Producer.start(self._connections)
                sending = await self._filled(self._plain, outgoing)
                try:
                    await self._plain.send(sending.batches)
                except BaseException:  # its sequence numbers are in doubt
                    self._stop_soon(self._plain)
                    self._plain = None
                    raise

    async def close(self) -> None:
        """Release everything; transactions that are open are aborted by the brokers."""
        producers = [*self._owned.values(), *([self._plain] if self._plain else [])]
        self._owned.clear()
        self._plain = None
        await asyncio.gather(*(producer.close() for producer in producers), *self._stopping)

    async def _filled(self, producer: Producer, outgoing: Sequence[Outgoing]) -> Sending:
        sending = Sending(
            self._connections,
            producer.client,
            is_transactional=producer.is_transactional,
            now_ms=time.time_ns() // 1_000_000,
            turn=next(self._turns),
        )
        for each in outgoing:
            await sending.add(each)
        return sending

    def _stop_soon(self, producer: Producer) -> None:
        task = asyncio.create_task(producer.close())
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)
