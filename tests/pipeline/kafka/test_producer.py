"""Transactions over the wire, of both versions: all of one or nothing, each record once, whatever answer gets lost."""

import asyncio
import secrets
import time

import pytest
from aiokafka import errors

from agents.events import Outgoing, Records, TopicPartition
from pipeline.errors import FencedError, LogUnavailableError
from pipeline.kafka.connection import Connections
from pipeline.kafka.log import KafkaLog
from pipeline.kafka.producing import producer as producing
from pipeline.kafka.producing import wire
from pipeline.kafka.producing.batch import BATCH_BYTES
from pipeline.kafka.producing.producer import Producer
from pipeline.kafka.producing.sending import Sending
from pipeline.kafka.settings import KafkaSettings
from pipeline.log.api import Fence, TopicSpec

KINDS = {22: "identity", 24: "partitions", 0: "records", 26: "end"}


async def offers_version_2(servers):
    client = await Connections(servers, KafkaSettings()).client()
    try:
        return await wire.has_implicit_transactions(client, client.get_random_node())
    finally:
        await client.close()


@pytest.fixture(params=["implicit", "explicit"])
def version(request, monkeypatch, kafka):
    """What brokers 4.x offer, and what all others have."""
    if request.param == "implicit":
        if not asyncio.run(offers_version_2(kafka.bootstrap)):
            pytest.skip("these brokers have no transactions of version 2")
    else:

        async def never(client, node):
            return False

        monkeypatch.setattr(producing, "has_implicit_transactions", never)
    return request.param


@pytest.fixture
def topic():
    return f"producer-{secrets.token_hex(4)}"


@pytest.fixture
def play(kafka, topic):
    """Run a story on a log with a topic of two partitions."""

    def run(story, **settings):
        async def within():
            log = KafkaLog(kafka.bootstrap, KafkaSettings(**settings))
            try:
                await log.create_topic(TopicSpec(name=topic, partitions=2))
                return await story(log, Connections(kafka.bootstrap, log._connections.settings))
            finally:
                await log.close()

        return asyncio.run(within())

    return run


async def batches(connections, producer, topic, values, *, partition=None, compression=None):
    now_ms = int(time.time() * 1000)  # retention is on
    sending = Sending(connections, producer.client, is_transactional=producer.is_transactional, now_ms=now_ms, turn=0)
    keys = [b"k%d" % number for number in range(len(values))]
    await sending.add(Outgoing(topic, partition, Records(keys=keys, values=values)))
    return sending.batches


async def committed(log, topic):
    """All that readers of committed records see, by partition, once brokers have finished every transaction."""
    found = {}
    for number, (start, end, _) in (await log.partitions(topic, pending=True)).items():
        values, at = [], start
        while at < end:
            for chunk in await log.fetch({TopicPartition(topic, number): at}, max_bytes=8 << 20, wait_ms=1_000):
                values += chunk.values
                at = chunk.next_offset
        found[number] = list(map(bytes, values))
    return found


def numbered(name, count):
    return [b"%s-%d" % (name, number) for number in range(count)]


def listen(monkeypatch, producer, lose=()):
    """Note what is asked for, and lose the first answer to each kind in ``lose``: the broker has done it by then."""
    send, asked, lost = producer.client.send, [], set()

    async def sent(node, request, **options):
        kind = KINDS.get(request.API_KEY, "other")
        answer = await send(node, request, **options)
        asked.append(kind)
        if kind in lose and kind not in lost:
            lost.add(kind)
            raise errors.KafkaConnectionError("cut")
        return answer

    monkeypatch.setattr(producer.client, "send", sent)
    return asked


def test_a_commit_takes_as_few_round_trips_as_the_brokers_allow(version, play, topic, monkeypatch):
    async def story(log, connections):
        producer = await Producer.start(connections, topic)
        try:
            await producer.transact(await batches(connections, producer, topic, numbered(b"a", 20)))
            await committed(log, topic)  # by then its markers are written
            asked = listen(monkeypatch, producer)
            await producer.transact(await batches(connections, producer, topic, numbered(b"b", 20)))
            await producer.transact({})
            return list(asked), await committed(log, topic)
        finally:
            await producer.close()

    asked, seen = play(story)
    assert asked == (["records", "end"] if version == "implicit" else ["partitions", "records", "end"])
    assert sorted(seen[0] + seen[1]) == sorted(numbered(b"a", 20) + numbered(b"b", 20))
    assert seen[0]
    assert seen[1]


@pytest.mark.parametrize("lose", [("records",), ("end",), ("records", "end"), ("partitions",)])
def test_an_answer_that_gets_lost_is_asked_for_again_and_nothing_is_doubled(version, play, topic, monkeypatch, lose):
    if lose == ("partitions",) and version == "implicit":
        pytest.skip("there is no such request")

    async def story(log, connections):
        producer = await Producer.start(connections, topic)
        try:
            listen(monkeypatch, producer, lose)
            for name in (b"a", b"b", b"c"):
                await producer.transact(await batches(connections, producer, topic, numbered(name, 30)))
            return await committed(log, topic)
        finally:
            await producer.close()

    seen = play(story)
    assert sorted(seen[0] + seen[1]) == sorted(value for name in (b"a", b"b", b"c") for value in numbered(name, 30))


