"""Comparing what stands in the cluster with what must stand there."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pipeline.config.model import AppConfig
from pipeline.deadletter import parse_late
from pipeline.log import Log
from pipeline.plan import source_topics
from pipeline.views import TableReader
from tests.crash.kafka.application import TABLES
from tests.crash.kafka.reading import committed, has_more
from tests.crash.kafka.truth import AlertKey, Source, Window, read_source
from tests.crash.verdict import Verdict


async def check(log: Log, config: AppConfig, servers: str) -> Verdict:
    """Recompute everything from the source topic and compare it with what the workers wrote.

    Assumes that all workers have ended, and the last one had caught up.
    """
    topic = config.streams["payments"].topic
    source = await asyncio.to_thread(read_source, servers, topic)
    reader = TableReader(log, config)
    await reader.refresh()
    overtaken = list(_late(f"{topic}.late", servers))
    windows = dict(source.windows("by_account")) | dict(source.without(overtaken).windows("by_merchant"))
    alerts = dict(source.alerts(config.rules["busy"].version, topic))
    verdict = Verdict(
        records=len(source), alerts=len(alerts), facts={"windows": len(windows), "overtaken": len(overtaken)}
    )
    verdict.compare("window", windows, [*_closed(config, servers), *_open(reader)], "wrong_totals")
    seen = list(_alerts(config, servers))
    verdict.compare("alert", alerts, seen, "wrong_alerts")
    ids = Counter(facts["id"] for _, facts in seen)
    verdict.equal("alert ids that are not unique", {}, {number: n for number, n in ids.items() if n > 1}, "repeated")
    verdict.equal("late records that stand there repeatedly", len(set(overtaken)), len(overtaken), "repeated")
    verdict.equal("records late at their source", 0, source.late, "unexpected")
    refused = sum(map(len, committed(servers, f"{topic}.dead-letter")))
    verdict.equal("refused records", 0, refused, "unexpected")
    await _standing(verdict, log, config, reader, source)
    for name in await behind(reader, config, servers):
        verdict.stuck_partitions += 1
        verdict.examples.append(f"stuck_partitions: {name}")
    return verdict


async def behind(reader: TableReader, config: AppConfig, servers: str) -> list[str]:
    """Source partitions in which a committed record stands that the state does not hold, as the reader knows it."""
    found = []
    for topic in source_topics(config):
        applied = {fresh.partition: fresh.applied for fresh in reader.freshness(topic)}
        more = await asyncio.to_thread(has_more, servers, topic, applied)
        found += [f"{topic}/{partition} is applied to {applied[partition]} only" for partition in sorted(more)]
    return found


async def _standing(verdict: Verdict, log: Log, config: AppConfig, reader: TableReader, source: Source) -> None:
    """The group's positions, which others monitor, have followed."""
    positions = await log.committed(config.name)
    topic = config.streams["payments"].topic
    for fresh in reader.freshness(topic):
        found = [at.offset for each, at in positions.items() if each == (topic, fresh.partition)]
        end = source.ends.get(fresh.partition, 0)
        if not found or max(found) < end:
            verdict.stuck_partitions += 1
            verdict.examples.append(f"stuck_partitions: the group's position of {fresh} is {found}, the end {end}")


def _late(topic: str, servers: str) -> Iterator[tuple[int, int]]:
    """Records that came too late for their window by merchant, which had been closed by the other source partitions.

    That is as it should be where a partition fell behind them by more than the skew that such windows wait for. By
    account none may be late: that table has a clock for each partition.
    """
    for messages in committed(servers, topic):
        for message in messages:
            late = parse_late(message.headers())
            if late.tables != ("by_merchant",):
                raise AssertionError(f"{late.origin} is late for {late.tables}")
            yield late.origin.partition, late.origin.offset


def _closed(config: AppConfig, servers: str) -> Iterator[tuple[Window, dict[str, int]]]:
    for table in TABLES:
        for messages in committed(servers, f"{config.name}-{table}"):
            for message in messages:
                row = json.loads(message.value())
                yield (table, row["key"], row["window_start_ms"]), {"n": row["n"], "spent": row["spent"]}


def _open(reader: TableReader) -> Iterator[tuple[Window, dict[str, int]]]:
    for table in TABLES:
        view = reader.view(table)
        columns = (view.keys, view.window_start_ms.tolist(), view.columns["n"].tolist(), view.columns["spent"].tolist())
        for key, start_ms, n, spent in zip(*columns, strict=True):
            yield (table, key, start_ms), {"n": n, "spent": spent}


def _alerts(config: AppConfig, servers: str) -> Iterator[tuple[AlertKey, dict[str, Any]]]:
    for messages in committed(servers, config.alerts_topic):
        for message in messages:
            alert = json.loads(message.value())
            facts = {name: alert[name] for name in ("id", "table", "event_time_ms", "window_end_ms")}
            facts["n"] = alert["values"]["n"]
            facts |= {name: alert["source"][name] for name in ("partition", "offset")}
            yield AlertKey(alert["key"], alert["window_start_ms"]), facts
