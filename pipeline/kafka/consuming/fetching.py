"""Fetch requests of our own: one request to each broker, its record batches taken apart below the client's objects."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from aiokafka import errors
from aiokafka.client import AIOKafkaClient
from aiokafka.structs import TopicPartition as KafkaPartition

from agents.events import Chunk, TopicPartition
from pipeline.errors import OffsetOutOfRangeError
from pipeline.kafka.connection import Connections
from pipeline.kafka.consuming.batches import chunk_of_batches
from pipeline.kafka.consuming.wire import FetchInPlace
from pipeline.log.names import unknown_partition

READ_COMMITTED: Final = 1
_MOST_BYTES: Final = 50 << 20  # of one answer
_LARGE_BYTES: Final = 17 << 20  # more than a batch of our own topics may have
_LONGEST_WAIT_MS: Final = 500
_BACK_OFF_S: Final = 0.1
_ALL_ANSWER_S: Final = 0.1
_STALE = (
    errors.NotLeaderForPartitionError,
    errors.LeaderNotAvailableError,
    errors.UnknownTopicOrPartitionError,
    errors.ReplicaNotAvailableError,
    errors.KafkaStorageError,
)

Positions = Mapping[TopicPartition, int]


class Fetcher:
    """Fetches over connections of its own, for one caller at a time.

    A broker that has nothing yet holds its request back. If another broker had something meanwhile, the request stays
    under way and is waited for in the next call, so nothing is asked for twice. Where no broker is to wait, all are
    given a moment to answer: what is missing from the answers is taken for the end of a partition.

    A batch that is larger than what was asked for comes only for the first partition of a request; others that have
    such a one are asked for again, with room for it.

    Args:
        connections: Make the client.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._client: AIOKafkaClient | None = None
        self._pending: dict[int, asyncio.Task[Any]] = {}
        self._asked: dict[int, Positions] = {}
        self._topics: set[str] = set()
        self._cramped: set[TopicPartition] = set()  # their next batch needs more room
        self._is_closed = False

    async def fetch(self, positions: Positions, *, max_bytes: int, wait_ms: int) -> list[Chunk]:
        """See ``Log.fetch``.

        Raises:
            OffsetOutOfRangeError: If a position lies outside of its partition.
            UnknownTopicError: If a partition does not exist.
            LogUnavailableError: If no broker answers.
        """
        deadline = asyncio.get_running_loop().time() + wait_ms / 1000
        with self._connections.translated("fetching"):
            client = await self._ready({source.topic for source in positions})
            await self._check(client, positions)
            chunks: list[Chunk] = []
            self._cramped.clear()
            while not self._is_closed:  # a request would open a connection that nobody closes
                left_s = deadline - asyncio.get_running_loop().time()
                self._ask(client, positions, max_bytes, max(0, min(int(left_s * 1000), _LONGEST_WAIT_MS)))
                if not self._pending:  # no leader is known for any of them
                    await client.force_metadata_update()
                    await asyncio.sleep(min(_BACK_OFF_S, max(left_s, 0)))
                chunks += await self._answers(client, positions, all_within_s=0 if wait_ms else _ALL_ANSWER_S)
                if self._cramped:
                    found = {TopicPartition(chunk.topic, chunk.partition) for chunk in chunks}
                    positions = {source: at for source, at in positions.items() if source not in found}
                elif chunks or asyncio.get_running_loop().time() >= deadline:
                    break
            return chunks

    async def close(self) -> None:
        """Release the connections."""
        self._is_closed = True
        for task in self._pending.values():
            task.cancel()
        await asyncio.gather(*self._pending.values(), return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    async def _ready(self, topics: set[str]) -> AIOKafkaClient:
        if self._client is None:
            self._client = await self._connections.client()
        missing = topics - self._topics
        if missing:
            await asyncio.gather(*(self._connections.known_topic(self._client, topic) for topic in missing))
            self._topics |= missing
        return self._client

    async def _check(self, client: AIOKafkaClient, positions: Positions) -> None:
        for topic, partition in positions:
            partitions = client.cluster.partitions_for_topic(topic)
            if partitions and partition not in partitions:
                partitions = await self._connections.known_topic(client, topic, partition=partition)
                if partition not in partitions:
                    raise unknown_partition(topic, partition, len(partitions))

    def _ask(self, client: AIOKafkaClient, positions: Positions, max_bytes: int, wait_ms: int) -> None:
        for node, wanted in _by_leader(client, positions).items():
            if node not in self._pending:
                request = _request(wanted, max_bytes, wait_ms, self._cramped)
                self._pending[node] = asyncio.ensure_future(client.send(node, request))
                self._asked[node] = wanted

    async def _answers(self, client: AIOKafkaClient, positions: Positions, *, all_within_s: float) -> list[Chunk]:
        """Chunks of the brokers that answer first, or of all that answer in time."""
        if self._pending and all_within_s:
            await asyncio.wait(self._pending.values(), timeout=all_within_s)
        if self._pending:
            await asyncio.wait(self._pending.values(), return_when=asyncio.FIRST_COMPLETED)
        chunks: list[Chunk] = []
        for node in [node for node, task in self._pending.items() if task.done()]:
            task, asked = self._pending.pop(node), self._asked.pop(node)
            try:
                response = task.result()
            except errors.KafkaError:
                client.force_metadata_update()
                if not self._pending and not chunks:
                    raise
                continue
            chunks += self._chunks(client, response, asked, positions)
        self._connections.answered()
        return chunks

    def _chunks(self, client: AIOKafkaClient, response: Any, asked: Positions, wanted: Positions) -> Iterable[Chunk]:
        for topic, partitions in response.topics:
            for number, code, _end, *rest in partitions:
                source = TopicPartition(topic, number)
                position = asked[source]
                if wanted.get(source) != position:
                    continue  # of an earlier call that wanted something else
                error = errors.for_code(code)
                if error in _STALE:
                    client.force_metadata_update()
                elif error is errors.OffsetOutOfRangeError:
                    raise OffsetOutOfRangeError(
                        f"offset {position} of {source} is not in the log (any more): retention removed it, or the "
                        "topic was made anew"
                    )
                elif error is not errors.NoError:
                    raise error(f"{source}")
                else:
                    aborted = rest[2] if response.API_VERSION >= 11 else rest[-2]
                    chunk = chunk_of_batches(source, position, rest[-1], aborted or ())
                    if chunk is not None:
                        self._cramped.discard(source)
                        yield chunk
                    elif rest[0] > position:  # below the last stable offset there is something
                        self._cramped.add(source)


def _by_leader(client: AIOKafkaClient, positions: Positions) -> dict[int, dict[TopicPartition, int]]:
    wanted: dict[int, dict[TopicPartition, int]] = defaultdict(dict)
    for source, position in positions.items():
        leader = client.cluster.leader_for_partition(KafkaPartition(*source))
        if leader is not None and leader != -1:
            wanted[leader][source] = position
    return wanted


def _request(wanted: Positions, max_bytes: int, wait_ms: int, cramped: Collection[TopicPartition]) -> FetchInPlace:
    topics: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for source in sorted(wanted, key=lambda source: source not in cramped):
        room = max(max_bytes, _LARGE_BYTES) if source in cramped else max_bytes
        topics[source.topic].append((source.partition, wanted[source], room))
    return FetchInPlace(wait_ms, 1, _MOST_BYTES, READ_COMMITTED, list(topics.items()))
