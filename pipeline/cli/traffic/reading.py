"""Reading a topic for people and programs: from a place, in the order of appending over all partitions, then on."""

import math
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np

from agents.events import Chunk, Headers, TopicPartition
from agents.language.expression import closest
from pipeline.cli.options import parse_moment
from pipeline.config import AppConfig
from pipeline.errors import UnknownTopicError, UsageError
from pipeline.log import Log, follow
from pipeline.plan import topic_specs

_OFFSET: Final = re.compile(r"\d{1,18}")


class Record(NamedTuple):
    """A record as it stands in the log."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Span(NamedTuple):
    """What to read: first offsets, and the ends as they were when it was made."""

    positions: dict[TopicPartition, int]
    ends: dict[TopicPartition, int]


async def ensure_topic(config: AppConfig, log: Log, topic: str) -> None:
    """Make a topic of the configuration if it is missing.

    Raises:
        UnknownTopicError: If it is none of the configuration, and not in the log.
    """
    specs = {spec.name: spec for spec in topic_specs(config)}
    if topic in specs:
        await log.create_topic(specs[topic])
        return
    try:
        await log.partitions(topic)
    except UnknownTopicError as error:
        named = sorted(stream.topic for stream in config.streams.values())
        close = closest(topic, named) if "did you mean" not in str(error) else ""
        raise UnknownTopicError(f"{error}; the configuration has streams on {', '.join(named)}{close}") from error


async def find_span(log: Log, topic: str, start: str, now_ms: int, partition: int | None = None) -> Span:
    """From ``start`` to the end as of now.

    Args:
        log: The log.
        topic: Its topic.
        start: ``start``, ``end``, an offset, or a moment as ``parse_moment`` takes it. An offset before the first
            record kept or behind the end means that bound.
        now_ms: This moment, Unix ms.
        partition: Only this one.

    Raises:
        UnknownTopicError: If there is no such topic or partition.
        UsageError: If ``start`` is not understood.
    """
    bounds = await log.partitions(topic)
    if partition is not None and partition not in bounds:
        raise UnknownTopicError(f"topic {topic!r} has no partition {partition}: it has 0 to {len(bounds) - 1}")
    span = Span({}, {})
    for number, info in bounds.items():
        if partition not in (None, number):
            continue
        source = TopicPartition(topic, number)
        span.ends[source] = info.end
        if start in ("start", "end"):
            span.positions[source] = info.start if start == "start" else info.end
        elif _OFFSET.fullmatch(start):
            span.positions[source] = min(max(int(start), info.start), info.end)
        else:
            span.positions[source] = await log.offset_at(source, _moment(start, now_ms))
    return span


def _moment(start: str, now_ms: int) -> int:
    try:
        return parse_moment(start, now_ms)
    except UsageError as error:
        raise UsageError(f"{error}; or start, end, or an offset") from error


def records_of(chunk: Chunk) -> list[Record]:
    """The records of a chunk."""
    headers: Iterable[Headers] = [()] * len(chunk) if chunk.headers is None else chunk.headers
    columns = zip(chunk.offsets.tolist(), chunk.timestamps_ms.tolist(), chunk.keys, chunk.values, headers, strict=True)
    return [Record(chunk.partition, *row) for row in columns]


async def read_span(log: Log, span: Span) -> AsyncIterator[list[Record]]:
    """The records of a span, all partitions together in the order of their append times.

    A time that goes back within a partition counts as the one before, so that offsets stay in order.

    Cost: memory of a chunk for each partition.
    """
    positions = dict(span.positions)
    waiting: dict[TopicPartition, list[tuple[int, Record]]] = {source: [] for source in positions}
    while True:
        hungry = {at: offset for at, offset in positions.items() if not waiting[at] and offset < span.ends[at]}
        for chunk in await log.fetch(hungry) if hungry else ():
            source = TopicPartition(chunk.topic, chunk.partition)
            positions[source] = chunk.next_offset
            records = [record for record in records_of(chunk) if record.offset < span.ends[source]]
            times = np.maximum.accumulate(chunk.timestamps_ms).tolist()
            waiting[source] = list(zip(times, records, strict=False))
        for source in hungry:
            if not waiting[source]:  # what is left up to the end was compacted away
                positions[source] = span.ends[source]
        ready = _take(waiting, positions, span.ends)
        if ready:
            yield ready
        elif not any(waiting.values()):
            return


def _take(
    waiting: dict[TopicPartition, list[tuple[int, Record]]],
    positions: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> list[Record]:
    """All records that nothing unread can come before; at least one partition gives all that it has."""
    last = [rows[-1][0] if rows else -math.inf for at, rows in waiting.items() if positions[at] < ends[at]]
    bound = min(last, default=math.inf)
    ready: list[tuple[int, Record]] = []
    for source, rows in waiting.items():
        count = next((at for at, (time_ms, _) in enumerate(rows) if time_ms > bound), len(rows))
        ready += rows[:count]
        waiting[source] = rows[count:]
    return [record for _, record in sorted(ready, key=lambda row: (row[0], row[1].partition, row[1].offset))]


async def read_records(log: Log, topic: str, span: Span, *, on: bool) -> AsyncIterator[list[Record]]:
    """The records of a span, and with ``on`` also those that come later, as they come."""
    async for records in read_span(log, span):
        yield records
    if on:
        starts = {source: max(offset, span.positions[source]) for source, offset in span.ends.items()}
        async for chunk in follow(log, topic, start=starts):
            if TopicPartition(chunk.topic, chunk.partition) in starts:
                yield records_of(chunk)
