"""One producer: its identity at the brokers, its sequence numbers, and its transactions.

::

                     version 1                          version 2 (KIP-890)
    begin    ──▶ coordinator: add partitions
    records  ──▶ leaders: produce                   ──▶ leaders: produce; they add the partitions
    commit   ──▶ coordinator: end                   ──▶ coordinator: end; the answer has the next epoch

The library's own producer hands each step from task to task: its loop, an accumulator, a handler. While chunks are
processed between any two of them, a transaction takes three times as long as its round trips. Here it is one coroutine.
A batch that is sent again carries the same sequence numbers, so brokers keep it once.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from aiokafka import errors
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.protocol.api import Request
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest
from aiokafka.structs import TopicPartition

from pipeline.kafka.connection import Connections, passes
from pipeline.kafka.producing.batch import Batch
from pipeline.kafka.producing.wire import EndAndBump, ProduceWithin, has_implicit_transactions

TRANSACTION_MS: Final = 15_000
"""How long brokers keep the transaction of a producer that died, if nobody takes its partition over."""
_ACKS_ALL: Final = -1
_REQUEST_BYTES: Final = 32 << 20  # of records in one request; brokers take 100 MiB
_MARKERS_S: Final = 0.005  # brokers finish a transaction just after they said so, and refuse the next one until then
_BACK_OFF_S: Final = 0.05
_CLOSE_S: Final = 3.0
_SEQUENCES: Final = 1 << 31
_PRODUCER_FENCED: Final = 90

Batches = Mapping[tuple[str, int], Sequence[Batch]]
Built = dict[TopicPartition, bytearray]


class Producer:
    """Sends record batches in order, each once; those of one call one after the other.

    After an error or a cancellation the outcome is unknown, and the producer has to be closed.

    Args:
        connections: How to connect.
        client: A started client, for this producer alone.
        transactional_id: Fences every earlier producer of that name; ``None`` for one without transactions.
    """

    def __init__(self, connections: Connections, client: AIOKafkaClient, transactional_id: str | None) -> None:
        self.client = client
        self.is_transactional = transactional_id is not None
        self._name = transactional_id
        self._patience_s = 2 * connections.settings.request_timeout_ms / 1000
        self._timeout_ms = connections.settings.request_timeout_ms
        self._identity = (-1, -1)
        self._sequences: dict[TopicPartition, int] = defaultdict(int)
        self._coordinator: int | None = None
        self._is_implicit = False
        self._trouble: errors.KafkaError | None = None  # why it takes so long

    @classmethod
    async def start(cls, connections: Connections, transactional_id: str | None = None) -> "Producer":
        """Get an identity. With a ``transactional_id``, that ends the open transaction of who had it before.

        Raises:
            LogUnavailableError: If no broker answers in time.
            LogAccessError: If the brokers refuse the credentials.
            KafkaError: Whatever else the brokers say.
        """
        producer = cls(connections, await connections.client(), transactional_id)
        try:
            async with producer._patience():
                await producer._identify()
        except BaseException:
            await producer.close()
            raise
        return producer

    async def send(self, batches: Batches) -> None:
        """Send batches outside of transactions, and wait until the brokers have them.

        Raises:
            KafkaError: If the brokers refuse.
            TimeoutError: If they don't answer in time.
        """
        async with self._patience():
            await self._produce_all(batches)

    async def transact(self, batches: Batches) -> None:
        """Send batches as one transaction: readers of committed records see all of them or none.

        Raises:
            ProducerFenced: If another producer has the name now; or ``InvalidProducerEpoch``.
            KafkaError: If the brokers refuse.
            TimeoutError: If they don't answer in time.
        """
        if not batches:
            return
        async with self._patience():
            if not self._is_implicit:
                await self._add_partitions(batches)
            await self._produce_all(batches)
            await self._end()

    async def close(self) -> None:
        """Release the connections, within a bounded time. The next producer of the name ends an open transaction."""
        with contextlib.suppress(errors.KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self.client.close()

    # ---- identity and transactions

    async def _identify(self) -> None:
        request = InitProducerIdRequest(self._name, TRANSACTION_MS)
        answer = await self._coordinated(request, _own_error)
        self._identity = (answer.producer_id, answer.producer_epoch)
        if self.is_transactional and self._coordinator is not None:
            self._is_implicit = await has_implicit_transactions(self.client, self._coordinator)

    async def _add_partitions(self, batches: Batches) -> None:
        topics: dict[str, list[int]] = defaultdict(list)
        for topic, partition in batches:
            topics[topic].append(partition)
        await self._coordinated(
            AddPartitionsToTxnRequest(self._name, *self._identity, list(topics.items())), _partition_error
        )

    async def _end(self) -> None:
        if not self._is_implicit:
            await self._coordinated(EndTxnRequest(self._name, *self._identity, True), _own_error)
            return
        answer = await self._coordinated(EndAndBump(self._name, *self._identity), _own_error)
        self._identity = (answer.producer_id, answer.producer_epoch)
        self._sequences.clear()  # they count within an epoch

    async def _coordinated(self, request: Request[Any], error_of: Callable[[Any], int]) -> Any:
        """What the coordinator answers, once that is no error."""
        while True:
            try:
                if self._coordinator is None:
                    self._coordinator = await self._find()
                answer = await self.client.send(self._coordinator, request)
                code = error_of(answer)
                if not code:
                    return answer
                raise _error(code)
            except errors.KafkaError as error:
                await self._pause(error)

    async def _find(self) -> int:
        if self._name is None:
            node = self.client.get_random_node()
            if node is None:
                raise errors.NodeNotReadyError("no broker is known")
            return int(node)
        return int(await self.client.coordinator_lookup(CoordinationType.TRANSACTION, self._name))

    # ---- records

    async def _produce_all(self, batches: Batches) -> None:
        """A partition's second batch waits for its first: brokers take one of each partition in a request."""
        for wave in zip_longest(*batches.values()):
            await self._produce(
                {
                    TopicPartition(*target): batch
                    for target, batch in zip(batches, wave, strict=True)
                    if batch is not None
                }
            )

    async def _produce(self, batches: Mapping[TopicPartition, Batch]) -> None:
        left = {target: batch.built(*self._identity, self._sequences[target]) for target, batch in batches.items()}
        while left:
            requests = list(self._by_leader(left))
            if len(requests) == 1:  # no task for it
                answers = [await self._ask(*requests[0])]
            else:
                answers = await asyncio.gather(*(self._ask(node, part) for node, part in requests))
            failed = {target: error for answer in answers for target, error in answer.items() if error is not None}
            for target in [target for _, part in requests for target in part if target not in failed]:
                del left[target]
                self._sequences[target] = (self._sequences[target] + batches[target].count) % _SEQUENCES
            if left:
                final = [error for error in failed.values() if not passes(error)]
                await self._pause(next(iter(final or failed.values()), errors.LeaderNotAvailableError()))

    def _by_leader(self, data: Built) -> Iterable[tuple[int, Built]]:
        parts: dict[int, Built] = defaultdict(dict)
        sizes: dict[int, int] = defaultdict(int)
        for target, batch in data.items():
            leader = self.client.cluster.leader_for_partition(target)
            if leader is None or leader == -1:
                continue
            if sizes[leader] and sizes[leader] + len(batch) > _REQUEST_BYTES:
                yield leader, parts.pop(leader)
                sizes[leader] = 0
            parts[leader][target] = batch
            sizes[leader] += len(batch)
        yield from parts.items()

    async def _ask(self, node: int, data: Built) -> dict[TopicPartition, errors.KafkaError | None]:
        """What became of each batch: ``None`` if its leader has it."""
        topics: dict[str, list[tuple[int, bytearray]]] = defaultdict(list)
        for target, batch in data.items():
            topics[target.topic].append((target.partition, batch))
        listed = list(topics.items())
        try:
            if self._is_implicit:
                answer = await self.client.send(node, ProduceWithin(self._name, self._timeout_ms, listed))
            else:
                answer = await self.client.send(node, ProduceRequest(self._name, _ACKS_ALL, self._timeout_ms, listed))
        except errors.KafkaError as error:
            return dict.fromkeys(data, error)
        return {
            TopicPartition(topic, partition): None
            if code in (0, errors.DuplicateSequenceNumber.errno)
            else _error(code)
            for topic, partitions, *_ in answer.topics
            for partition, code, *_ in partitions
        }

    # ---- patience

    @contextlib.asynccontextmanager
    async def _patience(self) -> Any:
        self._trouble = None
        try:
            async with asyncio.timeout(self._patience_s):
                yield
        except TimeoutError:
            raise self._trouble or TimeoutError("no answer") from None

    async def _pause(self, error: errors.KafkaError) -> None:
        """Wait before another try; raises ``error`` if that would not help."""
        if not passes(error):
            raise error
        self._trouble = error
        if isinstance(error, errors.ConcurrentTransactions):
            await asyncio.sleep(_MARKERS_S)
            return
        self._coordinator = None
        await asyncio.sleep(_BACK_OFF_S)
        await self.client.force_metadata_update()


def _error(code: int) -> errors.KafkaError:
    if code == _PRODUCER_FENCED:
        return errors.InvalidProducerEpoch("PRODUCER_FENCED")
    return errors.for_code(code)()


def _own_error(answer: Any) -> int:
    return int(answer.error_code)


def _partition_error(answer: Any) -> int:
    codes = {code for _, partitions in answer.errors for _, code in partitions}
    return next(iter(sorted(codes - {0, errors.OperationNotAttempted.errno})), 0)
