"""The columnar form in which a run of records is stored: one blob, a few array operations each way.

Layout, little-endian, ``n`` records::

    u16 version   u16 flags   u32 n   i64 base stamp   u64 checksum of all the rest
    i32 (n)   value lengths, -1 is a tombstone
    i32 (n)   key lengths, -1 is no key          if flag KEYS
    u32 (n)   stamp minus base stamp             if flag TIMES and not WIDE
    i64 (n)   the same                           if flags TIMES and WIDE
    u32 (n)   headers of each record             if flag HEADERS, then
      i32 (h) lengths of names, i32 (h) lengths of contents, names, contents
    keys, end to end
    values, end to end

The checksum is xxh3 rather than a CRC: as good against damage and ten times as fast, so that reading can afford it.
"""

import struct
from collections.abc import Sequence
from itertools import accumulate, chain, pairwise
from typing import NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from agents.events import Headers, Int64
from pipeline.errors import LogError
from tables.slices import Payloads

VERSION = 1
_HEAD = struct.Struct("<HHIqQ")
_CHECKSUM = struct.Struct("<Q")
_FACTS_BYTES = _HEAD.size - _CHECKSUM.size  # the part of the head before the checksum
_KEYS, _TIMES, _WIDE, _HEADERS = 1, 2, 4, 8
_I32, _U32, _I64 = np.dtype("<i4"), np.dtype("<u4"), np.dtype("<i8")


class Columns(NamedTuple):
    """Records as columns of equal length ``n``; keys or headers that no record has are ``None``."""

    values: Sequence[bytes | None]
    keys: Sequence[bytes | None] | None
    timestamps_ms: Int64
    headers: Sequence[Headers] | None

    def part(self, start: int, stop: int) -> "Columns":
        """The records ``start`` (inclusive) to ``stop`` (exclusive)."""
        return Columns(
            self.values[start:stop],
            None if self.keys is None else self.keys[start:stop],
            self.timestamps_ms[start:stop],
            None if self.headers is None else self.headers[start:stop],
        )


def lengths_of(items: Sequence[bytes | None]) -> NDArray[np.int32]:
    """Length of each item, -1 for ``None``; shape ``(n,)``."""
    try:
        return np.fromiter(map(len, items), _I32, len(items))  # type: ignore[arg-type]
    except TypeError:  # None is rare, so it is found rather than looked for
        return np.array([-1 if item is None else len(item) for item in items], _I32)


def encode(columns: Columns) -> bytearray:
    """One blob of at least one record.

    Cost: about 0.12 µs a record and one copy of the payload.
    """
    stamps = columns.timestamps_ms
    n, base, top = len(columns.values), int(stamps.min()), int(stamps.max())
    flags = (_TIMES if top > base else 0) | (_WIDE if top - base >= 1 << 32 else 0)
    heads: list[bytes] = [bytes(_HEAD.size), lengths_of(columns.values).tobytes()]
    if columns.keys is not None:
        flags |= _KEYS
        heads.append(lengths_of(columns.keys).tobytes())
    if flags & _TIMES:
        heads.append((stamps - base).astype(_I64 if flags & _WIDE else _U32).tobytes())
    if columns.headers is not None:
        flags |= _HEADERS
        heads.append(encode_headers(columns.headers))
    blob = bytearray().join(chain(heads, filter(None, columns.keys or ()), filter(None, columns.values)))
    _HEAD.pack_into(blob, 0, VERSION, flags, n, base, 0)
    _CHECKSUM.pack_into(blob, _FACTS_BYTES, _checksum(blob))
    return blob


