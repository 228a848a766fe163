"""A log that answers every fetch, when it is let."""

import asyncio

from agents.events import TopicPartition
from tests.pipeline.shards import chunk_of

ONE, TWO = (TopicPartition("t", number) for number in range(2))


def after(position, source=ONE, count=10):
    """A chunk that begins at ``position``."""
    return chunk_of([b"%d" % at for at in range(count)], start=position, topic=source.topic, partition=source.partition)


class Log:
    """Has ``count`` records for whatever is asked for, once it is let."""

    def __init__(self, count=10):
        self.asked = []
        self.let = asyncio.Event()
        self.let.set()
        self.count = count
        self.error = None

    async def fetch(self, positions, **_):
        self.asked.append(dict(positions))
        await self.let.wait()
        if self.error:
            raise self.error
        return [after(at, source, self.count) for source, at in positions.items() if self.count]
