"""Reading topics with a client that is not ours: what a subscriber of committed records sees."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

_AT_ONCE = 10_000
_WAIT_S = 0.1  # the client waits for so long to fill up what was asked for
_SILENCE_S = 20.0


def committed(servers: str, topic: str, positions: Mapping[int, int] | None = None) -> Iterator[list[Any]]:
    """All committed messages of a topic that stand there now, some at a time, each partition in order.

    Args:
        servers: ``HOST:PORT,…``.
        topic: Its name.
        positions: Partitions to read and where to begin; ``None`` reads all of all.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "independent-reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "log_level": 0,
        }
    )
    try:
        if positions is None:
            partitions = consumer.list_topics(topic, _SILENCE_S).topics[topic].partitions
            positions = dict.fromkeys(partitions, OFFSET_BEGINNING)
        consumer.assign([TopicPartition(topic, *each) for each in positions.items()])
        left, heard_at = set(positions), time.monotonic()
        while left:
            found = consumer.consume(_AT_ONCE, _WAIT_S)
            if found:
                heard_at = time.monotonic()
            elif time.monotonic() > heard_at + _SILENCE_S:
                raise TimeoutError(f"{topic}: nothing more came from the partitions {sorted(left)}")
            yield [message for message in found if not _ends(message, left)]
    finally:
        consumer.close()


def _ends(message: Any, left: set[int]) -> bool:
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:
        left.discard(message.partition())
    elif not error.retriable():
        raise KafkaException(error)
    return True


def has_more(servers: str, topic: str, positions: Mapping[int, int]) -> set[int]:
    """Partitions in which a committed message stands at or after the position."""
    return {message.partition() for messages in committed(servers, topic, positions) for message in messages}
