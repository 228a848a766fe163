"""What a reset does to those who hold on to what it deletes."""

import asyncio
import secrets
from dataclasses import replace

import pytest

from agents.events import Outgoing, Records, TopicPartition
from pipeline.config import load_config
from pipeline.errors import FencedError, TopicMismatchError
from pipeline.log import Fence
from pipeline.log.opening import open_log
from pipeline.plan import state_topic, topic_specs
from pipeline.reset import END, START, plan_reset, reset
from pipeline.shard_state import read_meta, slabs_at
from pipeline.views import TableReader
from pipeline.worker.units.restore import read_slabs

CONFIG = """
[app]
name = "{app}"
log = "{log}"
alerts = "{app}-alerts"
health = false

[streams.orders]
topic = "{app}-orders"
partitions = 1
key = "customer"
time = "ts"
fields = {{ customer = "str", ts = "int" }}

[tables.recent]
stream = "orders"
by = "customer"
window = {{ sliding = "1h", pane = "1m" }}
measures = {{ n = "count()" }}
"""


@pytest.fixture(params=["kafka", "local"])
def config(request, tmp_path):
    """An application of its own on a log."""
    log = f"local://{tmp_path}/log.db"
    if request.param == "kafka":
        log = f"kafka://{request.getfixturevalue('kafka').bootstrap}"
    path = tmp_path / "app.toml"
    path.write_text(CONFIG.format(app=f"reset-{secrets.token_hex(4)}", log=log))
    return load_config(path, {})


def played(config, play):
    """Run a scene on a log with the application's topics and five records."""

    async def run():
        log = open_log(config.log)
        try:
            for spec in topic_specs(config):
                await log.create_topic(spec)
            await log.append([Outgoing(f"{config.name}-orders", 0, Records(values=[b"{}"] * 5))])
            await play(log, TopicPartition(f"{config.name}-orders", 0))
        finally:
            await log.close()

    asyncio.run(run())


def state(config, source, position):
    slabs = slabs_at(position)
    return Outgoing(
        state_topic(config, source.topic), source.partition, Records(keys=list(slabs), values=list(slabs.values()))
    )


async def position(log, config, source):
    """Where a shard would start."""
    return read_meta(
        await read_slabs(log, TopicPartition(state_topic(config, source.topic), source.partition))
    ).position


class Owner:
    """A worker that takes one partition, and is then heard of no more."""

    def __init__(self, log, config, source):
        self.log, self.config, self.source = log, config, source
        self.fence = Fence(config.name, source, "zombie", 1)

    async def own(self):
        if hasattr(self.log, "renew"):
            (self.fence,) = await self.log.renew(self.config.name, "zombie", [self.source.topic], ttl_ms=1)
        await self.log.claim(self.fence)

    async def commit(self, position):
        await self.log.commit(self.fence, position, [state(self.config, self.source, position)])


def test_a_worker_that_was_paused_can_not_undo_a_reset(config):
    """A former owner that wakes up after the reset is fenced: its state does not come back."""

    async def play(log, source):
        owner = Owner(log, config, source)
        await owner.own()
        await owner.commit(5)
        assert await position(log, config, source) == 5
        await reset(log, config, await plan_reset(log, config, START))
        with pytest.raises(FencedError):
            await owner.commit(5)
        assert await position(log, config, source) == 0

    played(config, play)


def test_a_second_reset_goes_by_its_own_place(config):
    """What an earlier reset wrote is replaced, also the group's position that others see."""

    async def play(log, source):
        await reset(log, config, await plan_reset(log, config, END))
        assert await position(log, config, source) == 5
        assert {at: found.offset for at, found in (await log.committed(config.name)).items()} == {source: 5}
        await reset(log, config, await plan_reset(log, config, START))
        assert await position(log, config, source) == 0
        assert await log.committed(config.name) == {}

    played(config, play)


def test_a_reader_of_tables_starts_anew_with_them(config):
    """Who follows the tables sees that their state was deleted, and follows what comes then."""

    async def play(log, source):
        reader = TableReader(log, config)
        for at in (1, 2, 3):
            await log.append([state(config, source, at)])
        await reader.refresh()
        assert reader.meta(source).position == 3
        await reset(log, config, await plan_reset(log, config, START))
        await reader.refresh()
        assert reader.meta(source).position == 0
        await log.append([state(config, source, 4)])
        await reader.refresh()
        assert reader.meta(source).position == 4

    played(config, play)


def test_other_partitions_than_configured_are_mended_first(config):
    """Before anything is deleted, a stream's topic with other partitions than configured is refused."""

    async def play(log, source):
        stream = replace(config.streams["orders"], partitions=2)
        with pytest.raises(TopicMismatchError, match="has 1 partitions, the configuration says 2"):
            await plan_reset(log, replace(config, streams={"orders": stream}), END)

    played(config, play)


def test_places_of_deliveries_go_with_the_alerts(config):
    """Else a destination would pass over as many new alerts as there were old ones; without --alerts they stay."""

    async def play(log, source):
        group = f"{config.name}-deliver-pager"
        alerts = TopicPartition(config.alerts_topic, 0)
        await log.append([Outgoing(*alerts, Records(values=[b"{}"] * 3))])
        await log.commit_offsets(group, {alerts: 3})
        await reset(log, config, await plan_reset(log, config, START))
        assert (await log.committed(group))[alerts].offset == 3
        await reset(log, config, await plan_reset(log, config, START, alerts=True))
        assert await log.committed(group) == {}

    played(config, play)
