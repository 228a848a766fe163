"""What a shard sends on besides alerts: closed windows, rows for tables by another key."""

from dataclasses import replace
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from agents.events import Batch, Int64, Outgoing, Records
from pipeline.log.partitioner import partition_column
from pipeline.packed import pack
from pipeline.plan import Repartition, SourcePlan, closed_topic
from tables.arrivals import Closed
from tables.spec import TableSpec


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


def repartitioned(plan: SourcePlan, batch: Batch, own_ms: Int64) -> list[Outgoing]:
    """The batch's rows, packed, for each internal topic and partition that they belong to."""
    return [outgoing for target in plan.repartitions for outgoing in _split(target, batch, own_ms)]


def _split(target: Repartition, batch: Batch, own_ms: Int64) -> list[Outgoing]:
    columns = {name: batch.columns[name] for name in sorted(target.fields)}
    rows = replace(batch, columns=columns)
    keys = batch.columns[target.by]
    texts = keys if isinstance(keys, list) else [str(key) for key in keys.tolist()]
    partition = partition_column([text.encode() for text in texts], target.partitions, 0)
    on_time = np.zeros(len(batch), np.bool_)
    split = []
    for number in np.unique(partition).tolist():
        chosen = np.flatnonzero(partition == number)
        payload = pack(rows, stream_ms=own_ms, late=on_time, rows=chosen)
        split.append(Outgoing(target.topic, number, Records(values=[payload])))
    return split


def _plain(column: NDArray[Any] | list[str]) -> list[Any]:
    """A column as plain values; NaN becomes ``null`` in JSON."""
    return column if isinstance(column, list) else column.tolist()
