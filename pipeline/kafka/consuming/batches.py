"""From the record batches that a broker sends to one chunk: no client, no socket.

Read below the client's record objects, because one object a record costs more than the decode of its payload.

::

    record batches   [ 0..9 plain ][ 10..14 of P, aborted ][ 15 abort of P ][ 16..20 compacted: 17, 20 left ]
    chunk, from 4      4 .. 9                                                     17  20
    next offset                                                                             21
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
from aiokafka import codec
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.memory_records import MemoryRecords

from agents.events import Chunk, Headers, Int64, TopicPartition
from pipeline.errors import LogError
from pipeline.kafka.consuming.splitting import split
from pipeline.kafka.consuming.wire import Region
from pipeline.kafka.layout import (
    AFTER_LENGTH,
    ATTRIBUTES_AT,
    CHECKSUM_AT,
    CODEC,
    CODECS,
    CONTROL,
    FORMAT,
    HEAD,
    LENGTH_AT,
    LOG_APPEND_TIME,
    MAGIC_AT,
    TRANSACTIONAL,
    checksum,
)
from tables.slices import Payloads, joined_payloads

_LEAST_BYTES: Final = 14  # of a batch after its length, in the oldest format
_UNKNOWN_MS = -1  # as Kafka says it of records from before it had timestamps
Aborted = Sequence[tuple[int, int]]
"""Producer id and first offset of each aborted transaction."""

_UNPACK: Final[Mapping[int, Callable[[bytes], bytes]]] = {
    CODECS.index("gzip"): codec.gzip_decode,
    CODECS.index("snappy"): codec.snappy_decode,
    CODECS.index("lz4"): codec.lz4_decode,
    CODECS.index("zstd"): codec.zstd_decode,
}


class _Batch(NamedTuple):
    """A batch where it stands. Of old formats only the place is known here: they have no transactions."""

    data: bytes
    start: int
    stop: int
    magic: int
    base_offset: int = 0
    next_offset: int = 0
    attributes: int = 0
    first_ms: int = 0
    last_ms: int = 0
    producer_id: int = -1
    records: int = 0

    @property
    def client(self) -> Any:
        """The client's object of it."""
        return MemoryRecords(self.data[self.start : self.stop]).next_batch()


class _Part(NamedTuple):
    """The records of one batch; headers are ``None`` when no record has any."""

    offsets: Int64
    timestamps_ms: Int64
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: list[Headers] | None


def chunk_of_batches(source: TopicPartition, position: int, batches: Region, aborted: Aborted) -> Chunk | None:
    """The committed records at or after ``position``, as one chunk.

    Args:
        source: Where the batches stand.
        position: What was asked for; the first batch may begin before it.
        batches: Whole record batches; a last one that was cut off is left out.
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
        for batch, is_visible in _visible(batches, aborted):
            found, following = _split(batch, position) if is_visible else None, batch.next_offset
            if is_visible and found is None:
                found, following = _part(batch.client, position)
            if found is not None and len(found.values):
                parts.append(found)
            next_offset = max(next_offset, following)
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


def _visible(region: Region, aborted: Aborted) -> Iterator[tuple[_Batch, bool]]:
    """Each batch, and whether a reader of committed records sees it."""
    waiting = sorted(aborted, key=lambda pair: pair[1])
    gone: set[int] = set()
    for batch in _batches(region):
        if not batch.attributes & (TRANSACTIONAL | CONTROL):
            yield batch, True
            continue
        while waiting and waiting[0][1] <= batch.base_offset:
            gone.add(waiting.pop(0)[0])
        if batch.attributes & CONTROL:
            if _aborts(batch.client):
                gone.discard(batch.producer_id)
            yield batch, False
        else:
            yield batch, batch.producer_id not in gone


def _batches(region: Region) -> Iterator[_Batch]:
    """The whole ones, each with the right checksum."""
    data, at, end = region
    while at + MAGIC_AT < end:
        size_bytes = int.from_bytes(data[at + LENGTH_AT : at + AFTER_LENGTH], signed=True)
        start, at = at, at + AFTER_LENGTH + size_bytes
        magic = data[start + MAGIC_AT]
        if size_bytes < (_LEAST_BYTES if magic != FORMAT else HEAD.size - AFTER_LENGTH):
            raise CorruptRecordException(f"a batch of {size_bytes} bytes is shorter than its head")
        if at > end:
            return
        batch = _described(data, start, at) if magic == FORMAT else _Batch(data, start, at, magic)
        if not _is_sound(batch):
            raise CorruptRecordException("the checksum of a batch is wrong")
        yield batch


def _described(data: bytes, start: int, stop: int) -> _Batch:
    head = HEAD.unpack_from(data, start)
    base, _, _, magic, _, attributes, last, first_ms, last_ms, producer_id, _, _, records = head
    return _Batch(data, start, stop, magic, base, base + last + 1, attributes, first_ms, last_ms, producer_id, records)


def _is_sound(batch: _Batch) -> bool:
    """Whether its checksum is right."""
    if batch.magic != FORMAT:
        return bool(batch.client.validate_crc())
    told = int.from_bytes(batch.data[batch.start + CHECKSUM_AT : batch.start + ATTRIBUTES_AT])
    return checksum(batch.data, batch.start, batch.stop) == told


def _aborts(batch: Any) -> bool:
    marker = next(iter(batch), None)  # compaction may have removed it
    return marker is not None and ControlRecord.parse(marker.key) == ABORT_MARKER


def _split(batch: _Batch, position: int) -> _Part | None:
    """The records of a batch, without an object for each; ``None`` where that can't be done."""
    if batch.magic != FORMAT:
        return None
    payload, begin, packing = batch.data, batch.start + HEAD.size, batch.attributes & CODEC
    if packing:
        payload, begin = _unpacked(packing, payload[begin : batch.stop]), 0
    found = split(payload, begin, batch.records)
    if found is None:
        return None
    offsets = found.offset + batch.base_offset
    kept = slice(int(np.searchsorted(offsets, position)), None)
    stamps = (
        np.full(batch.records, batch.last_ms) if batch.attributes & LOG_APPEND_TIME else found.time + batch.first_ms
    )
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


def _part(batch: Any, position: int) -> tuple[_Part, int]:
    """The same, record by record, and the offset after the batch: one of an old format tells it only now."""
    records = list(batch)
    if records and records[0].offset < position:
        records = [record for record in records if record.offset >= position]
    headers: list[Headers] = [record.headers for record in records]
    part = _Part(
        _numbers((record.offset for record in records), len(records)),
        _numbers((_UNKNOWN_MS if record.timestamp is None else record.timestamp for record in records), len(records)),
        [record.key for record in records],
        [record.value for record in records],
        headers if any(headers) else None,
    )
    return part, batch.next_offset


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
