"""What a shard of an internal topic reads: rows, many of them packed in one record."""

from collections.abc import Iterator

import numpy as np

from agents.events import Chunk, Int64, joined
from pipeline.packed import Packed, unpack


def packed_rows(chunk: Chunk, *, apart: bool) -> Iterator[tuple[Packed, Int64]]:
    """Rows of the chunk's records, and the offset at which each row stands.

    Windows close between records, so that with tumbling tables each record is a batch of its own. Without them all rows
    of a chunk are one batch, which costs less.

    Args:
        chunk: Of an internal topic.
        apart: Whether each record is to be a batch of its own.
    """
    records = [unpack(value) for value in chunk.values]
    positions = [np.full(len(packed.batch), at) for packed, at in zip(records, chunk.offsets, strict=True)]
    if apart or len(records) == 1:
        yield from zip(records, positions, strict=True)
    elif records:
        yield (
            Packed(
                batch=joined([packed.batch for packed in records]),
                stream_ms=np.concatenate([packed.stream_ms for packed in records]),
                late=np.concatenate([packed.late for packed in records]),
            ),
            np.concatenate(positions),
        )
