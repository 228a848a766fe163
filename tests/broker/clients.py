"""What tests of brokers do as clients: make a topic, write to it, read it."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.broker.security import Access

_DEADLINE_S = 60.0


def create_topic(access: Access, topic: str, *, partitions: int = 1, replicas: int = 1) -> None:
    """Create a topic."""
    asyncio.run(asyncio.wait_for(_create(access, NewTopic(topic, partitions, replicas)), _DEADLINE_S))


def write(access: Access, topic: str, values: Sequence[bytes]) -> None:
    """Write values, each acknowledged by all replicas in sync."""
    asyncio.run(asyncio.wait_for(_write(access, topic, values), _DEADLINE_S))


def read(access: Access, topic: str, count: int) -> list[bytes]:
    """The first ``count`` values of a topic, in the order of its partitions' arrival."""
    return asyncio.run(asyncio.wait_for(_read(access, topic, count), _DEADLINE_S))


async def _create(access: Access, topic: NewTopic) -> None:
    admin = AIOKafkaAdminClient(**access.aiokafka())
    try:
        await admin.start()
        await admin.create_topics([topic])
    finally:
        await admin.close()


async def _write(access: Access, topic: str, values: Sequence[bytes]) -> None:
    producer = AIOKafkaProducer(**access.aiokafka(), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        for value in values:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def _read(access: Access, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, **access.aiokafka(), auto_offset_reset="earliest")
    try:
        await consumer.start()
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()
