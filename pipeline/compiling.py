"""Compiling ahead: a small job through all compiled code, so that nothing is compiled while records wait.

Takes some 20 seconds the first time on a machine, and half a second once numba finds what it kept.
``python -m pipeline.compiling`` does it when the program is set up; a worker does it before it joins its group.
"""

import logging
import time
from typing import Final

import numpy as np

from agents.events import Chunk
from agents.patterns.spec import FlowSpec
from agents.spec import DetectorSpec, Field, RuleSpec, StreamSpec
from detectors.boosting import Boosting, fit_trees
from pipeline.config.model import AppConfig
from pipeline.kafka.consuming.splitting import split
from pipeline.plan import plans
from pipeline.shard import Shard
from tables.slices import compiled, payloads_of
from tables.spec import Measure, TableSpec, Window

_logger = logging.getLogger(__name__)
_RECORD: Final = b"\x0c\x00\x00\x00\x01\x00\x00"  # without key, with an empty value
_KINDS: Final = {"id": "str", "key": "str", "ts": "int", "size": "float", "ok": "bool"}
_ROUNDS: Final = 3
_LONG_S: Final = 3.0


def compile_ahead() -> None:
    """Compile, or load what was compiled; at once where numba is not installed."""
    if compiled() is None:
        return
    began = time.monotonic()
    split(_RECORD, 0, 1)
    config = _config()
    shard = Shard(plans(config)["s"], 0)
    for at in range(_ROUNDS):
        shard.process(_chunk(at))
        shard.dirty()
    x = np.arange(_ROUNDS, dtype=np.float32)[:, None]
    trees = fit_trees(x, x[:, 0] > 0, np.ones(_ROUNDS), Boosting(trees=1))
    trees.contributions(x)
    trees.margin(x)
    took_s = time.monotonic() - began
    if took_s > _LONG_S:
        _logger.info("compiled for this machine in %.0f s; the next start finds it done", took_s)


def _config() -> AppConfig:
    fields = {name: Field(name=name, type=kind) for name, kind in _KINDS.items()}  # type: ignore[arg-type]  # literals
    window = Window(kind="tumbling", size_ms=1_000, pane_ms=1_000, grace_ms=0)
    measures = (
        Measure(name="n", kind="count"),
        Measure(name="ids", kind="distinct", input="id"),
        Measure(name="largest", kind="max", input="size"),
    )
    table = TableSpec(name="t", stream="s", by="key", window=window, measures=measures, ttl_ms=10_000, max_keys=4)
    return AppConfig(
        name="compiling",
        log="local://unused",
        streams={
            "s": StreamSpec(name="s", topic="s", partitions=1, key="key", time="ts", id="id", fields=fields),
        },
        tables={"t": table},
        detectors={
            "d": DetectorSpec(
                name="d", kind="robust_z", stream="s", by="key", value="size", threshold=9.0, severity="info"
            )
        },
        rules={"r": RuleSpec(name="r", table="t", when="n >= 1 and ids >= 0", severity="info")},
        flows={"f": _flow()},
        health=False,
    )


def _flow() -> FlowSpec:
    """Money from key to id."""
    return FlowSpec(
        name="f",
        kind="circular_flow",
        stream="s",
        sender="key",
        receiver="id",
        amount="size",
        window_ms=1_000,
        cooldown_ms=0,
        least=1.0,
        share=0.5,
        severity="info",
    )


def _chunk(at: int) -> Chunk:
    """Two records of keys that push others out."""
    record = b'{"id":"%d","key":"k%d","ts":%d,"size":1.5,"ok":true}'
    values = payloads_of([record % (each, each, 1_000 + each) for each in (2 * at, 2 * at + 1)])
    n = len(values)
    return Chunk(
        topic="s",
        partition=0,
        offsets=np.arange(n) + n * at,
        timestamps_ms=np.full(n, 1_000),
        keys=[None] * n,
        values=values,
        next_offset=n * (at + 1),
    )


if __name__ == "__main__":
    compile_ahead()
