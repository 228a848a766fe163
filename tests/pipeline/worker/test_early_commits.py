"""Early commits: what they leave for later is neither lost nor repeated, whenever the unit dies."""

import asyncio

import orjson
from hypothesis import given
from hypothesis import strategies as st

from agents.events import TopicPartition
from pipeline.log import Fence
from pipeline.shard_state import META
from pipeline.views import _rows
from pipeline.worker.units import chunks
from pipeline.worker.units.contract import Sinks
from pipeline.worker.units.unit import Unit
from tests.pipeline.shards import chunk_of, fresh, payload

SOURCE = TopicPartition("payments", 0)
STATE = "app-payments-state"
FENCE = Fence("app", SOURCE, "w", 1)


class Commits:
    """What was committed: the newest slabs, and all other records by topic, as a log would hold them."""

    def __init__(self):
        self.slabs = {}
        self.records = {}
        self.written = []

    async def commit(self, _fence, _offset, outgoing):
        for topic, _, records in outgoing:
            if topic != STATE:
                self.records.setdefault(topic, []).extend(records.values)
                continue
            self.written.append(set(records.keys))
            for key, slab in zip(records.keys, records.values, strict=True):
                self.slabs.pop(key, None)
                if slab is not None:
                    self.slabs[key] = slab


def opened(commits, values):
    """A unit as a worker opens it."""
    sinks = Sinks(log=commits, app="app", alerts_topic="alerts", state_topic=lambda _: STATE, now_ms=lambda: 5)
    unit, shard = Unit(FENCE, sinks), fresh()
    shard.restore(commits.slabs)
    if shard.position:
        shard.remember(chunk_of(values[: shard.position]))
    unit.start(shard)
    return unit


def stream(steps):
    now, values = 100_000, []
    for at, (account, merchant, step, cents) in enumerate(steps):
        now += step
        record = {"id": str(at), "account": account, "merchant": merchant, "country": "DE", "ts": now, "cents": cents}
        values.append(payload(record) if cents != 7 else b"{broken")
    return values


def state(commits):
    """Every row of every table, as a reader of what is stored sees it."""
    shard = fresh()
    shard.restore(commits.slabs)
    return {
        (name, rows.start_ms, key): {measure: column[at] for measure, column in rows.columns.items()}
        for agent in shard._keyed.values()
        for name, table in agent.group.tables.items()
        for rows in _rows(table, 0)
        for at, key in enumerate(rows.keys)
    }


record = st.tuples(
    st.sampled_from(["ann", "bob", "eve"]), st.sampled_from(["m1", "m2"]), st.integers(-60, 200), st.integers(0, 9)
)
action = st.sampled_from(["early", "early", "full", "die", "go on"])


@given(
    steps=st.lists(record, min_size=1, max_size=60),
    turns=st.lists(st.tuples(st.integers(1, 7), action), min_size=1, max_size=40),
)
def test_early_commits_and_deaths_change_nothing(steps, turns):
    """Alerts, windows, rejects and state are those of an undisturbed run, each once and in the same order."""
    values = stream(steps)
    calm, wild = Commits(), Commits()
    unit = opened(calm, values)
    unit.apply(chunk_of(values))
    asyncio.run(unit.commit())

    async def scenario():
        unit = opened(wild, values)
        for count, act in turns:
            start = unit.shard.position
            unit.apply(chunk_of(values[start : start + count], start=start))
            if act == "die":
                unit = opened(wild, values)
            elif act != "go on":
                await unit.commit(early=act == "early")
        while unit.shard.position < len(values):
            unit.apply(chunk_of(values[unit.shard.position :], start=unit.shard.position))
        await unit.commit()

    asyncio.run(scenario())
    for topic in calm.records.keys() | wild.records.keys():
        if topic.endswith("-repartition"):
            continue  # packed anew for each cut; what is in it is compared where it is unpacked
        assert wild.records.get(topic) == calm.records.get(topic)
    assert state(wild) == state(calm)
    counts = [orjson.loads(commits.slabs[META])["counts"] for commits in (calm, wild)]
    assert counts[0] == counts[1]


def crowd(count):
    """Records of one account that raise an alert."""
    return stream([("ann", "m1", 1, 1)] * count)


def test_an_early_commit_writes_no_tables():
    """Between two regular commits only the slab with the position is written with an alert."""
    values, commits = crowd(12), Commits()

    async def scenario():
        unit = opened(commits, values)
        unit.apply(chunk_of(values[:4]))
        await unit.commit(early=True)  # nothing was stored before, so all is
        unit.apply(chunk_of([*stream([("bob", "m1", 1, 1)])], start=4))
        await unit.commit(early=True)
        assert commits.written[0] > {META}
        assert commits.written[1:] == [{META}]
        assert not unit.is_clean
        await unit.commit()
        assert unit.is_clean
        assert commits.written[2] > {META}

    asyncio.run(scenario())


def test_time_that_passed_without_records_is_stored_at_once():
    """After event time was moved by the clock on the wall an early commit stores everything."""
    values, commits = crowd(8), Commits()

    async def scenario():
        unit = opened(commits, values)
        unit.apply(chunk_of(values[:4]))
        await unit.commit()
        unit.advance(10**6)
        await unit.commit(early=True)
        assert commits.written[-1] > {META}

    asyncio.run(scenario())


def test_a_buried_record_is_stored_at_once():
    """After a record that can't be processed was passed, an early commit stores everything."""
    values, commits = crowd(8), Commits()

    async def scenario():
        unit = opened(commits, values)
        unit.apply(chunk_of(values[:4]))
        await unit.commit()
        unit.shard.process(chunks.nothing(*SOURCE, 5))
        unit.passed_over()
        unit.apply(chunk_of(values[5:], start=5))
        await unit.commit(early=True)
        assert commits.written[-1] > {META}

    asyncio.run(scenario())
