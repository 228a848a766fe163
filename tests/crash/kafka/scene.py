"""What can be seen of a group on Kafka from outside."""

import asyncio
from collections.abc import Mapping

from agents.events import TopicPartition
from pipeline.config.model import AppConfig
from pipeline.log import Log
from pipeline.plan import source_topics, state_topic


class KafkaScene:
    """Commits as the ends of the state topics show them, and owners as the coordinator does.

    The group's own positions follow within a second only, which is too coarse for pauses.

    Args:
        log: The event log.
        config: The application.
    """

    def __init__(self, log: Log, config: AppConfig) -> None:
        self._log = log
        self._group = config.name
        self._states = {topic: state_topic(config, topic) for topic in source_topics(config)}

    async def commits(self) -> Mapping[TopicPartition, int]:
        """The end of each partition's state."""
        ends = await asyncio.gather(*(self._log.partitions(state) for state in self._states.values()))
        return {
            TopicPartition(topic, number): info.end
            for topic, partitions in zip(self._states, ends, strict=True)
            for number, info in partitions.items()
        }

    async def owned_by(self, pid: int) -> set[TopicPartition]:
        """Partitions whose owner is the process ``pid``; nobody owns anything while the group rebalances."""
        leases = await self._log.leases(self._group)
        return {lease.source for lease in leases if f":{pid}:" in lease.member}