def decode(blob: bytes, low: int = 0, high: int | None = None, *, place: str = "blob") -> Columns:
    """The records ``low`` (inclusive) to ``high`` (exclusive) of a blob; keys and values stay where they stand in it.

    Args:
        blob: What ``encode`` gave.
        low: First record.
        high: After the last one; ``None`` is the end.
        place: Where the blob stands, for messages.

    Raises:
        LogError: If the blob is damaged or of a version that this program does not know.

    Cost: about 0.04 µs a record.
    """
    flags, n, base = _check(blob, place)
    span = slice(low, n if high is None else high)
    at = _HEAD.size
    value_lengths = np.frombuffer(blob, _I32, n, at)
    at += 4 * n
    key_lengths = None
    if flags & _KEYS:
        key_lengths = np.frombuffer(blob, _I32, n, at)
        at += 4 * n
    if flags & _TIMES:
        kind = _I64 if flags & _WIDE else _U32
        stamps = np.frombuffer(blob, kind, n, at)[span].astype(np.int64) + base
        at += kind.itemsize * n
    else:
        stamps = np.full(len(range(*span.indices(n))), base, np.int64)
    headers = None
    if flags & _HEADERS:
        headers, at = decode_headers(blob, n, at)
        headers = headers[span]
    keys = None
    if key_lengths is not None:
        keys, at = _slice(blob, key_lengths, at, span)
    values, _ = _slice(blob, value_lengths, at, span)
    return Columns(values, keys, stamps, headers)


def sizes(blob: bytes, *, place: str = "blob") -> Int64:
    """Bytes of key and value of each record, shape ``(n,)``; for cutting a blob."""
    flags, n, _ = _check(blob, place)
    total = np.maximum(np.frombuffer(blob, _I32, n, _HEAD.size), 0).astype(np.int64)
    if flags & _KEYS:
        total += np.maximum(np.frombuffer(blob, _I32, n, _HEAD.size + 4 * n), 0)
    return total


def encode_headers(headers: Sequence[Headers]) -> bytes:
    """Headers of ``n`` records as counts, lengths, names and contents."""
    flat = list(chain.from_iterable(headers))
    names = [name.encode() for name, _ in flat]
    contents = [content for _, content in flat]
    counts = np.fromiter(map(len, headers), _U32, len(headers))
    lengths = lengths_of(names).tobytes() + lengths_of(contents).tobytes()
    return b"".join((counts.tobytes(), lengths, *names, *contents))


def decode_headers(data: bytes, n: int, at: int = 0) -> tuple[list[Headers], int]:
    """Headers of ``n`` records that begin at byte ``at``, and the byte after them."""
    counts = np.frombuffer(data, _U32, n, at)
    total = int(counts.sum())
    at += 4 * n
    name_lengths = np.frombuffer(data, _I32, total, at)
    content_lengths = np.frombuffer(data, _I32, total, at + 4 * total)
    names, at = _slice(data, name_lengths, at + 8 * total, slice(None))
    contents, at = _slice(data, content_lengths, at, slice(None))
    flat = [((name or b"").decode(), content or b"") for name, content in zip(names, contents, strict=True)]
    edges = accumulate(counts.tolist(), initial=0)
    return [flat[start:stop] for start, stop in pairwise(edges)], at


def _slice(data: bytes, lengths: NDArray[np.int32], at: int, span: slice) -> tuple[Payloads, int]:
    """The items ``span`` out of a run of items that begins at byte ``at``, and the byte after the run."""
    sizes = lengths.astype(np.int64)
    held = np.maximum(sizes, 0)
    stops = np.cumsum(held) + at
    return Payloads(data, (stops - held)[span], sizes[span]), int(stops[-1]) if len(stops) else at


def _check(blob: bytes, place: str) -> tuple[int, int, int]:
    """Flags, number of records and base stamp of an intact blob."""
    if len(blob) < _HEAD.size:
        raise LogError(f"{place}: a stored chunk of {len(blob)} bytes is shorter than its header; the log is damaged")
    version, flags, n, base, checksum = _HEAD.unpack_from(blob)
    if version != VERSION:
        raise LogError(
            f"{place}: a stored chunk has format {version}, this program reads {VERSION}; use a matching version"
        )
    if _checksum(blob) != checksum:
        raise LogError(f"{place}: a stored chunk does not match its checksum; the log is damaged, restore it")
    return flags, n, base


def _checksum(blob: bytes | bytearray) -> int:
    view = memoryview(blob)
    return xxhash.xxh3_64_intdigest(view[_HEAD.size :], seed=xxhash.xxh3_64_intdigest(view[:_FACTS_BYTES]))
