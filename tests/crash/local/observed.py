"""What stands in the log: the source topic, and everything that the workers wrote."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from agents.events import Chunk, TopicPartition
from pipeline.config.model import AppConfig
from pipeline.deadletter import parse_dead_letter, parse_late
from pipeline.log import Log
from pipeline.packed import unpack
from pipeline.plan import source_topics
from pipeline.views import TableReader
from tests.crash.local.oracle import Packed, Place
from tests.crash.local.payments import Refused, Source

_CHUNK_BYTES = 4 << 20
TABLES = ("account_2s", "account_20s", "merchant_5s", "merchant_10s")
CLOSING = ("account_2s", "merchant_5s")
HEALTH = ("health_1s", "health_10s", "health_1m")


@dataclass(slots=True)
class Observed:
    """Lists of key and value, so that what stands in the log twice stands here twice.

    Args:
        alerts: Of the application's own rules.
        health_alerts: Ids of all others.
        closed: Rows of closed windows.
        state: Rows of windows that are still there.
        late: Late records.
        dead: Refused records.
        repartitioned: The repartition topic by partition.
        counts: Of each shard, from its own state.
        health: Records by source partition, summed in different ways: all must agree.
        standing: Position and end of each source partition.
    """

    alerts: list[tuple[tuple[str, str, Place], dict[str, Any]]] = field(default_factory=list)
    health_alerts: list[str] = field(default_factory=list)
    closed: list[tuple[tuple[str, str, int], dict[str, int]]] = field(default_factory=list)
    state: list[tuple[tuple[str, str, int], dict[str, int]]] = field(default_factory=list)
    late: list[tuple[tuple[str, Place], int]] = field(default_factory=list)
    dead: list[tuple[Place, Refused]] = field(default_factory=list)
    repartitioned: dict[int, list[Packed]] = field(default_factory=dict)
    counts: dict[tuple[str, int], dict[str, int]] = field(default_factory=dict)
    health: dict[str, Counter[str]] = field(default_factory=dict)
    health_windows: list[tuple[tuple[str, str, int], None]] = field(default_factory=list)
    standing: dict[TopicPartition, tuple[int, int, int]] = field(default_factory=dict)


async def read_topic(log: Log, topic: str) -> AsyncIterator[Chunk]:
    """Everything in a topic, partition by partition, in order."""
    for partition, bounds in sorted((await log.partitions(topic)).items()):
        position = bounds.start
        while position < bounds.end:
            chunks = await log.fetch(
                {TopicPartition(topic, partition): position}, max_bytes=_CHUNK_BYTES, wait_ms=10_000
            )
            if not chunks:
                raise RuntimeError(f"{topic}/{partition} can't be read from {position} to its end {bounds.end}")
            for chunk in chunks:
                position = chunk.next_offset
                yield chunk


async def read_sources(log: Log, config: AppConfig) -> dict[int, Source]:
    """The source topic by partition."""
    stream = config.streams["payments"]
    sources = {partition: Source(partition) for partition in range(stream.partitions)}
    async for chunk in read_topic(log, stream.topic):
        sources[chunk.partition].add(chunk)
    return sources


async def observe(log: Log, config: AppConfig) -> Observed:
    """Everything that the workers wrote."""
    seen, stream = Observed(), config.streams["payments"]
    await _alerts(log, config, seen)
    async for chunk in read_topic(log, f"{stream.topic}.dead-letter"):
        for headers, key, value in zip(chunk.headers or (), chunk.keys, chunk.values, strict=True):
            letter = parse_dead_letter(headers)
            seen.dead.append((_place(letter.origin), Refused(letter.reason, key, value)))
    async for chunk in read_topic(log, f"{stream.topic}.late"):
        for headers in chunk.headers or ():
            late = parse_late(headers)
            seen.late.append(((",".join(late.tables), _place(late.origin)), late.watermark_ms))
    for table in CLOSING:
        async for chunk in read_topic(log, f"{config.name}-{table}"):
            seen.closed += [_closed(table, value) for value in chunk.values]
    for partition in range(stream.partitions):
        seen.repartitioned[partition] = []
    async for chunk in read_topic(log, repartition_topic(config)):
        for offset, value in zip(chunk.offsets.tolist(), chunk.values, strict=True):
            seen.repartitioned[chunk.partition].append(_packed(offset, value))
    await _tables(log, config, seen)
    await _standing(log, config, seen)
    return seen


def repartition_topic(config: AppConfig) -> str:
    """The internal topic that feeds the tables by merchant."""
    return f"{config.name}-payments-by-merchant-repartition"


async def _alerts(log: Log, config: AppConfig, seen: Observed) -> None:
    async for chunk in read_topic(log, config.alerts_topic):
        for value in chunk.values:
            alert = json.loads(value or b"")
            if alert["rule"] not in config.rules:
                seen.health_alerts.append(alert["id"])
                continue
            names = ("id", "table", "event_time_ms", "appended_ms", "window_start_ms", "window_end_ms", "values")
            facts = {name: alert[name] for name in names} | {"source_id": alert["source"]["id"]}
            facts["records"] = [Place(record["partition"], record["offset"]) for record in alert["records"]]
            source = Place(alert["source"]["partition"], alert["source"]["offset"])
            seen.alerts.append(((alert["rule"], alert["key"], source), facts))


async def _tables(log: Log, config: AppConfig, seen: Observed) -> None:
    reader = TableReader(log, config)
    await reader.refresh()
    for table in TABLES:
        view = reader.view(table)
        columns = {name: column.tolist() for name, column in view.columns.items()}
        for at, (key, start_ms) in enumerate(zip(view.keys, view.window_start_ms.tolist(), strict=True)):
            seen.state.append(((table, key, start_ms), {name: column[at] for name, column in columns.items()}))
    for by, topic in (("account", config.streams["payments"].topic), ("merchant", repartition_topic(config))):
        for fresh in reader.freshness(topic):
            counts = reader.meta(TopicPartition(topic, fresh.partition)).counts
            seen.counts[by, fresh.partition] = {name: counts[name] for name in ("records", "late", "rejects")}
    await _health(log, config, reader, seen)


async def _health(log: Log, config: AppConfig, reader: TableReader, seen: Observed) -> None:
    """Records by source as the meters say, and as each health table has them: open, closed, or too late for it."""
    topic = f"{config.name}-health"
    meters = seen.health["meters"] = Counter()
    async for chunk in read_topic(log, topic):
        for event in map(json.loads, chunk.values):  # type: ignore[arg-type]  # nobody writes tombstones there
            meters[event["source"]] += event["records"]
    for table in HEALTH:
        sums, view = seen.health.setdefault(table, Counter()), reader.view(table)
        records, starts = view.columns["records"].tolist(), view.window_start_ms.tolist()
        for key, start_ms, count in zip(view.keys, starts, records, strict=True):
            sums[key] += count
            seen.health_windows.append(((table, key, start_ms), None))
        async for chunk in read_topic(log, f"{config.name}-{table}"):
            for row in map(json.loads, chunk.values):  # type: ignore[arg-type]
                sums[row["key"]] += row["records"]
                seen.health_windows.append(((table, row["key"], row["window_start_ms"]), None))
    async for chunk in read_topic(log, f"{topic}.late"):
        for headers, value in zip(chunk.headers or (), chunk.values, strict=True):
            event = json.loads(value or b"")
            for table in parse_late(headers).tables:
                seen.health[table][event["source"]] += event["records"]


async def _standing(log: Log, config: AppConfig, seen: Observed) -> None:
    """What the group committed, what the state says was applied, and the end."""
    reader = TableReader(log, config)
    await reader.refresh()
    committed = await log.committed(config.name)
    for topic in source_topics(config):
        if topic == f"{config.name}-health":
            continue  # the last commit of all others is measured after it
        for fresh in reader.freshness(topic):
            source = TopicPartition(topic, fresh.partition)
            position = committed[source].offset if source in committed else 0
            seen.standing[source] = (position, fresh.applied, fresh.end)


def _place(origin: Any) -> Place:
    return Place(origin.partition, origin.offset)


def _closed(table: str, value: bytes | None) -> tuple[tuple[str, str, int], dict[str, int]]:
    row = json.loads(value or b"")
    measures = {name: row[name] for name in ("n", "spent", "others")}
    return (table, row["key"], row["window_start_ms"]), measures


def _packed(offset: int, value: bytes | None) -> Packed:
    packed = unpack(value)
    batch = packed.batch
    places = map(Place, batch.partition.tolist(), batch.offsets.tolist())
    return Packed(offset, list(zip(places, packed.stream_ms.tolist(), strict=True)))
