"""Fetching from several brokers at once."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest

from agents.events import TopicPartition
from pipeline.kafka.consuming.fetching import Fetcher
from tests.pipeline.kafka.record_batches import batch, rows

ZERO, ONE = (TopicPartition("t", number) for number in range(2))


class Cluster:
    """Has a broker for each partition, of the same number."""

    def partitions_for_topic(self, _topic):
        return {0, 1}

    def leader_for_partition(self, partition):
        return partition.partition


class Client:
    """Brokers that answer after their delays, s, with three records, but for those that have ``nothing``."""

    def __init__(self, delays_s, nothing=()):
        self.cluster = Cluster()
        self.delays_s = delays_s
        self.nothing = nothing
        self.sent = []

    async def send(self, node, _request):
        self.sent.append(node)
        await asyncio.sleep(self.delays_s[node])
        data = b"" if node in self.nothing else batch(rows(0, 3))
        region = data, 0, len(data)
        return SimpleNamespace(API_VERSION=11, topics=[("t", [(node, 0, 3, 0, 0, [], -1, region)])])

    async def close(self):
        pass


class Connections:
    """Of one client."""

    def __init__(self, client):
        self._client = client

    async def client(self):
        return self._client

    async def known_topic(self, *_):
        pass

    def answered(self):
        pass

    def translated(self, _what):
        return contextlib.nullcontext()


def found(client, wait_ms):
    """Partitions of which something came, and how long that took, s."""

    async def run():
        fetcher = Fetcher(Connections(client))
        started = asyncio.get_running_loop().time()
        chunks = await fetcher.fetch({ZERO: 0, ONE: 0}, max_bytes=1 << 20, wait_ms=wait_ms)
        took_s = asyncio.get_running_loop().time() - started
        await fetcher.close()
        return {chunk.partition for chunk in chunks}, took_s

    return asyncio.run(run())


def test_who_does_not_wait_for_records_has_those_of_all_brokers():
    """What is missing would be taken for the end of a partition."""
    assert found(Client([0.0, 0.03]), 0)[0] == {0, 1}


@pytest.mark.parametrize("wait_ms", [0, 250])
def test_a_broker_that_hangs_holds_up_no_other_for_long(wait_ms):
    """Its request stays under way."""
    partitions, took_s = found(Client([0.0, 30.0]), wait_ms)
    assert partitions == {0}
    assert took_s < 10


def test_who_waits_has_what_comes_first():
    """A broker that has nothing yet holds its request back until there is something."""
    assert found(Client([0.03, 0.0], nothing=[1]), 250)[0] == {0}
