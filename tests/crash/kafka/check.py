"""Comparing what stands in the cluster with what must stand there."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pipeline.config.model import AppConfig
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
    windows = dict(source.windows())
    alerts = dict(source.alerts(config.rules["busy"].version, topic))
    verdict = Verdict(
        records=len(source), alerts=len(alerts), facts={"windows": len(windows), "late_at_source": source.late}
    )
    verdict.compare("window", windows, [*_closed(config, servers), *_open(reader)], "wrong_totals")
    seen = list(_alerts(config, servers))
    verdict.compare("alert", alerts, seen, "wrong_alerts")
    ids = Counter(facts["id"] for _, facts in seen)
    verdict.equal("alert ids that are not unique", {}, {number: n for number, n in ids.items() if n > 1}, "repeated")
    for side in (f"{topic}.late", f"{topic}.dead-letter"):
        verdict.equal(f"records in {side}", 0, sum(map(len, committed(servers, side))), "unexpected")
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
