"""Topics, records, readers and members of groups, for what every event log must do."""

import asyncio
import contextlib

from agents.events import Outgoing, Records, TopicPartition
from pipeline.log import TopicSpec, follow

T0 = TopicPartition("t", 0)
PATIENCE_S = 20


def over_log(*topics):
    """Run an async test with an open log that has ``topics``."""

    def wrap(test):
        def run(opener):
            async def scenario():
                log = opener()
                try:
                    for topic in topics:
                        await log.create_topic(topic)
                    await test(log)
                finally:
                    await log.close()

            asyncio.run(scenario())

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return wrap


TOPIC = TopicSpec(name="t", partitions=1)
FOUR = TopicSpec(name="four", partitions=4)
COMPACT = TopicSpec(name="state", partitions=2, cleanup="compact")


def out(values, *, topic="t", partition=0, **columns):
    return Outgoing(topic, partition, Records(values=values, **columns))


class Member:
    """A member of a group, and what it owns."""

    def __init__(self, log, group, name):
        self.membership = log.join(group, name, ttl_ms=6_000)
        self.fences = []
        self._told = asyncio.Condition()

    async def _on_owned(self, fences):
        async with self._told:
            self.fences = fences
            self._told.notify_all()

    async def _before_rebalance(self):
        pass

    async def owns(self, count):
        """Wait until it owns so many partitions."""
        await self.told(lambda: len(self.fences) == count)
        return sorted(self.fences)

    async def told(self, fact):
        """Wait until ``fact`` holds, which what it is told makes true."""
        async with self._told:
            await asyncio.wait_for(self._told.wait_for(fact), PATIENCE_S)

    @contextlib.asynccontextmanager
    async def staying(self, topics):
        self.membership.subscribe(topics)
        task = asyncio.create_task(self.membership.stay(self._on_owned, self._before_rebalance))
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self.membership.leave()


async def read_all(log, topic):
    """All records of a topic as (partition, offset, key, value)."""
    found = []
    async for chunk in follow(log, topic, start="start", until_end=True):
        rows = zip(chunk.offsets.tolist(), chunk.keys, chunk.values, strict=True)
        found += [(chunk.partition, *row) for row in rows]
    return sorted(found, key=lambda row: row[:2])
