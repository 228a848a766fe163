"""The topics of the comparison: filled with payments once, read for alerts after each run."""

import time
from collections.abc import Callable, Iterator

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from tests.bench.peers.reference import PARTITIONS, Alert, Payments, Place
from tests.bench.peers.verdict import Stamped

_ANSWER_S = 30.0
_FLUSH_S = 300.0
_LOOK_S = 0.1
_AT_ONCE = 1_000
_SERVED_EVERY = 10_000


class Topics:
    """Topics on a cluster, seen by a client that is no engine's.

    Args:
        servers: ``HOST:PORT,…``.
    """

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
        self._reader = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "unused",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "log_level": 0,
            }
        )

    def close(self) -> None:
        """Disconnect."""
        self._reader.close()

    def fill(self, topic: str, payments: Payments) -> None:
        """Make a topic that holds the payments.

        Raises:
            RuntimeError: If it does not hold all of them then.
        """
        self.create_payments(topic)
        self._send(topic, payments.records())
        held = self.end(topic)
        if held != len(payments):
            raise RuntimeError(f"{topic} holds {held:,} records of {len(payments):,}")

    def _send(self, topic: str, records: Iterator[tuple[bytes, bytes]]) -> None:
        client = Producer(
            {
                "bootstrap.servers": self._servers,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,  # else a batch that is sent again may come after the next one
                "linger.ms": 50,
                "batch.size": 1_000_000,
                "queue.buffering.max.messages": 500_000,
                "log_level": 0,
            }
        )
        for at, (key, value) in enumerate(records):
            while True:
                try:
                    client.produce(topic, value, key)
                except BufferError:
                    client.poll(0.05)
                else:
                    break
            if at % _SERVED_EVERY == 0:
                client.poll(0)
        client.flush(_FLUSH_S)

    def create_payments(self, topic: str) -> None:
        """Make a topic for payments."""
        self._create(topic, {"retention.ms": "-1"})

    def create_alerts(self, topic: str) -> None:
        """Make a topic for alerts, which the broker stamps with the time when it appends them."""
        self._create(topic, {"message.timestamp.type": "LogAppendTime", "retention.ms": "604800000"})

    def _create(self, topic: str, config: dict[str, str]) -> None:
        made = self._admin.create_topics([NewTopic(topic, PARTITIONS, 1, config=config)])
        made[topic].result(_ANSWER_S)

    def end(self, topic: str) -> int:
        """Offsets that were used so far, over all partitions: records, and markers of transactions."""
        return sum(self._end(TopicPartition(topic, number)) for number in range(PARTITIONS))

    def _end(self, partition: TopicPartition) -> int:
        deadline = time.monotonic() + _ANSWER_S
        while True:
            try:
                return self._reader.get_watermark_offsets(partition, timeout=_ANSWER_S)[1]
            except KafkaException:  # a topic was made, but not all that belongs to it has started
                if time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK_S)

    def alerts(self, topic: str, parse: Callable[[bytes], Alert]) -> list[Stamped]:
        """All that is committed.

        Raises:
            RuntimeError: If the broker did not stamp an alert.
        """
        found = []
        for message in self._committed(topic):
            kind, at_ms = message.timestamp()
            if kind != TIMESTAMP_LOG_APPEND_TIME:
                raise RuntimeError(f"an alert of {topic} is not stamped by the broker")
            found.append(Stamped(parse(message.value()), at_ms))
        return found

    def payments(self, topic: str) -> Iterator[tuple[Place, bytes]]:
        """What a topic holds, each partition in order."""
        for each in self._committed(topic):
            yield Place(each.partition(), each.offset(), each.timestamp()[1]), each.value()

    def watch(self, topic: str, parse: Callable[[bytes], Alert], *, is_over: Callable[[], bool]) -> dict[Alert, float]:
        """Alerts as a subscriber of committed records has them, and when it had each first, Unix ms."""
        seen: dict[Alert, float] = {}
        self._reader.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
        while not is_over():
            message = self._reader.poll(_LOOK_S)
            if message is not None and message.error() is None:
                seen.setdefault(parse(message.value()), time.time() * 1_000)
        self._reader.unassign()
        return seen

    def _committed(self, topic: str) -> Iterator[Message]:
        ended: set[int] = set()
        heard_at = time.monotonic()
        self._reader.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
        while len(ended) < PARTITIONS:
            messages = self._reader.consume(_AT_ONCE, _LOOK_S)
            if messages:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > _ANSWER_S:
                raise RuntimeError(f"no answer from {topic} within {_ANSWER_S:.0f} s")
            for message in messages:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
        self._reader.unassign()
