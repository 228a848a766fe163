"""Batches of payments without a log."""

import numpy as np

from agents.events import Batch


def batch_of(rows, start=0):
    """Rows of plain values as a batch whose first record stands at offset ``start``."""
    n = len(rows)
    columns = {}
    for name in rows[0]:
        column = [row[name] for row in rows]
        columns[name] = column if isinstance(column[0], str) else np.array(column)
    return Batch(
        stream="payments",
        topic="payments",
        partition=np.zeros(n, np.int64),
        offsets=np.arange(start, start + n),
        appended_ms=np.zeros(n, np.int64),
        time_ms=np.array([row["ts"] for row in rows], np.int64),
        columns=columns,
    )


def parts(rows, sizes):
    """The rows as batches of the given sizes, again and again, with the clock at each record."""
    head = np.maximum.accumulate(np.array([row["ts"] for row in rows], np.int64)) if rows else []
    at, turn = 0, 0
    while at < len(rows):
        size = sizes[turn % len(sizes)] if sizes else len(rows)
        yield batch_of(rows[at : at + size], at), head[at : at + size]
        at, turn = at + size, turn + 1
