"""One record batch of format 2, as it goes over the wire: the reverse of what ``consuming.batches`` reads.

The library's builder copies each record twice and each batch once more, and computes checksums without the processor's
instruction for them. State and rows on their way to another partition are megabytes a second, most of them in records
of many kilobytes; here each byte is copied once.
"""

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from aiokafka import codec

from agents.events import Headers
from pipeline.kafka.layout import AFTER_LENGTH, CHECKSUM_AT, CODECS, FORMAT, HEAD, TRANSACTIONAL, checksum

BATCH_BYTES: Final = 900_000
"""Below what a broker takes by default, 1,048,588. One record alone may be larger, if its topic allows it."""
_CHECKSUM: Final = struct.Struct(">I")
_NO_EPOCH: Final = -1
_PLAIN: Final[bytes] = b"\0"  # attributes of a record: there are none
_PACK: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "none": bytes,
    "gzip": codec.gzip_encode,
    "snappy": codec.snappy_encode,
    "lz4": codec.lz4_encode,
    "zstd": codec.zstd_encode,
}


@lru_cache(1 << 14)
def _varint(value: int) -> bytes:
    """A zigzag integer of variable length.

    >>> _varint(-1).hex(), _varint(300).hex()
    ('01', 'd804')
    """
    left = (value << 1) ^ (value >> 63)
    found = bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)


_NONE: Final = _varint(-1)
_NO_HEADERS: Final = _varint(0)


class Batch:
    """A record batch that is being filled.

    Args:
        compression: Name of a codec, or ``none``.
        is_transactional: Whether it belongs into a transaction.
    """

    def __init__(self, compression: str, *, is_transactional: bool) -> None:
        self.count = 0
        self._pack, self._number = _PACK[compression], CODECS.index(compression)
        self._attributes = TRANSACTIONAL if is_transactional else 0
        self._pieces: list[bytes] = []
        self._size = HEAD.size
        self._first_ms = self._last_ms = 0

    def append(self, stamp: int, key: bytes | None, value: bytes | None, headers: Headers) -> bool:
        """Add a record, if there is room for it; there always is for the first. Cost: 1 us."""
        if not self.count:
            self._first_ms = self._last_ms = stamp
        head = [_PLAIN, _varint(stamp - self._first_ms), _varint(self.count)]
        head += (_NONE,) if key is None else (_varint(len(key)), key)
        head.append(_NONE if value is None else _varint(len(value)))
        tail = _headers(headers) if headers else _NO_HEADERS
        start, content = b"".join(head), value or b""
        body = len(start) + len(content) + len(tail)
        length = _varint(body)
        size = self._size + len(length) + body
        if self.count and size > BATCH_BYTES:
            return False
        self._pieces += (length, start, content, tail)
        self._size = size
        self._last_ms = max(self._last_ms, stamp)
        self.count += 1
        return True

    def built(self, producer_id: int, epoch: int, sequence: int) -> bytearray:
        """The batch as it goes over the wire; packed, if that makes it smaller."""
        number, pieces, size = self._number, self._pieces, self._size - HEAD.size
        if number:
            smaller = self._pack(b"".join(pieces))
            if len(smaller) < size:
                pieces, size = [smaller], len(smaller)
            else:
                number = 0
        head = HEAD.pack(
            0,  # brokers set the offset
            HEAD.size - AFTER_LENGTH + size,
            _NO_EPOCH,
            FORMAT,
            0,
            self._attributes | number,
            self.count - 1,
            self._first_ms,
            self._last_ms,
            producer_id,
            epoch,
            sequence,
            self.count,
        )
        batch = bytearray().join((head, *pieces))
        _CHECKSUM.pack_into(batch, CHECKSUM_AT, checksum(batch, 0, len(batch)))
        return batch


def _headers(headers: Headers) -> bytes:
    pieces = [_varint(len(headers))]
    for name, content in headers:
        encoded = name.encode()
        pieces += (_varint(len(encoded)), encoded, _varint(len(content)), content)
    return b"".join(pieces)
