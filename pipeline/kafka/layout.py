"""How a record batch is laid out, for those who read and those who write one.

Source: "Record Batch" in Apache Kafka's protocol guide, KIP-98.
"""

import struct
from typing import Final

from crc32c import crc32c

LENGTH_AT, AFTER_LENGTH, MAGIC_AT, CHECKSUM_AT, ATTRIBUTES_AT = 8, 12, 16, 17, 21
"""Where they stand in a batch, up to the magic number in one of whatever format."""
HEAD: Final = struct.Struct(">qiibIhiqqqhii")
"""Of format 2: base offset, length, leader epoch, magic, checksum, attributes, last offset delta, first and last
timestamp, producer id and epoch, base sequence, number of records."""
FORMAT: Final = 2
"""The magic number of the format with transactions."""
CODEC, LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 0x07, 0x08, 0x10, 0x20
"""In the attributes."""
CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
"""By their number in the attributes."""


def checksum(batch: bytes | bytearray, start: int, stop: int) -> int:
    """Of the batch of format 2 that stands there: over all from its attributes on."""
    return crc32c(memoryview(batch)[start + ATTRIBUTES_AT : stop])
