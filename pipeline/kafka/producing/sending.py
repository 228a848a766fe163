"""From outgoing records to record batches, a column at a time."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from agents.events import Headers, Outgoing, Records
from pipeline.errors import UsageError
from pipeline.kafka.connection import Connections
from pipeline.log.names import unknown_partition
from pipeline.log.partitioner import partition_column

BATCH_BYTES: Final = 900_000
"""Below what a broker takes by default, 1,048,588. One record alone may be larger, if its topic allows it."""
_CODECS: Final = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_MAGIC: Final = 2


class Batch:
    """A record batch that is being filled.

    Args:
        compression: Name of a codec, or ``none``.
        is_transactional: Whether it belongs into a transaction.
    """

    def __init__(self, compression: str, *, is_transactional: bool) -> None:
        self.count = 0
        self._builder = DefaultRecordBatchBuilder(
            _MAGIC,
            _CODECS[compression],
            is_transactional=int(is_transactional),
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=0,
            batch_size=BATCH_BYTES,
        )

    def append(self, stamp: int, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> bool:
        """Add a record, if there is room for it; there always is for the first."""
        if self._builder.append(self.count, stamp, key, value, headers) is None:
            return False
        self.count += 1
        return True

    def built(self, producer_id: int, epoch: int, sequence: int) -> bytes:
        """The batch as it goes over the wire; once."""
        self._builder.set_producer_state(producer_id, epoch, sequence)
        return bytes(self._builder.build())


class Sending:
    """Fills batches.

    Args:
        connections: Know the topics.
        client: Asks for those that are not known yet.
        is_transactional: Whether the batches belong into a transaction.
        now_ms: Stamp of the records that have none, Unix ms.
        turn: Decides the partition of records without a key.
    """

    def __init__(
        self, connections: Connections, client: AIOKafkaClient, *, is_transactional: bool, now_ms: int, turn: int
    ) -> None:
        self.batches: dict[tuple[str, int], list[Batch]] = defaultdict(list)
        self._connections = connections
        self._client = client
        self._is_transactional = is_transactional
        self._now_ms = now_ms
        self._turn = turn

    async def add(self, outgoing: Outgoing) -> None:
        """Put records into batches.

        Raises:
            UnknownTopicError: If there is no such topic or partition.
            UsageError: If columns differ in length.
        """
        topic, partition, records = outgoing
        partitions = len(await self._connections.known_topic(self._client, topic, partition=partition))
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

    def _fill(self, target: tuple[str, int], records: Records, rows: Any) -> None:
        batches = self.batches[target]
        for row in _rows(records, rows, self._now_ms):
            if batches and batches[-1].append(*row):
                continue
            batches.append(Batch(self._connections.settings.compression, is_transactional=self._is_transactional))
            if not batches[-1].append(*row):
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
