"""A small shard that counts, real in all that a worker relies on, and helpers to run workers over a local log."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping

import numpy as np

from agents.events import Alert, Chunk, Outgoing, Output, RecordRef, Records, TopicPartition
from agents.identity import alert_id
from agents.spec import Field, StreamSpec
from pipeline.config.model import AppConfig
from pipeline.log import Log
from pipeline.plan import topic_specs
from pipeline.worker import LogApp, build_app, serve

APP, EVENTS, FORWARDED, STATE = "tally", "events", "forwarded", "tally-events-state"
EVERY = 10  # an alert each time that a key was counted so often


def config(**changes) -> AppConfig:
    """Two streams of three partitions: what is forwarded from the first feeds the second."""
    fields = {"k": Field(name="k", type="str"), "ts": Field(name="ts", type="int")}
    streams = {
        name: StreamSpec(name=name, topic=name, partitions=3, key="k", time="ts", id=None, fields=fields)
        for name in (EVENTS, FORWARDED)
    }
    return AppConfig(**{"name": APP, "log": "local://unused", "streams": streams, "health": False, **changes})


class TallyShard:
    """Counts records by payload; ``poison`` raises after half a change; ``>KEY`` goes to the second stream as KEY."""

    def __init__(self, source: TopicPartition) -> None:
        self.source = source
        self.position = 0
        self.watermark_ms = 0
        self.history = 0
        self.notices: list[str] = []
        self.emitted = 0
        self.counts: Counter[str] = Counter()
        self._stored: list[int] | None = None
        self._changed: set[str] = set()

    def process(self, chunk: Chunk) -> Output:
        output = Output(appended_ms=np.asarray(chunk.timestamps_ms), time_ms=np.asarray(chunk.timestamps_ms))
        forwarded: list[bytes] = []
        for offset, value in zip(chunk.offsets.tolist(), chunk.values, strict=True):
            key = value.decode()
            self.counts[key] += 1
            self._changed.add(key)
            if key == "poison":
                raise ValueError("poison was tasted")
            if key.startswith(">"):
                forwarded.append(value[1:])
            if self.counts[key] % EVERY == 0:
                output.alerts.append(self._alert(key, offset))
        if forwarded:
            output.outgoing.append(Outgoing(FORWARDED, None, Records(keys=forwarded, values=forwarded)))
        if len(chunk):
            self.watermark_ms = max(self.watermark_ms, int(chunk.timestamps_ms.max()))
        self.position = chunk.next_offset
        return output

    def advance(self, time_ms: int) -> Output:
        self.watermark_ms = max(self.watermark_ms, time_ms)
        self._stored = None
        return Output(outgoing=[Outgoing("advanced", 0, Records(values=[str(time_ms).encode()]))])

    def dirty(self) -> dict[bytes, bytes | None]:
        slabs: dict[bytes, bytes | None] = {key.encode(): b"%d" % self.counts[key] for key in self._changed}
        self._changed.clear()
        self._stored = [self.position, self.watermark_ms]
        slabs[b"meta"] = self._meta(self._stored)
        return slabs

    def progress(self) -> dict[bytes, bytes | None] | None:
        return None if self._stored is None else {b"meta": self._meta(self._stored)}

    def _meta(self, stored: list[int]) -> bytes:
        self.emitted = max(self.emitted, self.position)
        return json.dumps([*stored, self.emitted]).encode()

    def restore(self, slabs: Mapping[bytes, bytes]) -> None:
        counts = dict(slabs)
        if meta := counts.pop(b"meta", None):
            self.position, self.watermark_ms, self.emitted = json.loads(meta)
            self._stored = [self.position, self.watermark_ms]
        self.counts = Counter({key.decode(): int(count) for key, count in counts.items()})

    def remember(self, chunk: Chunk) -> None:
        raise AssertionError("no history was asked for")

    def _alert(self, key: str, offset: int) -> Alert:
        count, source = self.counts[key], RecordRef(*self.source, offset, None)
        return Alert(
            id=alert_id("often", "00000000", key, source),
            rule="often",
            version="00000000",
            severity="high",
            stream=self.source.topic,
            table=None,
            key=key,
            event_time_ms=0,
            appended_ms=0,
            window_start_ms=0,
            window_end_ms=1,
            condition=f"count % {EVERY} == 0",
            values={"count": count},
            thresholds={},
            source=source,
            records=(),
        )


@contextlib.asynccontextmanager
async def running(log: Log, settings: AppConfig | None = None, **options) -> AsyncIterator[LogApp]:
    """A worker in this process; drained at the end, and whatever made it fail is raised."""
    app = build_app(settings or config(), log, **{"build": TallyShard, "ttl_ms": 1_000, **options})
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(app, stop))
    try:
        yield app
    finally:
        stop.set()
        assert await serving == 0


async def run_until_idle(log: Log, settings: AppConfig | None = None, **options) -> int:
    """A worker in this process until it has nothing to do."""
    app = build_app(settings or config(), log, **{"build": TallyShard, "ttl_ms": 1_000, **options})
    return await serve(app, asyncio.Event(), until_idle=True)


async def create(log: Log) -> None:
    """The source topics, so that records can be there before any worker."""
    for spec in topic_specs(config()):
        await log.create_topic(spec)


async def append(log: Log, keys: list[str], topic: str = EVENTS) -> None:
    values = [key.encode() for key in keys]
    await log.append([Outgoing(topic, None, Records(keys=values, values=values))])


async def read(log: Log, topic: str) -> list[Chunk]:
    """Everything in a topic, whatever it takes."""
    chunks: list[Chunk] = []
    for partition, bounds in (await log.partitions(topic)).items():
        position = bounds.start
        while position < bounds.end:
            found = await log.fetch({TopicPartition(topic, partition): position}, max_bytes=8 << 20)
            chunks += found
            position = found[0].next_offset if found else bounds.end
    return chunks


async def totals(log: Log, topic: str = EVENTS) -> Counter[str]:
    """Counts of all partitions as the log has them."""
    found: Counter[str] = Counter()
    for partition in range(3):
        shard, slabs = TallyShard(TopicPartition(topic, partition)), {}
        for chunk in await read(log, f"{APP}-{topic}-state"):
            if chunk.partition == partition:
                slabs |= dict(zip(chunk.keys, chunk.values, strict=True))
        shard.restore(slabs)
        found += shard.counts
    return found


async def alerts(log: Log) -> list[tuple[str, int]]:
    """Key and count of each alert, sorted; a repeated one stands twice."""
    values = [value for chunk in await read(log, "alerts") for value in chunk.values]
    return sorted((body["key"], body["values"]["count"]) for body in map(json.loads, values))


def expected_alerts(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted((key, n) for key, count in counts.items() for n in range(EVERY, count + 1, EVERY))


def owned(*apps: LogApp) -> list[int]:
    """How many open units each worker has."""
    return [sum(unit.is_open for unit in app.keeper.units.values()) for app in apps]


async def eventually(condition, *, within_s: float = 10.0) -> None:
    """Wait until ``condition()``, plain or awaitable, holds."""
    deadline = time.monotonic() + within_s
    while True:
        held = condition()
        if asyncio.iscoroutine(held):
            held = await held
        if held:
            return
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.01)
