"""State of a given size, made by a real shard and written to every partition of a state topic."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from agents.events import Chunk, Outgoing, Records
from pipeline.config import AppConfig
from pipeline.log import Log
from pipeline.plan import plans, state_topic
from pipeline.shard import Shard

START_MS = 1_700_000_000_000
_CHUNK = 20_000
_TOGETHER_BYTES = 16 << 20
_PANE_MS = 60_000
_TOML = """
[app]
name = "{app}"
log = "kafka://{servers}"
alerts = "{app}-alerts"
health = false

[streams.source]
topic = "{app}-source"
key = "k"
time = "ts"
partitions = 8
fields = {{ k = "str", ts = "int", {fields} }}

[tables.kept]
stream = "source"
by = "k"
max_keys = 20000000
window = {{ sliding = "10m", pane = "1m", grace = "30s" }}
measures = {{ {measures} }}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What the state consists of.

    Args:
        name: Of the shape.
        panes: Of the window that hold something for each key, at most 10.
        sums: Measures of each pane.
    """

    name: str
    panes: int
    sums: int

    def toml(self, app: str, servers: str) -> str:
        """The configuration of an application with such state."""
        names = range(self.sums)
        fields = ", ".join(f'f{at} = "int"' for at in names)
        measures = ", ".join(f's{at} = "sum(f{at})"' for at in names)
        return _TOML.format(app=app, servers=servers, fields=fields, measures=measures)

    def payloads(self, keys: int) -> Iterator[tuple[int, list[bytes]]]:
        """Event time and payloads of records, one for each key and pane."""
        rng = np.random.default_rng(1)
        for pane in range(self.panes):
            ts = START_MS + pane * _PANE_MS
            for first in range(0, keys, _CHUNK):
                drawn = rng.integers(1 << 34, 1 << 38, (min(_CHUNK, keys - first), self.sums)).tolist()
                yield (
                    ts,
                    [
                        orjson.dumps(
                            {"k": f"customer-{at:012d}", "ts": ts, **{f"f{n}": value for n, value in enumerate(row)}}
                        )
                        for at, row in enumerate(drawn, start=first)
                    ],
                )


WIDE = Shape(name="few keys, wide", panes=10, sums=16)
NARROW = Shape(name="many keys, narrow", panes=1, sums=1)


def slabs(config: AppConfig, shape: Shape, keys: int) -> dict[bytes, bytes]:
    """The state of one partition, at position 0 since its source is empty."""
    (topic,) = plans(config)
    shard, offset = Shard(plans(config)[topic], 0), 0
    for ts, values in shape.payloads(keys):
        shard.process(_chunk(topic, offset, ts, values))
        offset += len(values)
    shard.position = 0
    return {key: value for key, value in shard.dirty().items() if value is not None}


def _chunk(topic: str, offset: int, ts: int, values: Sequence[bytes]) -> Chunk:
    n = len(values)
    return Chunk(
        topic=topic,
        partition=0,
        offsets=np.arange(offset, offset + n),
        timestamps_ms=np.full(n, ts),
        keys=[None] * n,
        values=values,
        next_offset=offset + n,
    )


async def fill(log: Log, config: AppConfig, shape: Shape, size_bytes: int) -> tuple[int, int]:
    """Write state of about ``size_bytes`` over all partitions; returns keys and bytes of all of them."""
    (topic,) = plans(config)
    partitions = config.streams["source"].partitions
    few = 2_000
    per_key = sum(map(len, slabs(config, shape, few).values())) / few
    keys = max(1, int(size_bytes / partitions / per_key))
    made = slabs(config, shape, keys)
    for number in range(partitions):
        for part in _parts(made):
            records = Records(keys=list(part), values=list(part.values()))
            await log.append([Outgoing(state_topic(config, topic), number, records)])
    return keys * partitions, sum(map(len, made.values())) * partitions


def _parts(made: dict[bytes, bytes]) -> Iterator[dict[bytes, bytes]]:
    part: dict[bytes, bytes] = {}
    for key, value in made.items():
        part[key] = value
        if sum(map(len, part.values())) > _TOGETHER_BYTES:
            yield part
            part = {}
    yield part
