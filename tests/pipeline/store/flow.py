"""Shards that write their state to a log, a store that follows it, and whether it says the same."""

import random
from dataclasses import replace

from agents.events import Outgoing, Records, TopicPartition
from pipeline.log.api import TopicSpec
from pipeline.readmodel.columns import columns_of
from pipeline.readmodel.query import MAX_LIMIT, TableQuery, run
from pipeline.store.rows.keeper import TableKeeper
from pipeline.store.rows.pages import find_rows
from pipeline.views import TableReader
from tables.spec import Measure
from tests.pipeline.shards import app, build_shard, chunk_of, payload

STATE = "app-payments-state"
TABLES = ("recent", "windows")
EVERYTHING = TableQuery(limit=MAX_LIMIT)
MEASURES = (
    Measure(name="n", kind="count"),
    Measure(name="spent", kind="sum", input="cents"),
    Measure(name="share", kind="sum", input="cents / 7", unit=0.01),
    Measure(name="mean", kind="mean", input="cents"),
    Measure(name="spread", kind="std", input="cents"),
    Measure(name="least", kind="min", input="cents"),
    Measure(name="newest", kind="last", input="cents"),
    Measure(name="lands", kind="distinct", input="country"),
    Measure(name="since", kind="first_seen"),
    Measure(name="until", kind="last_seen"),
)


def rich():
    """Every kind of measure in a sliding and in a tumbling table."""
    config = app()
    tables = {name: replace(config.tables[name], measures=MEASURES, ttl_ms=4_000) for name in TABLES}
    return replace(config, tables=tables, rules={}, detectors={})


class Flow:
    """Payments through shards of both partitions into a log, tables in a store, and time as the test says."""

    def __init__(self, log, database, *, config=None, seed=1):
        self.config = config or rich()
        self.log, self.database = log, database
        self.random = random.Random(seed)
        self.shards = [build_shard(self.config, TopicPartition("payments", part)) for part in range(2)]
        self.now_ms = self.now_s = 0
        self.begin()

    def begin(self):
        """A reader and keeper that know nothing, as after a restart."""
        self.reader = TableReader(self.log, self.config)
        self.keeper = TableKeeper(self.database, self.reader, monotonic_s=lambda: self.now_s)
        self._begun = False

    async def create(self):
        await self.log.create_topic(TopicSpec(name="payments", partitions=2))
        await self.log.create_topic(TopicSpec(name=STATE, partitions=2, cleanup="compact"))

    async def pay(self, count, *, keys=40, span_ms=300, parts=(0, 1), lands=9):
        """Random payments over a span of time, and a commit of what changed."""
        for part in parts:
            values = [
                payload(
                    {
                        "id": f"{self.now_ms}-{at}",
                        "account": f"{'ÄcCt' if key % 3 else 'acct'}-{part}-{key}",
                        "merchant": "m",
                        "country": f"C{self.random.randrange(lands)}",
                        "ts": self.now_ms + self.random.randrange(span_ms),
                        "cents": self.random.randrange(-50, 1_000),
                    }
                )
                for at, key in ((at, self.random.randrange(keys)) for at in range(count))
            ]
            await self.commit(part, values)
        self.now_ms += span_ms

    async def commit(self, part, values=()):
        shard = self.shards[part]
        if values:
            shard.process(chunk_of(values, partition=part, start=shard.position))
        slabs = shard.dirty()
        await self.log.append([Outgoing(STATE, part, Records(keys=[*slabs], values=[*slabs.values()]))])

    async def follow(self, *, seconds=100):
        """Bring the store up to date, after some seconds."""
        self.now_s += seconds
        await self.reader.refresh()
        if not self._begun:
            self.keeper.begin()
            self._begun = True
        while self.keeper.refresh() or self.keeper.behind:
            pass

    def page(self, table, asked):
        return find_rows(self.database, self.keeper.layouts[table], asked)

    def names(self, table):
        return [info.name for info in columns_of(self.reader.specs[table])]


def same(flow, table, asked=EVERYTHING):
    """The store says what a view of the state topics does."""
    got, expected = flow.page(table, asked), run(flow.reader.view(table), asked)
    assert (got.matching, got.total) == (expected.matching, expected.total), asked
    assert got.rows == expected.rows, asked
