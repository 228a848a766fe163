"""Which partition a record goes to: Kafka's default, so that a move to Kafka keeps the layout.

Keyed records go to ``(murmur2(key) & 0x7fffffff) % partitions``. Records without a key stick together: those of one
append share a partition, and appends take turns, as in KIP-480.

Hashing whole columns at once costs less than looking keys up in a cache would, and needs no bound.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.events import Int64

_SEED, _M = 0x9747B28C, 0x5BD1E995
_M32 = np.uint32(_M)
_TAIL_MASKS = np.array([0, 0xFF, 0xFFFF, 0xFFFFFF], np.uint32)
_FEW = 8  # below this many keys the scalar hash is faster than setting up arrays
_LONG = 256  # longer keys are hashed one by one: each step of the column hash serves four bytes of all keys


def murmur2(key: bytes) -> int:
    """Kafka's 32-bit murmur2 of ``key``, unsigned.

    >>> murmur2(b"foobar") - (1 << 32)  # as signed, the way Kafka's own test states it
    -790332482
    """
    length = len(key)
    h = _SEED ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at : at + 4], "little") * _M & 0xFFFFFFFF
        k = (k ^ k >> 24) * _M & 0xFFFFFFFF
        h = h * _M & 0xFFFFFFFF ^ k
    if length > whole:
        h = (h ^ int.from_bytes(key[whole:], "little")) * _M & 0xFFFFFFFF
    h = (h ^ h >> 13) * _M & 0xFFFFFFFF
    return h ^ h >> 15


def murmur2_column(keys: Sequence[bytes]) -> NDArray[np.uint32]:
    """``murmur2`` of each key, shape ``(n,)``.

    Cost: about 0.1 µs for a key of 16 bytes.
    """
    n = len(keys)
    lengths = np.fromiter(map(len, keys), np.int64, n)
    if n < _FEW or int(lengths.max()) > _LONG:
        return _mixed(keys, lengths)
    data = b"".join(keys) + b"\0\0\0\0"  # the last tail is read as a whole word
    words = np.ndarray((len(data) - 3,), "<u4", data, strides=(1,))  # the word that begins at each byte
    starts = np.cumsum(lengths) - lengths
    h: NDArray[np.uint32] = lengths.astype(np.uint32) ^ np.uint32(_SEED)
    whole = lengths >> 2
    shortest = int(whole.min())
    for step in range(int(whole.max())):
        live: slice | Int64 = slice(None) if step < shortest else np.flatnonzero(whole > step)
        k = words[starts[live] + 4 * step] * _M32
        k ^= k >> 24
        k *= _M32
        h[live] = h[live] * _M32 ^ k
    rest = np.flatnonzero(lengths & 3)
    tail = words[starts[rest] + 4 * whole[rest]] & _TAIL_MASKS[lengths[rest] & 3]
    h[rest] = (h[rest] ^ tail) * _M32
    h ^= h >> 13
    h *= _M32
    h ^= h >> 15
    return h


def partition_column(keys: Sequence[bytes | None], partitions: int, keyless: int) -> Int64:
    """The partition of each record, shape ``(n,)``.

    Args:
        keys: One for each record.
        partitions: Of the topic.
        keyless: Partition of the records without a key.
    """
    try:
        hashes = murmur2_column(keys)  # type: ignore[arg-type]
    except TypeError:  # None has no length: rare, so it is found rather than looked for
        present = [index for index, key in enumerate(keys) if key is not None]
        chosen = np.full(len(keys), keyless, np.int64)
        known = [key for key in keys if key is not None]
        chosen[present] = (murmur2_column(known) & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)
        return chosen
    return ((hashes & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)).astype(np.int64)


def _mixed(keys: Sequence[bytes], lengths: Int64) -> NDArray[np.uint32]:
    """Few or long keys one by one, the others as a column."""
    result = np.empty(len(keys), np.uint32)
    single = lengths > _LONG
    if len(keys) - int(single.sum()) < _FEW:
        single[:] = True
    for index in np.flatnonzero(single).tolist():
        result[index] = murmur2(keys[index])
    if not single.all():
        short = np.flatnonzero(~single)
        result[short] = murmur2_column([keys[index] for index in short.tolist()])
    return result
