"""Record batches to columns without an object for each record: one pass of compiled code over the bytes of a batch.

A record of format 2 is a chain of variable-length integers (KIP-98)::

    length | attributes | timestamp delta | offset delta | key length | key | value length | value | headers

Needs numba; without it, and for batches of older formats or with headers, ``batches`` reads record by record.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from agents.events import Int64

_COLUMNS: Final = 6


@cache
def _kernel() -> Callable[[Any, int, int, Any], int] | None:
    """The compiled loop; ``None`` where the optional extra is not installed."""
    try:
        from pipeline.kafka.compiled import split_records  # noqa: PLC0415 - optional, and takes a while to load
    except ImportError:
        return None
    kernel: Callable[[Any, int, int, Any], int] = split_records
    return kernel


class Columns(NamedTuple):
    """Records of a batch: offset and timestamp deltas, where keys and values begin and how long they are (-1: none)."""

    offset: Int64
    time: Int64
    key_at: Int64
    key_bytes: Int64
    value_at: Int64
    value_bytes: Int64


def split(payload: bytes, at: int, count: int) -> Columns | None:
    """Where the records of a batch stand.

    Args:
        payload: The bytes of the records, unpacked; ``Columns`` points into it.
        at: Where they begin.
        count: How many there are.

    Returns:
        ``None`` if one of them has headers or does not end where it says: then read record by record.

    Cost: about 25 ns a record.
    """
    kernel = _kernel()
    if kernel is None:
        return None
    found = np.empty((_COLUMNS, count), np.int64)
    if kernel(np.frombuffer(payload, np.uint8), at, count, found) != count:
        return None
    return Columns(*found)


class Slices(Sequence[bytes | None]):
    """Parts of a text of bytes, cut out when somebody asks for them.

    Keys are rarely read: the partition of a record is known, and what it counts for stands in its value.
    """

    def __init__(self, parts: Sequence[tuple[bytes, Int64, Int64]]) -> None:
        self.parts = parts
        self._length = sum(len(starts) for _, starts, _ in parts)
        self._cut: list[bytes | None] | None = None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes | None]:
        return iter(self._items)

    @overload
    def __getitem__(self, index: int) -> bytes | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes | None]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes | None] | None:
        return self._items[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # a sequence that is compared by its items

    @property
    def _items(self) -> list[bytes | None]:
        if self._cut is None:
            self._cut = [item for payload, starts, sizes in self.parts for item in cut(payload, starts, sizes)]
        return self._cut


def cut(payload: bytes, starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> list[bytes | None]:
    """The parts of ``payload`` at ``starts``; ``None`` where the size is -1."""
    first, last = starts.tolist(), (starts + sizes).tolist()
    if len(sizes) and int(sizes.min()) < 0:
        return [None if stop < start else payload[start:stop] for start, stop in zip(first, last, strict=True)]
    return [payload[start:stop] for start, stop in zip(first, last, strict=True)]
