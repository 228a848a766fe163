"""What a shard sends on besides alerts: closed windows, rows for tables by another key."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from agents.events import Batch, Int64, Outgoing, Records
from agents.hashes import ColumnHashes
from agents.series.samples import Ending
from pipeline.incidents.events import Ended, encode_event
from pipeline.packed import pack
from pipeline.plan import Repartition, closed_topic, commands_topic
from tables.arrivals import Closed
from tables.slices import Column
from tables.spec import TableSpec
from tables.text import hash_text

_HOLE = "\0"  # in no name
_POSITIVE = np.int64((1 << 63) - 1)

OnScores = Callable[[str, Batch, NDArray[np.float64]], None]
"""Told who scored, which records, and the score of each, shape ``(n,)``, NaN for none."""


def closed_windows(app: str, table: TableSpec, closed: Closed) -> Outgoing:
    """One JSON row for each key of a closed window, on the table's topic, keyed by the table's key.

    Cost: about 0.7 us a row.
    """
    names = [measure.name for measure in table.measures if measure.name in closed.columns]
    start: dict[str, Any] = {"table": table.name, "key": _HOLE}
    bounds = {
        "window_start_ms": closed.window_start_ms,
        "window_end_ms": closed.window_start_ms + table.window.size_ms,
    }
    partial = {"partial": True} if closed.partial else {}
    form = orjson.dumps(start | bounds | partial | dict.fromkeys(names, _HOLE))
    form = form.replace(b"%", b"%%").replace(orjson.dumps(_HOLE), b"%b")
    columns = [list(map(orjson.dumps, closed.keys)), *(_as_json(closed.columns[name]) for name in names)]
    values = [form % row for row in zip(*columns, strict=True)]
    return Outgoing(
        closed_topic(app, table.name), None, Records(values=values, keys=[key.encode() for key in closed.keys])
    )


def endings(app: str, ended: Sequence[Ending]) -> list[Outgoing]:
    """Episodes that are over, for whoever keeps incidents."""
    values: list[bytes | None] = [encode_event(Ended(rule=rule, key=key, time_ms=time)) for _, rule, key, time in ended]
    return [Outgoing(commands_topic(app), 0, Records(values=values))] if values else []


class Repartitioner:
    """Sends records on to where their other keys live.

    The partition follows from the key's 64-bit hash: a packed record holds many keys, so Kafka's partitioner, which
    looks at a record's one key, has no say.

    Args:
        targets: Internal topics, and what they are to hold.
        hashes: Shared with the agents that read the same batches.

    Cost: about 0.2 us a record and target.
    """

    def __init__(self, targets: Sequence[Repartition], hashes: ColumnHashes) -> None:
        self._targets = targets
        self._hashes = hashes

    def split(self, batch: Batch, own_ms: Int64) -> list[Outgoing]:
        """The batch's rows, packed, for each internal topic and partition that they belong to."""
        return [outgoing for target in self._targets for outgoing in self._split(target, batch, own_ms)]

    def _split(self, target: Repartition, batch: Batch, own_ms: Int64) -> Iterator[Outgoing]:
        columns: dict[str, Column] = {}
        for name in sorted(target.fields):
            columns[name] = batch.columns[name] if name in target.texts else self._hashes.of(batch, name)
        rows = replace(batch, columns=columns)
        partition = (self._hashes.of(batch, target.by) & _POSITIVE) % target.partitions
        on_time = np.zeros(len(batch), np.bool_)
        for number in np.flatnonzero(np.bincount(partition)).tolist():
            payload = pack(rows, stream_ms=own_ms, late=on_time, rows=np.flatnonzero(partition == number))
            yield Outgoing(target.topic, number, Records(values=[payload]))


def partition_of(key: str | int, partitions: int) -> int:
    """The partition of an internal topic in which the rows of a key stand, as ``Repartitioner`` sends them."""
    hashed = hash_text(key) if isinstance(key, str) else key
    return int((hashed & int(_POSITIVE)) % partitions)


def _as_json(column: NDArray[Any]) -> list[bytes]:
    """Each item as it stands in JSON; NaN becomes ``null``."""
    if column.ndim == 1:  # numbers hold no comma
        return orjson.dumps(column.tolist())[1:-1].split(b",")
    return list(map(orjson.dumps, column.tolist()))
