"""Membership in a group of Kafka's: its coordinator says who owns what, under Faust's callbacks.

Rebalances are eager in the client library: everybody gives everything up and is assigned anew. Here nothing stops for
it. Units go on processing and committing until the new assignment has come, and only those that moved end. What makes
this safe is the fence: the next owner of a partition refuses what the last one still sends.

::

    heartbeat ─▶ "rebalancing" ─▶ commit what waits ─▶ join, sync ─▶ assigned ─▶ end what moved, claim what came
                                  └──────── everything goes on ────────┘
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from aiokafka import ConsumerRebalanceListener, errors
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.structs import TopicPartition as KafkaPartition

from agents.events import TopicPartition
from pipeline.errors import LogError, LogUnavailableError
from pipeline.kafka.connection import Connections
from pipeline.kafka.groups import stamped
from pipeline.log.api import BeforeRebalance, Fence, OnOwned

_logger = logging.getLogger(__name__)
_FOR_EVER_MS: Final = (1 << 31) - 1
_COMMIT_S: Final = 1.0
_LOST_TOO_OFTEN: Final = 5
_WITHIN_S: Final = 60.0
_LONGEST_BACK_OFF_S: Final = 2.0


class GroupMembership(ConsumerRebalanceListener):  # type: ignore[misc]  # the client is untyped
    """A membership as ``pipeline.log.api.Membership`` describes it.

    Args:
        connections: How to connect.
        group: The group.
        member: This worker's name; others see it as the client's id.
        ttl_ms: Session time-out: how long the coordinator waits for a sign of life.
    """

    def __init__(self, connections: Connections, *, group: str, member: str, ttl_ms: int) -> None:
        self._connections = connections
        self._group = group
        self.member = member
        self.ttl_ms = ttl_ms
        self.topics: Sequence[str] = ()
        self._client: AIOKafkaClient | None = None
        self._subscription = SubscriptionState()
        self._subscription.register_fetch_waiters(set())  # the library takes for granted that its consumer did
        self._coordinator: GroupCoordinator | None = None
        self._before_rebalance: BeforeRebalance | None = None
        self._news = asyncio.Event()  # an assignment came, or something asks for a look
        self._asked = False  # whether something asks for proof that this worker still owns what it does
        self._assigned: set[TopicPartition] | None = None
        self._terms: dict[TopicPartition, int] = {}
        self._terms_begun = 0
        self._positions: dict[TopicPartition, int] = {}  # to be written
        self._written: dict[TopicPartition, int] = {}
        self._joined_at: list[float] = []
        self._joined_as = ""

    # ---- what the log's contract asks for

    def subscribe(self, topics: Mapping[str, int]) -> None:
        """See ``Membership.subscribe``."""
        self.topics = sorted(topics)
        self._news.set()

    def wake_up(self) -> None:
        """See ``Membership.wake_up``."""
        self._asked = True
        self._news.set()

    def note(self, positions: Mapping[TopicPartition, int]) -> None:
        """See ``Membership.note``; the group's positions follow within a second."""
        self._positions |= {source: at for source, at in positions.items() if self._written.get(source) != at}

    async def stay(self, on_owned: OnOwned, before_rebalance: BeforeRebalance) -> None:
        """See ``Membership.stay``.

        Raises:
            LogError: If the group can't be joined, and never will.
        """
        self._before_rebalance = before_rebalance
        await self._join()
        while True:
            self._news.clear()
            self._check()
            if self._assigned is not None and await self._is_owner():
                await on_owned(self._fences())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _COMMIT_S)
            await self._commit_positions()

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """See ``Membership.commit_offsets``."""
        self._positions |= offsets
        await self._commit_positions()

    async def leave(self) -> None:
        """See ``Membership.leave``; a static member keeps its partitions until it is back or its session ends."""
        if self._coordinator is not None:
            await self._commit_positions()
            with contextlib.suppress(errors.KafkaError, TimeoutError):
                await asyncio.wait_for(self._coordinator.close(), self.ttl_ms / 1000)
        if self._client is not None:
            await self._client.close()

    # ---- what the coordinator calls

    async def on_partitions_revoked(self, revoked: Iterable[KafkaPartition]) -> None:
        """Commit what waits; nothing ends before it is known what moved."""
        if revoked and self._before_rebalance is not None:
            await self._before_rebalance()
            await self._commit_positions()

    async def on_partitions_assigned(self, assigned: Iterable[KafkaPartition]) -> None:
        """Note what is owned now. A partition that stays keeps its term, and so its unit."""
        sources = {TopicPartition(source.topic, source.partition) for source in assigned}
        for source in sources - self._terms.keys():
            self._terms_begun += 1
            self._terms[source] = self._terms_begun
        for source in self._terms.keys() - sources:
            del self._terms[source]
            self._written.pop(source, None)  # others may write it now
            self._positions.pop(source, None)
        self._assigned = sources
        self._note_joined()
        self._news.set()

    # ---- inside

    async def _join(self) -> None:
        self._client = await self._connected()
        settings = self._connections.settings
        self._coordinator = GroupCoordinator(
            self._client,
            self._subscription,
            group_id=self._group,
            group_instance_id=settings.instance,
            session_timeout_ms=self.ttl_ms,
            heartbeat_interval_ms=max(self.ttl_ms // 6, 100),
            enable_auto_commit=False,
            assignors=(StickyPartitionAssignor,),
            max_poll_interval_ms=_FOR_EVER_MS,  # who watches progress is the worker's watchdog
            rebalance_timeout_ms=self.ttl_ms,
        )
        self._subscription.subscribe(set(self.topics), self)

    async def _connected(self) -> AIOKafkaClient:
        back_off_s = 0.1
        while True:
            client = AIOKafkaClient(**self._connections.options, client_id=self.member, metadata_max_age_ms=30_000)
            try:
                await self._connections.start(client)
                client.set_topics(self.topics)
                await asyncio.gather(*(self._connections.known_topic(client, topic) for topic in self.topics))
            except LogUnavailableError:
                await asyncio.sleep(back_off_s)
                back_off_s = min(2 * back_off_s, _LONGEST_BACK_OFF_S)
            else:
                return client

    def _check(self) -> None:
        """Errors that the coordinator can't get over by itself."""
        if self._coordinator is not None:
            with self._connections.translated(f"taking part in group {self._group}"):
                self._coordinator.check_errors()

    async def _is_owner(self) -> bool:
        """Whether the coordinator says, asked just now if there is a doubt, that the assignment still holds.

        A unit that lost its fence may be opened again only then. Two processes that both believe to own a partition
        would otherwise fence each other for ever.
        """
        coordinator = self._coordinator
        if coordinator is None or not self._asked:
            return True
        generation, member = coordinator.generation, coordinator.member_id
        # A request of our own: what the library does upon the answer could break a join that began meanwhile.
        request = HeartbeatRequest(self._group, generation, member)
        try:
            answer = await coordinator._send_req(request)  # noqa: SLF001 - the library sends to the coordinator only here
        except errors.KafkaError:
            return False
        is_member = answer.error_code == errors.NoError.errno
        if not is_member or coordinator.generation != generation or _is_rejoining(coordinator):
            return False  # a new assignment will follow; until then the units that are lost stay lost
        self._asked = False
        return True

    def _fences(self) -> list[Fence]:
        owned = sorted(self._assigned or ())
        return [Fence(self._group, source, self.member, self._terms[source]) for source in owned]

    def _note_joined(self) -> None:
        """Notice another process with the same static id: the two take the membership from each other for ever.

        Whoever lost it so comes back with a new id of the coordinator's, which a rebalance does not give.
        """
        member = self._coordinator.member_id if self._coordinator is not None else ""
        if member == self._joined_as:
            return
        self._joined_as, now = member, time.monotonic()
        self._joined_at = [at for at in self._joined_at if at > now - _WITHIN_S] + [now]
        instance = self._connections.settings.instance
        if instance is not None and len(self._joined_at) == _LOST_TOO_OFTEN:
            _logger.warning(
                "joined group %s %d times within a minute: does another worker use [kafka] instance %r too?",
                self._group,
                _LOST_TOO_OFTEN,
                instance,
            )

    async def _commit_positions(self) -> None:
        """Write the group's positions, for monitoring. They are not what a restart goes by, so failing is harmless."""
        coordinator, assignment = self._coordinator, self._assigned
        if coordinator is None or assignment is None:
            return
        now_ms = time.time_ns() // 1_000_000
        due = {source: at for source, at in self._positions.items() if source in assignment}
        if not due or _is_rejoining(coordinator):  # it would be refused
            return
        offsets = {KafkaPartition(*source): stamped(at, now_ms) for source, at in due.items()}
        try:
            async with asyncio.timeout(_COMMIT_S):
                await coordinator.commit_offsets(None, offsets)
        except (errors.KafkaError, LogError, TimeoutError) as error:
            _logger.debug("positions of group %s were not written: %s", self._group, error)
            return
        self._written |= due
        for source, at in due.items():
            if self._positions.get(source) == at:
                del self._positions[source]


def _is_rejoining(coordinator: GroupCoordinator) -> bool:
    """Whether a rebalance is under way."""
    return bool(coordinator._rejoin_needed_fut.done())  # noqa: SLF001 - the library tells it nowhere else
