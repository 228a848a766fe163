"""``kafka://HOST:PORT,…``: the event log on Apache Kafka, as ``pipeline.log.api.Log`` describes it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition as KafkaPartition

from agents.events import Chunk, Outgoing, TopicPartition
from pipeline.kafka import groups
from pipeline.kafka.connection import Connections
from pipeline.kafka.consuming.fetching import Fetcher
from pipeline.kafka.membership import GroupMembership
from pipeline.kafka.producing.producers import Producers
from pipeline.kafka.settings import KafkaSettings
from pipeline.kafka.topics import Topics
from pipeline.log.api import Committed, Copies, Difference, Fence, Lease, PartitionInfo, TopicSpec

T = TypeVar("T")
_COMMITTED: Final = "read_committed"
_PENDING: Final = "read_uncommitted"


class KafkaLog:
    """An event log on a Kafka cluster. Connects when it is first used, within the event loop that uses it.

    Readers see committed records only. Positions of groups in Kafka are for monitoring; what a worker goes by is the
    position in its state topic, which is in the same transaction as the state.

    Args:
        servers: ``HOST:PORT,…`` of some brokers.
        settings: How to connect, and how topics are made.
    """

    def __init__(self, servers: str, settings: KafkaSettings | None = None) -> None:
        self._connections = Connections(servers, settings or KafkaSettings())
        self._topics = Topics(self._connections.settings)
        self._producers = Producers(self._connections)
        self._fetchers: list[Fetcher] = []  # those that nobody uses now
        self._starting = asyncio.Lock()
        self._admin: AIOKafkaAdminClient | None = None
        self._bounds: dict[str, AIOKafkaConsumer] = {}  # by isolation level

    # ---- topics

    async def create_topic(self, spec: TopicSpec) -> None:
        """See ``Log.create_topic``."""
        await self._administer(lambda admin: self._topics.create(admin, spec), f"making topic {spec.name!r}")
        self._connections.expect(spec.name)

    async def topics(self) -> dict[str, TopicSpec]:
        """See ``Log.topics``; the brokers' own are left out."""
        return await self._administer(self._topics.all, "listing topics")

    async def copies(self) -> dict[str, Copies]:
        """See ``Log.copies``."""
        return await self._administer(self._topics.copies, "describing topics")

    async def differences(self, specs: Collection[TopicSpec]) -> list[Difference]:
        """See ``Log.differences``."""
        return await self._administer(lambda admin: self._topics.differences(admin, specs), "describing topics")

    async def mend(self, spec: TopicSpec, differences: Collection[Difference]) -> None:
        """See ``Log.mend``."""
        await self._administer(
            lambda admin: self._topics.mend(admin, spec, differences), f"mending topic {spec.name!r}"
        )

    async def delete_topic(self, name: str) -> None:
        """See ``Log.delete_topic``."""
        self._connections.forget(name)
        await self._administer(lambda admin: self._topics.delete(admin, name), f"deleting topic {name!r}")

    async def partitions(self, topic: str, *, pending: bool = False) -> dict[int, PartitionInfo]:
        """See ``Log.partitions``; sizes are not known."""
        with self._connections.translated(f"looking at topic {topic!r}"):
            reader = await self._reader(_PENDING if pending else _COMMITTED)
            numbers = await self._connections.known_topic(reader._client, topic)  # noqa: SLF001 - else it would subscribe
            known = [KafkaPartition(topic, number) for number in numbers]
            starts, ends = await asyncio.gather(reader.beginning_offsets(known), reader.end_offsets(known))
            self._connections.answered()
            return {each.partition: PartitionInfo(starts[each], ends[each], 0) for each in sorted(known)}

    async def offset_at(self, source: TopicPartition, time_ms: int) -> int:
        """See ``Log.offset_at``."""
        with self._connections.translated(f"looking at {source}"):
            reader, wanted = await self._reader(), KafkaPartition(*source)
            await self._connections.known_topic(reader._client, source.topic)  # noqa: SLF001 - as above
            found = (await reader.offsets_for_times({wanted: max(time_ms, 0)}))[wanted]
            return int((await reader.end_offsets([wanted]))[wanted] if found is None else found.offset)

    # ---- records

    async def append(self, outgoing: Sequence[Outgoing]) -> None:
        """See ``Log.append``."""
        await self._producers.append(outgoing)

    async def fetch(
        self, positions: Mapping[TopicPartition, int], *, max_bytes: int = 1 << 20, wait_ms: int = 0
    ) -> list[Chunk]:
        """See ``Log.fetch``."""
        if not positions:
            await asyncio.sleep(wait_ms / 1000)
            return []
        async with self._fetcher() as fetcher:
            return await fetcher.fetch(positions, max_bytes=max_bytes, wait_ms=wait_ms)

    # ---- groups

    async def claim(self, fence: Fence) -> None:
        """See ``Log.claim``."""
        await self._producers.claim(fence)

    async def disclaim(self, fence: Fence) -> None:
        """See ``Log.disclaim``."""
        await self._producers.disclaim(fence)

    async def commit(self, fence: Fence, offset: int, outgoing: Sequence[Outgoing]) -> None:  # noqa: ARG002 - see above
        """See ``Log.commit``; the position is in ``outgoing`` too."""
        await self._producers.commit(fence, outgoing)

    async def committed(self, group: str) -> dict[TopicPartition, Committed]:
        """See ``Log.committed``; when is known of our own commits only, 0 for others."""
        return await self._administer(lambda admin: groups.committed(admin, group), f"looking at group {group}")

    async def commit_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """See ``Log.commit_offsets``."""
        now_ms = time.time_ns() // 1_000_000
        await self._administer(lambda admin: groups.move(admin, group, offsets, now_ms), f"moving group {group}")

    async def groups(self) -> list[str]:
        """See ``Log.groups``."""
        return await self._administer(groups.names, "listing groups")

    async def leases(self, group: str) -> list[Lease]:
        """See ``Log.leases``; the coordinator lists the living only, so none expires."""
        return await self._administer(lambda admin: groups.leases(admin, group), f"describing group {group}")

    async def members(self, group: str) -> list[str]:
        """See ``Log.members``."""
        return await self._administer(lambda admin: groups.members(admin, group), f"describing group {group}")

    async def delete_group(self, group: str) -> None:
        """See ``Log.delete_group``."""
        await self._administer(lambda admin: groups.delete(admin, group), f"deleting group {group}")

    def join(self, group: str, member: str, *, ttl_ms: int) -> GroupMembership:
        """See ``Log.join``."""
        return GroupMembership(self._connections, group=group, member=member, ttl_ms=ttl_ms)

    # ---- upkeep

    async def tidy(self) -> None:
        """Brokers apply retention themselves."""

    async def close(self) -> None:
        """See ``Log.close``."""
        await self._producers.close()
        for fetcher in self._fetchers:
            await fetcher.close()
        self._fetchers.clear()
        if self._admin is not None:
            await self._admin.close()
        for reader in self._bounds.values():
            await reader.stop()

    async def _administer(self, work: Callable[[AIOKafkaAdminClient], Awaitable[T]], doing: str) -> T:
        async with self._starting:
            if self._admin is None:
                admin = AIOKafkaAdminClient(**self._connections.options)
                await self._connections.start(admin)
                self._admin = admin
        ready = self._admin
        return await self._connections.patiently(lambda: work(ready), doing)

    async def _reader(self, isolation: str = _COMMITTED) -> AIOKafkaConsumer:
        """Knows the bounds of partitions as readers of committed records see them, or as all others do."""
        async with self._starting:
            if isolation not in self._bounds:
                reader = AIOKafkaConsumer(**self._connections.options, isolation_level=isolation)
                await self._connections.start(reader)
                self._bounds[isolation] = reader
        return self._bounds[isolation]

    @asynccontextmanager
    async def _fetcher(self) -> AsyncIterator[Fetcher]:
        """The fetcher that was used last, if nobody uses it now: calls one after the other share its connections."""
        fetcher = self._fetchers.pop() if self._fetchers else Fetcher(self._connections)
        try:
            yield fetcher
        except BaseException:
            await fetcher.close()
            raise
        self._fetchers.append(fetcher)
