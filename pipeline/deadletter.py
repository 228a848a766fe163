"""What becomes of records that can't count: refused ones and late ones go to topics of their own, with the reason.

Both keep payload, key and headers as they were, so that a record can be sent again once the cause is mended. What we
add stands in headers prefixed ``streamgauge-``; of a header that occurs twice the last one counts, so a record may be
refused, mended, and refused again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from agents.events import Batch, Chunk, Headers, Int64, Outgoing, Records
from pipeline.codec import Reject
from pipeline.errors import StateError

PREFIX = "streamgauge-"


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a diverted record first stood.

    Args:
        topic: Its topic.
        partition: Of that topic.
        offset: In that partition.
        timestamp_ms: When it was appended there, Unix ms.
        headers: The headers that it had there.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    headers: Headers


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """Why a record was refused: ``reason`` is a ``pipeline.codec.Reason``, ``error`` the class of the error."""

    reason: str
    error: str
    message: str
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class LateRecord:
    """Which tables a record came too late for, and by how much it was behind the watermark then.

    Args:
        tables: Names of the tables whose window had closed.
        watermark_ms: Newest event time of the partition when the record came, Unix ms.
        lateness_ms: ``watermark_ms`` minus the record's event time.
        origin: Where it stood.
    """

    tables: tuple[str, ...]
    watermark_ms: int
    lateness_ms: int
    origin: Origin


def dead_letter_topic(topic: str) -> str:
    """Where refused records of ``topic`` go."""
    return f"{topic}.dead-letter"


def late_topic(topic: str) -> str:
    """Where late records of ``topic`` go."""
    return f"{topic}.late"


def dead_letters(chunk: Chunk, rejects: Sequence[Reject], topic: str | None = None) -> Outgoing:
    """The refused records of a chunk, payload, key and headers intact, bound for the dead-letter topic.

    Args:
        chunk: What was decoded.
        rejects: What the decoder refused of it.
        topic: Topic whose dead-letter topic is meant; ``None`` for the chunk's.

    Cost: about 3 us a refused record.
    """
    headers = []
    for reject in rejects:
        why = {"reason": reject.reason, "error": reject.error, "message": reject.message}
        headers.append(_headers(why, _of_chunk(chunk, reject.index)))
    return Outgoing(
        dead_letter_topic(topic or chunk.topic),
        None,
        Records(
            values=[chunk.values[reject.index] for reject in rejects],
            keys=[chunk.keys[reject.index] for reject in rejects],
            headers=headers,
        ),
    )


def parse_dead_letter(headers: Headers) -> DeadLetter:
    """Read the headers of a dead letter.

    Raises:
        StateError: If a header is missing or no number where one is expected.
    """
    ours = _ours(headers)
    return DeadLetter(
        reason=_text(ours, "reason"),
        error=_text(ours, "error"),
        message=_text(ours, "message"),
        origin=_origin(ours, headers),
    )


def late_records(
    batch: Batch,
    late: Mapping[str, Int64],
    watermark_ms: Int64,
    *,
    chunk: Chunk | None = None,
    key: str | None = None,
) -> Outgoing:
    """The late records of a batch, each once, in stream order, bound for the late topic of their origin.

    Args:
        batch: What was decoded.
        late: Table name to the rows of the batch that came too late for that table.
        watermark_ms: Newest event time of the partition at each row of the batch, Unix ms, shape ``(n,)``.
        chunk: What the batch was decoded from: payload, key and headers are then as they were. Without it, as for
            repartitioned rows, the payload is a JSON object of the columns.
        key: Column that holds the record's key, used without ``chunk``; records are without key if it is not there.

    Cost: about 5 us a late record.
    """
    tables: dict[int, list[str]] = {}
    for table in sorted(late):
        for row in late[table].tolist():
            tables.setdefault(row, []).append(table)
    rows = sorted(tables)
    places = rows if chunk is None else np.searchsorted(chunk.offsets, batch.offsets[rows]).tolist()
    headers = []
    for row, place in zip(rows, places, strict=True):
        watermark = int(watermark_ms[row])
        why = {"watermark-ms": watermark, "lateness-ms": watermark - int(batch.time_ms[row])}
        origin = _of_batch(batch, row) if chunk is None else _of_chunk(chunk, place)
        headers.append(_headers({"tables": ",".join(tables[row]), **why}, origin))
    values, keys = _from_columns(batch, rows, key) if chunk is None else _from_chunk(chunk, places)
    return Outgoing(late_topic(batch.topic), None, Records(values=values, keys=keys, headers=headers))


def parse_late(headers: Headers) -> LateRecord:
    """Read the headers of a late record.

    Raises:
        StateError: If a header is missing or no number where one is expected.
    """
    ours = _ours(headers)
    return LateRecord(
        tables=tuple(_text(ours, "tables").split(",")),
        watermark_ms=_number(ours, "watermark-ms"),
        lateness_ms=_number(ours, "lateness-ms"),
        origin=_origin(ours, headers),
    )


def _of_chunk(chunk: Chunk, index: int) -> Origin:
    return Origin(
        topic=chunk.topic,
        partition=chunk.partition,
        offset=int(chunk.offsets[index]),
        timestamp_ms=int(chunk.timestamps_ms[index]),
        headers=() if chunk.headers is None else chunk.headers[index],
    )


def _of_batch(batch: Batch, row: int) -> Origin:
    return Origin(
        topic=batch.topic,
        partition=int(batch.partition[row]),
        offset=int(batch.offsets[row]),
        timestamp_ms=int(batch.appended_ms[row]),
        headers=() if batch.headers is None else batch.headers[row],
    )


def _from_chunk(chunk: Chunk, places: list[int]) -> tuple[list[bytes | None], list[bytes | None]]:
    return [chunk.values[place] for place in places], [chunk.keys[place] for place in places]


def _from_columns(batch: Batch, rows: list[int], key: str | None) -> tuple[list[bytes], list[bytes | None]]:
    """NaN, which stands for a missing number, is written as null."""
    columns = batch.columns
    values = [
        orjson.dumps({name: column[row] for name, column in columns.items()}, option=orjson.OPT_SERIALIZE_NUMPY)
        for row in rows
    ]
    column = columns.get(key or "")
    return values, [None if column is None else str(column[row]).encode() for row in rows]


def _headers(why: Mapping[str, str | int], origin: Origin) -> list[tuple[str, bytes]]:
    where = {
        "topic": origin.topic,
        "partition": origin.partition,
        "offset": origin.offset,
        "timestamp-ms": origin.timestamp_ms,
    }
    added = [(PREFIX + name, str(value).encode()) for name, value in {**why, **where}.items()]
    return [*origin.headers, *added]


def _ours(headers: Headers) -> dict[str, bytes]:
    return {name.removeprefix(PREFIX): value for name, value in headers if name.startswith(PREFIX)}


def _theirs(headers: Iterable[tuple[str, Any]]) -> tuple[tuple[str, bytes], ...]:
    return tuple(header for header in headers if not header[0].startswith(PREFIX))


def _origin(ours: Mapping[str, bytes], headers: Headers) -> Origin:
    return Origin(
        topic=_text(ours, "topic"),
        partition=_number(ours, "partition"),
        offset=_number(ours, "offset"),
        timestamp_ms=_number(ours, "timestamp-ms"),
        headers=_theirs(headers),
    )


def _text(ours: Mapping[str, bytes], name: str) -> str:
    if name not in ours:
        there = ", ".join(ours) or "none of ours"
        raise StateError(f"record lacks the header {PREFIX + name} (it has {there}): was it written by streamgauge?")
    return ours[name].decode(errors="replace")


def _number(ours: Mapping[str, bytes], name: str) -> int:
    text = _text(ours, name)
    try:
        return int(text)
    except ValueError:
        raise StateError(f"header {PREFIX + name} is {text!r}, expected a whole number") from None
