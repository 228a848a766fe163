"""From the record batches that a broker sends to one chunk: no client, no socket.

Read below the client's record objects, because one object a record costs more than the decode of its payload.

::

    record batches   [ 0..9 plain ][ 10..14 of P, aborted ][ 15 abort of P ][ 16..20 compacted: 17, 20 left ]
    chunk, from 4      4 .. 9                                                     17  20
    next offset                                                                             21
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
from aiokafka import codec
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.memory_records import MemoryRecords
from crc32c import crc32c

from agents.events import Chunk, Headers, Int64, TopicPartition
from pipeline.errors import LogError
from pipeline.kafka.consuming.splitting import split
from tables.slices import Payloads, joined_payloads

_LENGTH, _AFTER_LENGTH, _MAGIC, _CRC, _AFTER_CRC = 8, 12, 16, 17, 21  # where they stand in a batch, whatever its format
_Place = tuple[bytes, int]  # some data, and where in it a batch begins
_UNKNOWN_MS = -1  # as Kafka says it of records from before it had timestamps
Aborted = Sequence[tuple[int, int]]
"""Producer id and first offset of each aborted transaction."""

_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
_NEW: Final = 2  # the format with transactions
_CODEC, _LOG_APPEND_TIME = 0x07, 0x08  # in the attributes
_UNPACK: Final[Mapping[int, Callable[[bytes], bytes]]] = {
    1: codec.gzip_decode,
    2: codec.snappy_decode,
    3: codec.lz4_decode,
    4: codec.zstd_decode,
}


class _Part(NamedTuple):
    """The records of one batch; headers are ``None`` when no record has any."""

    offsets: Int64
    timestamps_ms: Int64
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: list[Headers] | None


def chunk_of_batches(source: TopicPartition, position: int, data: bytes, aborted: Aborted) -> Chunk | None:
    """The committed records at or after ``position``, as one chunk.

    Args:
        source: Where the batches stand.
        position: What was asked for; the first batch may begin before it.
        data: Whole record batches; a last one that was cut off is left out.
        aborted: Transactions that were aborted, as the broker told.

    Returns:
        ``None`` when there is no whole batch. A chunk without records when all of them were aborted or control records:
        its ``next_offset`` lies beyond them.

    Raises:
        LogError: If a batch is damaged, or packed with what this program can't unpack.
    """
    parts: list[_Part] = []
    next_offset = position
    try:
        for batch, place, visible in _visible(data, aborted):
            if visible:
                part = _split(*place, position) or _part(batch, position)
                if len(part.values):
                    parts.append(part)
            next_offset = max(next_offset, batch.next_offset)
    except (CorruptRecordException, SystemError) as error:  # the second: lengths in it make no sense
        raise LogError(
            f"{source}: the records from offset {next_offset} on are damaged: {error}. "
            "Restore the partition from a replica, or move the group past them"
        ) from error
    except UnsupportedCodecError as error:
        raise LogError(f"{source}: the records from offset {next_offset} on can't be unpacked: {error}") from error
    if next_offset == position:
        return None
    return _chunk(source, parts, next_offset)


def _visible(data: bytes, aborted: Aborted) -> Iterator[tuple[Any, _Place, bool]]:
    """Each batch, where it stands, and whether a reader of committed records sees it."""
    waiting = sorted(aborted, key=lambda pair: pair[1])
    gone: set[int] = set()
    for batch, place in _batches(data):
        if not _is_sound(batch, *place):
            raise CorruptRecordException("the checksum of a batch is wrong")
        if not (batch.is_transactional or batch.is_control_batch):
            yield batch, place, True  # may be of an old format, in which a batch does not tell its first offset
            continue
        while waiting and waiting[0][1] <= batch.base_offset:
            gone.add(waiting.pop(0)[0])
        if batch.is_control_batch:
            if _aborts(batch):
                gone.discard(batch.producer_id)
            yield batch, place, False
        else:
            yield batch, place, batch.producer_id not in gone


def _is_sound(batch: Any, data: bytes, at: int) -> bool:
    """Whether its checksum is right."""
    if data[at + _MAGIC] != _NEW:
        return bool(batch.validate_crc())
    stop = at + _AFTER_LENGTH + int.from_bytes(data[at + _LENGTH : at + _AFTER_LENGTH], signed=True)
    told = int.from_bytes(data[at + _CRC : at + _AFTER_CRC])
    return crc32c(memoryview(data)[at + _AFTER_CRC : stop]) == told


def _batches(data: bytes) -> Iterator[tuple[Any, _Place]]:
    for alike in _alike(data):
        records, at = MemoryRecords(alike), 0
        while records.has_next():
            yield records.next_batch(), (alike, at)
            at += _AFTER_LENGTH + int.from_bytes(alike[at + _LENGTH : at + _AFTER_LENGTH], signed=True)


def _alike(data: bytes) -> Iterator[bytes]:
    """The data, cut where its format changes: the client takes everything for what the first batch is."""
    start = at = 0
    while at + _MAGIC < len(data):
        if data[at + _MAGIC] != data[start + _MAGIC]:
            yield data[start:at]
            start = at
        size_bytes = int.from_bytes(data[at + _LENGTH : at + _AFTER_LENGTH], signed=True)
        if size_bytes <= 0:  # damaged, which is found when it is read
            break
        at += _AFTER_LENGTH + size_bytes
    yield data[start:]


def _aborts(batch: Any) -> bool:
    marker = next(iter(batch), None)  # compaction may have removed it
    return marker is not None and ControlRecord.parse(marker.key) == ABORT_MARKER


def _split(data: bytes, at: int, position: int) -> _Part | None:
    """The records of the batch at ``at``, without an object for each; ``None`` where that can't be done."""
    if data[at + _MAGIC] != _NEW:
        return None
    base, length, _, _, _, attributes, _, first_ms, last_ms, _, _, _, count = _HEAD.unpack_from(data, at)
    payload, begin, packing = data, at + _HEAD.size, attributes & _CODEC
    if packing:
        payload, begin = _unpacked(packing, data[begin : at + _AFTER_LENGTH + length]), 0
    found = split(payload, begin, count)
    if found is None:
        return None
    offsets = found.offset + base
    kept = slice(int(np.searchsorted(offsets, position)), None)
    stamps = np.full(count, last_ms) if attributes & _LOG_APPEND_TIME else found.time + first_ms
    return _Part(
        offsets[kept],
        stamps[kept],
        Payloads(payload, found.key_at[kept], found.key_bytes[kept]),
        Payloads(payload, found.value_at[kept], found.value_bytes[kept]),
        None,
    )


