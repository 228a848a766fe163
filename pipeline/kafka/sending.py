"""From outgoing records to record batches, a column at a time."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from agents.events import Headers, Outgoing, Records
from pipeline.errors import UsageError
from pipeline.kafka.connection import Connections
from pipeline.log.names import unknown_partition
from pipeline.log.partitioner import partition_column

BATCH_BYTES: Final = 900_000
"""Below what a broker takes by default, 1,048,588. One record alone may be larger, if its topic allows it."""
MOST_REQUEST_BYTES: Final = 64 << 20


class Sending:
    """Fills batches for a producer and hands them over.

    Args:
        connections: Know the topics.
        producer: Started; within a transaction if it is a transactional one.
        now_ms: Stamp of the records that have none, Unix ms.
        turn: Decides the partition of records without a key.
    """

    def __init__(self, connections: Connections, producer: AIOKafkaProducer, *, now_ms: int, turn: int) -> None:
        self._connections = connections
        self._producer = producer
        self._now_ms = now_ms
        self._turn = turn
        self._batches: dict[tuple[str, int], list[Any]] = defaultdict(list)

    async def add(self, outgoing: Outgoing) -> None:
        """Put records into batches.

        Raises:
            UnknownTopicError: If there is no such topic or partition.
            UsageError: If columns differ in length.
        """
        topic, partition, records = outgoing
        partitions = len(await self._connections.known_topic(self._producer.client, topic, partition=partition))
        _check(outgoing, partitions)
        if not len(records):
            return
        if partition is not None:
            self._fill((topic, partition), records, range(len(records)))
            return
        keys = records.keys or [None] * len(records)
        chosen = partition_column(keys, partitions, self._turn % partitions)
        order = np.argsort(chosen, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(chosen[order])) + 1):
            self._fill((topic, int(chosen[rows[0]])), records, rows.tolist())

    async def send(self) -> None:
        """Send all batches, and wait until the brokers have them. Those of one partition go one after the other."""
        waiting = [
            await self._producer.send_batch(batch, topic, partition=partition)
            for (topic, partition), batches in self._batches.items()
            for batch in batches
        ]
        self._batches.clear()
        await asyncio.gather(*waiting)

    def _fill(self, target: tuple[str, int], records: Records, rows: Any) -> None:
        batches = self._batches[target]
        for stamp, key, value, headers in _rows(records, rows, self._now_ms):
            if batches and batches[-1].append(timestamp=stamp, key=key, value=value, headers=headers) is not None:
                continue
            batches.append(self._producer.create_batch())
            if batches[-1].append(timestamp=stamp, key=key, value=value, headers=headers) is None:
                raise MessageSizeTooLargeError(f"a record for {target[0]}/{target[1]} fits into no batch")


def _check(outgoing: Outgoing, partitions: int) -> None:
    topic, partition, records = outgoing
    if partition is not None and not 0 <= partition < partitions:
        raise unknown_partition(topic, partition, partitions)
    columns = {"keys": records.keys, "timestamps": records.timestamps_ms, "headers": records.headers}
    for name, column in columns.items():
        if column is not None and len(column) != len(records):
            raise UsageError(f"records for {topic!r} have {len(records)} values but {len(column)} {name}")


def _rows(
    records: Records, rows: Any, now_ms: int
) -> Iterator[tuple[int, bytes | None, bytes | None, list[tuple[str, bytes]]]]:
    stamps = records.timestamps_ms
    if isinstance(stamps, np.ndarray):
        stamps = stamps.tolist()
    keys = records.keys
    headers: Any = records.headers or itertools.repeat((), 0)
    for at in rows:
        own: Headers = headers[at] if records.headers is not None else ()
        yield (
            now_ms if stamps is None else stamps[at],
            None if keys is None else keys[at],
            records.values[at],
            list(own),
        )
