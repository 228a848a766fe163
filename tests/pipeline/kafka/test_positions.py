"""A group's positions, which others monitor and no worker goes by."""

import asyncio
from dataclasses import replace

import pytest

from agents.events import Outgoing, Records
from pipeline.kafka.log import KafkaLog
from tests.pipeline.worker import tally


@pytest.fixture
def settings(kafka, kafka_prefix):
    name = kafka_prefix[:60]
    stream = replace(tally.config().streams[tally.EVENTS], topic=f"{name}-events")
    return tally.config(name=name, log=kafka.url, streams={tally.EVENTS: stream}, alerts_topic=f"{name}-alerts")


@pytest.mark.timeout(120)
def test_positions_follow_what_was_restored(kafka, settings):
    """A worker that has nothing to do says so: else a topic at rest would lag for ever after its owner was killed."""
    group, topic = settings.name, f"{settings.name}-events"

    async def story():
        log = KafkaLog(kafka.bootstrap)
        try:
            assert await tally.run_until_idle(log, settings) == 0  # which makes the topics
            keys = [b"k%d" % number for number in range(30)]
            await log.append([Outgoing(topic, None, Records(keys=keys, values=keys))])
            assert await tally.run_until_idle(log, settings) == 0
            committed = positions(await log.committed(group))
            await log.commit_offsets(group, dict.fromkeys(committed, 0))  # as if its owner had died before it told
            assert await tally.run_until_idle(log, settings) == 0
            return committed, positions(await log.committed(group))
        finally:
            await log.close()

    committed, again = asyncio.run(story())
    assert sum(committed.values()) == 30
    assert again == committed


def positions(committed):
    return {source: known.offset for source, known in committed.items()}