def _unpacked(packing: int, payload: bytes) -> bytes:
    unpack = _UNPACK.get(packing)
    if unpack is None:
        raise UnsupportedCodecError(f"packing {packing} is not known")
    return unpack(payload)


def _part(batch: Any, position: int) -> _Part:
    """The same, record by record."""
    records = list(batch)
    if records and records[0].offset < position:
        records = [record for record in records if record.offset >= position]
    headers: list[Headers] = [record.headers for record in records]
    return _Part(
        _numbers((record.offset for record in records), len(records)),
        _numbers((_UNKNOWN_MS if record.timestamp is None else record.timestamp for record in records), len(records)),
        [record.key for record in records],
        [record.value for record in records],
        headers if any(headers) else None,
    )


def _numbers(values: Iterable[int], count: int) -> Int64:
    return np.fromiter(values, np.int64, count)


def _chunk(source: TopicPartition, parts: list[_Part], next_offset: int) -> Chunk:
    headers: list[Headers] | None = None
    if any(part.headers is not None for part in parts):
        headers = list(chain.from_iterable(part.headers or [()] * len(part.values) for part in parts))
    return Chunk(
        topic=source.topic,
        partition=source.partition,
        offsets=_joined(parts, lambda part: part.offsets),
        timestamps_ms=_joined(parts, lambda part: part.timestamps_ms),
        keys=_items([part.keys for part in parts]),
        values=_items([part.values for part in parts]),
        headers=headers,
        next_offset=next_offset,
    )


def _items(parts: Sequence[Sequence[bytes | None]]) -> Sequence[bytes | None]:
    whole = [part for part in parts if isinstance(part, Payloads)]
    return joined_payloads(whole) if whole and len(whole) == len(parts) else list(chain.from_iterable(parts))


def _joined(parts: list[_Part], column: Callable[[_Part], Int64]) -> Int64:
    return np.concatenate([column(part) for part in parts]) if parts else np.empty(0, np.int64)
