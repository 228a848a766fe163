"""What tests of brokers do as clients: make a topic, write to it, read it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.broker.security import Access

_DEADLINE_S = 60.0
T = TypeVar("T")


def create_topic(access: Access, topic: str, *, partitions: int = 1, replicas: int = 1) -> None:
    """Create a topic."""
    _run(_create(access, NewTopic(topic, partitions, replicas)))


def write(access: Access, topic: str, values: Sequence[bytes]) -> None:
    """Write values, each acknowledged by all replicas in sync."""
    _run(_write(access, topic, values))


def read(access: Access, topic: str, count: int, *, group: str | None = None) -> list[bytes]:
    """The first ``count`` values of a topic as they come, read as a member of a group if one is named."""
    return _run(_read(access, topic, count, group))


def _run(doing: Coroutine[None, None, T]) -> T:
    async def within() -> T:
        # aiokafka leaves the error of a refused connection in a future that nobody reads; it raises the error as well.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with _connections_ended():
            return await asyncio.wait_for(doing, _DEADLINE_S)

    return asyncio.run(within())


@contextlib.asynccontextmanager
async def _connections_ended() -> AsyncIterator[None]:
    """End every connection that is opened within: aiokafka does not wait until TLS has said goodbye."""
    loop = asyncio.get_running_loop()
    connect, opened = loop.create_connection, []

    async def create_connection(*args: Any, **kwargs: Any) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        transport, protocol = await connect(*args, **kwargs)
        opened.append(transport)
        return transport, protocol

    loop.create_connection = create_connection  # type: ignore[method-assign]  # of this one loop
    try:
        yield
    finally:
        for transport in opened:
            transport.abort()
        await asyncio.sleep(0)  # in which the loop closes their sockets


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


async def _read(access: Access, topic: str, count: int, group: str | None) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, **access.aiokafka(), group_id=group, auto_offset_reset="earliest")
    try:
        await consumer.start()
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()
