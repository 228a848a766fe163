"""What flows: raw chunks in, typed batches between, alerts and other records out.

Columns rather than objects: one object a chunk, never one a record.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tables.slices import Column, joined_texts

Int64 = NDArray[np.int64]
Headers = Sequence[tuple[str, bytes]]


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Records:
    """Records to append, as columns of equal length ``n``.

    Args:
        values: Payloads; ``None`` is a tombstone.
        keys: Keys, decide the partition; ``None`` for records without one.
        timestamps_ms: Append times, Unix ms; ``None`` lets the log stamp them.
        headers: Headers of each record; ``None`` when no record has any.
    """

    values: Sequence[bytes | None]
    keys: Sequence[bytes | None] | None = None
    timestamps_ms: Sequence[int] | Int64 | None = None
    headers: Sequence[Headers] | None = None

    def __len__(self) -> int:
        return len(self.values)


class Outgoing(NamedTuple):
    """Records bound for a topic; ``partition`` ``None`` lets the keys decide."""

    topic: str
    partition: int | None
    records: Records


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """What one fetch returned of one partition, in offset order.

    Args:
        topic: Where the records stand.
        partition: Of that topic.
        offsets: Shape ``(n,)``, increasing, gaps allowed (compaction, aborted transactions).
        timestamps_ms: Append times, Unix ms, shape ``(n,)``.
        keys: Raw keys, ``n`` of them.
        values: Raw payloads, ``n`` of them.
        headers: Headers of each record; ``None`` when no record has any.
        next_offset: Where to fetch next; beyond ``offsets[-1]`` when the log ends in a gap.
    """

    topic: str
    partition: int
    offsets: Int64
    timestamps_ms: Int64
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Headers] | None = None
    next_offset: int

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Decoded records of one partition, in stream order, as columns of length ``n``.

    Args:
        stream: Name of the stream.
        topic: Topic that the records were first appended to; ids of alerts are made from it.
        partition: Partition of ``topic``, shape ``(n,)``: a repartitioned batch mixes several.
        offsets: Offsets in ``topic``, shape ``(n,)``.
        appended_ms: Append times, Unix ms, shape ``(n,)``.
        time_ms: Event times, Unix ms, shape ``(n,)``.
        columns: Field name to column: text is a sequence of ``str``; ``int`` is int64, ``float`` float64,
            ``bool`` bool, each shape ``(n,)``; ``ints`` is int64 of shape ``(n, width)``.
        headers: Headers of each record; ``None`` when no record has any.
    """

    stream: str
    topic: str
    partition: Int64
    offsets: Int64
    appended_ms: Int64
    time_ms: Int64
    columns: dict[str, Column]
    headers: Sequence[Headers] | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    def trace(self, at: int) -> str | None:
        """The ``traceparent`` header of record ``at``, if it has one."""
        headers = () if self.headers is None else self.headers[at]
        return next((value.decode("ascii", "replace") for name, value in headers if name == "traceparent"), None)

    def take(self, start: int, stop: int) -> "Batch":
        """The records ``start`` (inclusive) to ``stop`` (exclusive), as views where NumPy allows."""
        return Batch(
            stream=self.stream,
            topic=self.topic,
            partition=self.partition[start:stop],
            offsets=self.offsets[start:stop],
            appended_ms=self.appended_ms[start:stop],
            time_ms=self.time_ms[start:stop],
            columns={name: column[start:stop] for name, column in self.columns.items()},
            headers=None if self.headers is None else self.headers[start:stop],
        )


def joined(batches: Sequence[Batch]) -> Batch:
    """Batches of one stream, one after the other; at least one."""
    if len(batches) == 1:
        return batches[0]
    headers = None
    if any(batch.headers is not None for batch in batches):
        headers = [one for batch in batches for one in (batch.headers or [()] * len(batch))]
    return Batch(
        stream=batches[0].stream,
        topic=batches[0].topic,
        partition=np.concatenate([batch.partition for batch in batches]),
        offsets=np.concatenate([batch.offsets for batch in batches]),
        appended_ms=np.concatenate([batch.appended_ms for batch in batches]),
        time_ms=np.concatenate([batch.time_ms for batch in batches]),
        columns={name: _joined_column([batch.columns[name] for batch in batches]) for name in batches[0].columns},
        headers=headers,
    )


def _joined_column(parts: Sequence[Column]) -> Column:
    numbers = [part for part in parts if isinstance(part, np.ndarray)]
    if numbers:
        return np.concatenate(numbers)
    texts = [part for part in parts if not isinstance(part, np.ndarray)]
    if all(isinstance(part, list) for part in texts):
        return list(chain.from_iterable(texts))
    return joined_texts(texts)


class RecordRef(NamedTuple):
    """Where a record stands, and its own id if the stream has one."""

    topic: str
    partition: int
    offset: int
    id: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """Why somebody should look, with the evidence.

    ``id`` is a function of rule, version, key and the position of the record that fired it, so the same input gives
    the same alerts, also after a crash. The time of detection is stamped by whoever emits the alert.

    Args:
        id: Deterministic id, 32 hexadecimal digits.
        rule: Name of the rule or series detector.
        version: Hash of the rule's definition, 8 hexadecimal digits.
        severity: ``info``, ``low``, ``medium``, ``high`` or ``critical``.
        stream: Stream of the record that fired.
        table: Table of the rule; ``None`` for a detector on a raw series.
        key: Key of the table, or name of the series.
        event_time_ms: Event time of the record that fired.
        appended_ms: Append time of that record.
        window_start_ms: Start of the window, inclusive.
        window_end_ms: End of the window, exclusive.
        condition: The condition as written.
        values: Measures, fields and scores that the condition used, at that record.
        thresholds: The limits that they were compared with.
        source: The record that fired.
        records: Contributing records, newest last, capped.
        trace: ``traceparent`` header of the source record, if it had one.
    """

    id: str
    rule: str
    version: str
    severity: str
    stream: str
    table: str | None
    key: str
    event_time_ms: int
    appended_ms: int
    window_start_ms: int
    window_end_ms: int
    condition: str
    values: dict[str, float | int | str | bool | None]
    thresholds: dict[str, float | int | str | bool]
    source: RecordRef
    records: tuple[RecordRef, ...]
    trace: str | None = None


@dataclass(kw_only=True, slots=True)
class Output:
    """What processing a batch gave, in stream order.

    Args:
        alerts: Fired by this batch.
        outgoing: Closed windows, late records, rejects and repartitioned records, to be committed with the rest.
        late: Number of records that came after their window had closed.
        rejects: Number of undecodable records by reason.
        evicted: Keys dropped because a table was full.
        expired: Keys dropped because they were not seen for the table's ttl.
        time_ms: Event times of the accepted records, Unix ms, shape ``(n,)``.
        appended_ms: Append times of the same records, Unix ms, shape ``(n,)``.
    """

    alerts: list[Alert] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    late: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    evicted: int = 0
    expired: int = 0
    time_ms: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
    appended_ms: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
