"""From outgoing records to record batches, a column at a time."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from aiokafka.client import AIOKafkaClient

from agents.events import Headers, Outgoing, Records
from pipeline.errors import UsageError
from pipeline.kafka.connection import Connections
from pipeline.kafka.producing.batch import Batch
from pipeline.log.names import unknown_partition
from pipeline.log.partitioner import partition_column


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
            batches[-1].append(*row)


def _check(outgoing: Outgoing, partitions: int) -> None:
    topic, partition, records = outgoing
    if partition is not None and not 0 <= partition < partitions:
        raise unknown_partition(topic, partition, partitions)
    columns = {"keys": records.keys, "timestamps": records.timestamps_ms, "headers": records.headers}
    for name, column in columns.items():
        if column is not None and len(column) != len(records):
            raise UsageError(f"records for {topic!r} have {len(records)} values but {len(column)} {name}")


def _rows(records: Records, rows: Any, now_ms: int) -> Iterator[tuple[int, bytes | None, bytes | None, Headers]]:
    stamps = records.timestamps_ms
    if isinstance(stamps, np.ndarray):
        stamps = stamps.tolist()
    keys = records.keys
    for at in rows:
        yield (
            now_ms if stamps is None else stamps[at],
            None if keys is None else keys[at],
            records.values[at],
            () if records.headers is None else records.headers[at],
        )
