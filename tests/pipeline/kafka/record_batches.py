"""Record batches as brokers store them: with control batches, and with the gaps that compaction leaves."""

import struct
from typing import NamedTuple

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

COMPRESSIONS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_CRC, _ATTRIBUTES, _LAST_DELTA = 17, 21, 23
_CONTROL = 0x20
_ROOM = 1 << 20


class Row(NamedTuple):
    """A record, at an offset of the partition."""

    offset: int
    timestamp_ms: int
    key: bytes | None = None
    value: bytes | None = b"value"
    headers: tuple[tuple[str, bytes], ...] = ()


def rows(first: int, count: int) -> list[Row]:
    """Records that differ in everything, large enough to be worth compressing."""
    return [Row(first + n, 1_000 + n, b"key-%d" % n, b"value-%d" % n * 20, (("h", b"%d" % n),)) for n in range(count)]


def batch(
    records: list[Row],
    *,
    base: int | None = None,
    last: int | None = None,
    compression: str = "none",
    producer: int = -1,
    transactional: bool = False,
) -> bytes:
    """One batch; ``base`` and ``last`` are its first and last offset where compaction removed those records."""
    base = records[0].offset if base is None else base
    last = records[-1].offset if last is None else last
    packed = COMPRESSIONS[compression] if records else 0  # the cleaner does not pack what it has emptied
    builder = DefaultRecordBatchBuilder(2, packed, int(transactional), producer, 0, 0, _ROOM)
    for row in records:
        added = builder.append(row.offset - base, row.timestamp_ms, row.key, row.value, list(row.headers))
        assert added is not None
    made = bytearray(builder.build())
    struct.pack_into(">q", made, 0, base)
    struct.pack_into(">i", made, _LAST_DELTA, last - base)
    return _sealed(made)


def marker(offset: int, producer: int, *, commit: bool, emptied: bool = False) -> bytes:
    """The end of a transaction, as only brokers write it."""
    key = struct.pack(">hh", 0, int(commit))
    records = [] if emptied else [Row(offset, 5_000, key, struct.pack(">hi", 0, 0))]
    made = bytearray(batch(records, base=offset, last=offset, producer=producer, transactional=True))
    (attributes,) = struct.unpack_from(">h", made, _ATTRIBUTES)
    struct.pack_into(">h", made, _ATTRIBUTES, attributes | _CONTROL)
    return _sealed(made)


def legacy(records: list[Row], *, magic: int, compression: str = "none") -> bytes:
    """Records in a format from before Kafka 0.11: each alone, or all within one that wraps them."""
    if compression == "none":
        return b"".join(_lone(row, magic) for row in records)
    builder = LegacyRecordBatchBuilder(magic, COMPRESSIONS[compression], _ROOM)
    first = records[0].offset
    for row in records:  # offsets within the wrapper are absolute in version 0, relative in version 1
        builder.append(row.offset - (first if magic else 0), row.timestamp_ms, row.key, row.value)
    made = bytearray(builder.build())
    struct.pack_into(">q", made, 0, records[-1].offset)
    return bytes(made)


def _lone(row: Row, magic: int) -> bytes:
    builder = LegacyRecordBatchBuilder(magic, 0, _ROOM)
    builder.append(0, row.timestamp_ms, row.key, row.value)
    made = bytearray(builder.build())
    struct.pack_into(">q", made, 0, row.offset)
    return bytes(made)


def _sealed(made: bytearray) -> bytes:
    struct.pack_into(">I", made, _CRC, calc_crc32c(bytes(made[_ATTRIBUTES:])))
    return bytes(made)
