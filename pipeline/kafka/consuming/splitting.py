"""Record batches to columns without an object for each record: one pass of compiled code over the bytes of a batch.

A record of format 2 is a chain of variable-length integers (KIP-98)::

    length | attributes | timestamp delta | offset delta | key length | key | value length | value | headers

Needs numba; without it, and for batches of older formats or with headers, ``batches`` reads record by record.
"""

from importlib import import_module
from typing import Final, NamedTuple

import numpy as np

from agents.events import Int64
from tables.slices import optional

_COLUMNS: Final = 6
compiled = optional(lambda: import_module("pipeline.kafka.consuming.compiled"))


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
    loops = compiled()
    if loops is None:
        return None
    found = np.empty((_COLUMNS, count), np.int64)
    if loops.split_records(np.frombuffer(payload, np.uint8), at, count, found) != count:
        return None
    return Columns(*found)
