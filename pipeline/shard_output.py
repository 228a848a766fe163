"""What a shard sends on besides alerts: closed windows, rows for tables by another key."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from agents.events import Batch, Column, Int64, Outgoing, Records
from pipeline.log.partitioner import partition_column
from pipeline.packed import pack
from pipeline.plan import Repartition, closed_topic
from tables.arrivals import Closed
from tables.spec import TableSpec
from tables.text import TextHasher

_REMEMBERED = 1 << 20


def closed_windows(app: str, table: TableSpec, closed: Closed) -> Outgoing:
    """One JSON row for each key of a closed window, on the table's topic, keyed by the table's key."""
    names = [measure.name for measure in table.measures if measure.name in closed.columns]
    rows = zip(*(_plain(closed.columns[name]) for name in names), strict=True) if names else [()] * len(closed.keys)
    bounds = {"window_start_ms": closed.window_start_ms, "window_end_ms": closed.window_start_ms + table.window.size_ms}
    values = [
        orjson.dumps({"table": table.name, "key": key, **bounds, **dict(zip(names, row, strict=True))})
        for key, row in zip(closed.keys, rows, strict=True)
    ]
    return Outgoing(
        closed_topic(app, table.name), None, Records(values=values, keys=[key.encode() for key in closed.keys])
    )


class Repartitioner:
    """Sends records on to where their other keys live.

    Args:
        targets: Internal topics, and what they are to hold.

    Cost: about 0.3 us a record and target.
    """

    def __init__(self, targets: Sequence[Repartition]) -> None:
        self._targets = [(target, _Partitions(target.partitions)) for target in targets]
        self._hasher = TextHasher()

    def split(self, batch: Batch, own_ms: Int64) -> list[Outgoing]:
        """The batch's rows, packed, for each internal topic and partition that they belong to."""
        return [outgoing for target in self._targets for outgoing in self._split(*target, batch, own_ms)]

    def _split(self, target: Repartition, partitions: "_Partitions", batch: Batch, own_ms: Int64) -> Iterator[Outgoing]:
        columns = {name: self._column(target, name, batch.columns[name]) for name in sorted(target.fields)}
        rows = replace(batch, columns=columns)
        keys = batch.columns[target.by]
        texts = keys if isinstance(keys, list) else [str(key) for key in keys.tolist()]
        partition = np.fromiter(map(partitions.__getitem__, texts), np.int64, len(texts))
        on_time = np.zeros(len(batch), np.bool_)
        for number in np.unique(partition).tolist():
            payload = pack(rows, stream_ms=own_ms, late=on_time, rows=np.flatnonzero(partition == number))
            yield Outgoing(target.topic, number, Records(values=[payload]))

    def _column(self, target: Repartition, name: str, column: Column) -> Column:
        hashed = isinstance(column, list) and name not in target.texts
        return self._hasher.column(column) if hashed and isinstance(column, list) else column


class _Partitions(dict[str, int]):
    """Partition of each key, remembered."""

    def __init__(self, partitions: int) -> None:
        super().__init__()
        self._partitions = partitions

    def __missing__(self, key: str) -> int:
        if len(self) >= _REMEMBERED:
            self.clear()
        number = self[key] = int(partition_column([key.encode()], self._partitions, 0)[0])
        return number


def _plain(column: NDArray[Any] | list[str]) -> list[Any]:
    """A column as plain values; NaN becomes ``null`` in JSON."""
    return column if isinstance(column, list) else column.tolist()