def test_many_batches_of_a_partition_stay_in_order(version, play, topic):
    values = [b"%06d" % number + bytes(9_000) for number in range(4 * BATCH_BYTES // 9_000)]

    async def story(log, connections):
        producer = await Producer.start(connections, topic)
        try:
            filled = await batches(connections, producer, topic, values, partition=1)
            assert len(filled[topic, 1]) > 3
            await producer.transact(filled)
            await producer.transact(await batches(connections, producer, topic, [b"last"], partition=1))
            return await committed(log, topic)
        finally:
            await producer.close()

    assert play(story)[1] == [*values, b"last"]


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_batches_are_read_as_they_were_written(version, play, topic, compression):
    async def story(log, connections):
        producer = await Producer.start(connections, topic)
        try:
            await producer.transact(await batches(connections, producer, topic, numbered(b"a", 500)))
            return await committed(log, topic)
        finally:
            await producer.close()

    seen = play(story, compression=compression)
    assert sorted(seen[0] + seen[1]) == sorted(numbered(b"a", 500))


def test_who_starts_later_fences_who_was_there(version, play, topic):
    async def story(log, connections):
        zombie = await Producer.start(connections, topic)
        owner = None
        try:
            await zombie.transact(await batches(connections, zombie, topic, [b"before"]))
            left = await batches(connections, zombie, topic, [b"never"])
            if version == "explicit":
                await zombie._add_partitions(left)
            await zombie._produce_all(left)  # an open transaction, whose end never comes
            owner = await Producer.start(connections, topic)
            with pytest.raises((errors.InvalidProducerEpoch, errors.ProducerFenced)):
                await zombie._end()
            with pytest.raises((errors.InvalidProducerEpoch, errors.ProducerFenced)):
                await zombie.transact(await batches(connections, zombie, topic, [b"never"]))
            await owner.transact(await batches(connections, owner, topic, [b"after"]))
            return await committed(log, topic)
        finally:
            for producer in filter(None, (zombie, owner)):
                await producer.close()

    seen = play(story)
    assert sorted(seen[0] + seen[1]) == [b"after", b"before"]


def test_the_fence_of_a_unit_is_lost_with_a_sentence(version, play, topic):
    async def story(log, connections):
        fence = Fence(f"{topic}-group", TopicPartition(topic, 0), "one", 1)
        other = KafkaLog(connections.servers)
        try:
            await log.claim(fence)
            await other.claim(fence)
            with pytest.raises(FencedError, match="another worker owns the partition now"):
                await log.commit(fence, 0, [Outgoing(topic, 0, Records(keys=[b"k"], values=[b"v"]))])
            with pytest.raises(FencedError, match="has not been claimed"):
                await log.commit(fence, 0, [])
        finally:
            await other.close()

    play(story)


def test_records_outside_of_transactions_are_kept_once_too(play, topic, monkeypatch):
    async def story(log, connections):
        producer = await Producer.start(connections)
        try:
            listen(monkeypatch, producer, ("records",))
            for name in (b"a", b"b"):
                await producer.send(await batches(connections, producer, topic, numbered(name, 10), partition=0))
            return await committed(log, topic)
        finally:
            await producer.close()

    assert play(story)[0] == [*numbered(b"a", 10), *numbered(b"b", 10)]


def test_brokers_that_stay_in_trouble_are_given_up_with_their_last_word(version, play, topic, monkeypatch):
    async def story(log, connections):
        producer = await Producer.start(connections, topic)
        filled = await batches(connections, producer, topic, [b"v"])

        async def refused(node, request, **options):
            raise errors.NotEnoughReplicasError("1 of 2")

        monkeypatch.setattr(producer.client, "send", refused)
        try:
            with (
                pytest.raises(LogUnavailableError, match=r"while committing: .*1 of 2"),
                connections.translated("committing"),
            ):
                await producer.transact(filled)
        finally:
            await producer.close()

    play(story, request_timeout_ms=500)


def test_brokers_4_have_version_2(kafka_version, kafka):
    assert asyncio.run(offers_version_2(kafka.bootstrap)) is not kafka_version.startswith("3.")


def test_brokers_that_lack_a_request_or_the_feature_get_the_old_way():
    class Client:
        def __init__(self, versions, levels):
            self.versions, self.levels = versions, levels

        async def send(self, node, request):
            request.prepare(self.versions)

            class Answer:
                tags = {} if self.levels is None else {2: wire._LEVELS.encode(self.levels)}

            return Answer

    speaks = {0: (3, 12), 18: (0, 4), 26: (0, 5)}
    asked = [
        (speaks, [("transaction.version", 2, 2, {})]),
        (speaks, [("group.version", 1, 1, {}), ("transaction.version", 1, 1, {})]),
        (speaks, None),
        ({**speaks, 26: (0, 4)}, [("transaction.version", 2, 2, {})]),
        ({0: (3, 12), 26: (0, 5)}, [("transaction.version", 2, 2, {})]),
    ]
    answers = [asyncio.run(wire.has_implicit_transactions(Client(*each), 0)) for each in asked]
    assert answers == [True, False, False, False, False]
