"""The stored form of state: a block of keys of one table of one partition.

A slab is a versioned header and named arrays. Whole numbers are stored in the narrowest type that holds them. The codec
is public: whoever reads the state topic can read tables without asking a worker.

::

    b"SGS1" | uint32 length of head | head (MessagePack) | bytes of the arrays, one after the other
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tables.slices import compiled

BLOCK = 1024
"""Slots in a slab."""

_MAGIC = b"SGS1"
_LENGTH = struct.Struct("<I")
_NARROW: Final = [
    (np.dtype(kind), int(np.iinfo(kind).min), int(np.iinfo(kind).max)) for kind in (np.int8, np.int16, np.int32)
]


class SlabError(ValueError):
    """The bytes are no slab of this version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slab:
    """One stored block.

    Args:
        applied: Source offset up to which (exclusive) records are in it.
        pane: Number of the pane or window that it holds; 0 where state has no panes.
        start: First slot of the block.
        arrays: By name; the last axis runs over the block's slots.
        names: Keys at those slots, ``None`` for free ones; only in slabs of a key index.
        extra: Anything else that MessagePack can hold.
    """

    applied: int
    pane: int = 0
    start: int = 0
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    names: list[str | None] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def encode_slab(slab: Slab) -> bytes:
    """Bytes of a slab."""
    stored = {name: _narrowed(np.ascontiguousarray(array)) for name, array in slab.arrays.items()}
    layout = [(name, array.dtype.str, slab.arrays[name].dtype.str, array.shape) for name, array in stored.items()]
    head = msgspec.msgpack.encode((slab.applied, slab.pane, slab.start, layout, slab.names, dict(slab.extra)))
    return b"".join((_MAGIC, _LENGTH.pack(len(head)), head, *(array.data for array in stored.values() if array.size)))


def decode_slab(data: bytes) -> Slab:
    """The slab in ``data``; its arrays are copies and may be written to.

    Raises:
        SlabError: If ``data`` is no slab, is cut short, or is of another version.
    """
    if data[:4] != _MAGIC:
        raise SlabError(f"state does not begin with {_MAGIC!r} but with {data[:4]!r}; it is no slab of this version")
    try:
        at = 4 + _LENGTH.size
        length = _LENGTH.unpack_from(data, 4)[0]
        applied, pane, start, layout, names, extra = msgspec.msgpack.decode(data[at : at + length])
        at += length
        arrays = {}
        for name, stored, dtype, shape in layout:
            count = int(np.prod(shape, dtype=np.int64))
            array = np.frombuffer(data, stored, count, at)
            arrays[name] = array.astype(dtype).reshape(shape)
            at += array.nbytes
    except (ValueError, TypeError, struct.error) as error:
        raise SlabError(f"slab of {len(data)} bytes can't be read: {error}") from error
    return Slab(applied=applied, pane=pane, start=start, arrays=arrays, names=names, extra=extra)


def _narrowed(array: NDArray[Any]) -> NDArray[Any]:
    """The same whole numbers in the narrowest signed type that holds them."""
    if array.dtype != np.int64 or not array.size:
        return array
    loops = compiled()
    low, high = (array.min(), array.max()) if loops is None else loops.bounds(array.reshape(-1))
    for dtype, lowest, highest in _NARROW:
        if lowest <= low and high <= highest:
            return array.astype(dtype)
    return array


class Dirty:
    """Which blocks of which rows changed since the last commit.

    Args:
        rows: Number of rows.
    """

    def __init__(self, rows: int) -> None:
        self._marks = np.zeros((rows, 1), np.bool_)

    def mark(self, row: int | NDArray[np.int64], slots: NDArray[np.int64]) -> None:
        """Note changes at ``slots``; ``row`` is one for all, or one for each slot."""
        if not len(slots):
            return
        blocks = slots // BLOCK
        self._reach(int(blocks.max()) + 1)
        self._marks[row, blocks] = True

    def mark_blocks(self, blocks: NDArray[np.int64]) -> None:
        """Note changes in every row of ``blocks``."""
        if len(blocks):
            self._reach(int(blocks.max()) + 1)
            self._marks[:, blocks] = True

    def take(self) -> list[tuple[int, int]]:
        """Changed ``(row, block)`` pairs, in order; forgets them."""
        found = np.argwhere(self._marks)
        self._marks[:] = False
        return [(int(row), int(block)) for row, block in found]

    def _reach(self, blocks: int) -> None:
        have = self._marks.shape[1]
        if blocks > have:
            self._marks = np.pad(self._marks, ((0, 0), (0, max(blocks, 2 * have) - have)))
