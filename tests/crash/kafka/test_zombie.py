"""A worker that is stopped, replaced, and goes on without knowing it: step by step."""

import asyncio
import contextlib
import json

import numpy as np
import pytest

from agents.events import Outgoing, Records, TopicPartition
from pipeline.config import load_config
from pipeline.errors import FencedError
from pipeline.log.api import Fence
from pipeline.log.opening import open_log
from pipeline.plan import complete, plans, state_topic, topic_specs
from pipeline.shard import Shard
from pipeline.views import TableReader
from pipeline.worker.units.contract import Sinks
from pipeline.worker.units.restore import restore
from pipeline.worker.units.unit import Unit
from tests.crash.kafka.application import MANY, toml
from tests.crash.kafka.reading import committed

_START_MS = 1_700_000_000_000
_ACCOUNTS, _RECORDS, _TOGETHER = 3, 6_000, 500


def payments():
    """Of three accounts, all of one window."""
    rng = np.random.default_rng(1)
    accounts, cents = rng.integers(0, _ACCOUNTS, _RECORDS).tolist(), rng.integers(1, 99, _RECORDS).tolist()
    for number, (account, amount) in enumerate(zip(accounts, cents, strict=True)):
        ts = _START_MS + number // 10
        yield {"account": f"a{account}", "merchant": "m0", "ts": ts, "amount_cents": amount}


class Worker:
    """Owns the only partition, with connections of its own, as a process would have them."""

    def __init__(self, config, stack, epoch):
        self._config, self._made = config, plans(config)
        self.log = open_log(config.log)
        stack.push_async_callback(self.log.close)
        self.source = TopicPartition(config.streams["payments"].topic, 0)
        sinks = Sinks(
            log=self.log,
            app=config.name,
            alerts_topic=config.alerts_topic,
            state_topic=lambda topic: state_topic(config, topic),
            now_ms=lambda: _START_MS,
        )
        self.unit = Unit(Fence(config.name, self.source, f"worker-{epoch}", epoch), sinks)

    async def take_over(self):
        """As at an assignment: fence first, then read."""
        await self.log.claim(self.unit.fence)
        state = state_topic(self._config, self.source.topic)
        build = lambda source: Shard(self._made[source.topic], source.partition)  # noqa: E731
        self.unit.start((await restore(self.log, build, self.source, state)).shard)
        return self.unit.shard.position

    async def process(self, end):
        """Go on up to the offset ``end``."""
        while self.unit.shard.position < end:
            position = self.unit.shard.position
            (chunk,) = await self.log.fetch({self.source: position}, max_bytes=1_000, wait_ms=5_000)
            self.unit.apply(chunk)
        return self.unit.shard.position


async def totals_of(log, config):
    """Count and sum of each account, as the state says."""
    reader = TableReader(log, config)
    await reader.refresh()
    view = reader.view("by_account")
    rows = zip(view.keys, view.columns["n"].tolist(), view.columns["spent"].tolist(), strict=True)
    return {key: (n, spent) for key, n, spent in rows}


@pytest.fixture
def config(kafka, kafka_prefix, tmp_path):
    file = tmp_path / "zombie.toml"
    file.write_text(toml(app=kafka_prefix[:40], log=f"kafka://{kafka.bootstrap}", partitions=1))
    return complete(load_config(file, {}))


@pytest.mark.timeout(120)
def test_a_zombie_commits_nothing_and_totals_stay_exact(config, kafka):
    """A is stopped with work undone, B takes over and commits, A goes on: refused. C finds what B left, exactly."""

    async def story():
        # The client keeps the zombie's failure in futures that nobody asks.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        async with contextlib.AsyncExitStack() as stack:
            first, second, third = (Worker(config, stack, epoch) for epoch in (1, 2, 3))
            for spec in topic_specs(config):
                await first.log.create_topic(spec)
            sent = list(payments())
            for at in range(0, _RECORDS, _TOGETHER):  # batches are fetched as they were written
                values = [json.dumps(each).encode() for each in sent[at : at + _TOGETHER]]
                await first.log.append([Outgoing(first.source.topic, 0, Records(values=values))])

            assert await first.take_over() == 0
            done = await first.process(_RECORDS // 4)
            assert await first.unit.commit()
            await first.process(_RECORDS // 3)  # and here it is stopped

            assert await second.take_over() == done
            await second.process(_RECORDS // 2)
            assert await second.unit.commit()

            with pytest.raises(FencedError):  # the zombie, with what it had before
                await first.unit.commit()
            done = await second.process(_RECORDS * 3 // 4)
            assert await second.unit.commit()

            assert await third.take_over() == done
            await third.process(_RECORDS)
            assert await third.unit.commit()
            return sent, await totals_of(third.log, config)

    sent, totals = asyncio.run(story())
    cents = {key: [each["amount_cents"] for each in sent if each["account"] == key] for key in totals}
    assert totals == {key: (len(each), sum(each)) for key, each in cents.items()}
    assert sum(n for n, _ in totals.values()) == _RECORDS
    messages = [message for some in committed(kafka.bootstrap, config.alerts_topic) for message in some]
    alerts = [json.loads(message.value()) for message in messages]
    fired = {key: [at for at, each in enumerate(sent) if each["account"] == key][MANY - 1] for key in totals}
    assert sorted((alert["key"], alert["source"]["offset"]) for alert in alerts) == sorted(fired.items())
