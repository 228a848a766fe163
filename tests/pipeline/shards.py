"""Small applications in code, and ways to feed their shards without a log."""

from collections.abc import Iterable, Sequence

import numpy as np
import orjson

from agents.events import Chunk, Output, Records, TopicPartition
from agents.spec import DetectorSpec, Field, RuleSpec, StreamSpec
from pipeline.config.model import AppConfig
from pipeline.plan import plans
from pipeline.shard import Shard
from tables.spec import Measure, TableSpec, Window

TYPES = {"id": "str", "account": "str", "merchant": "str", "country": "str", "ts": "int", "cents": "int"}
FIELDS = {name: Field(name=name, type=kind) for name, kind in TYPES.items()}
PAYMENTS = StreamSpec(name="payments", topic="payments", partitions=2, key="account", time="ts", id="id", fields=FIELDS)


def app(**changes) -> AppConfig:
    """Payments: a sliding and a tumbling table by account, one by merchant, a rule each, and a series detector."""
    sliding = Window(kind="sliding", size_ms=600, pane_ms=60, grace_ms=100)
    tumbling = Window(kind="tumbling", size_ms=300, pane_ms=300, grace_ms=50)
    count, spent = Measure(name="n", kind="count"), Measure(name="spent", kind="sum", input="cents")
    tables = [
        TableSpec(name=name, stream="payments", by=by, window=window, measures=(count, spent), ttl_ms=10**6)
        for name, by, window in (
            ("recent", "account", sliding),
            ("windows", "account", tumbling),
            ("shops", "merchant", tumbling),
        )
    ]
    rules = [
        RuleSpec(name="busy", table="recent", when="n >= 4 and cents > 0", severity="low", cooldown_ms=200),
        RuleSpec(name="abroad", table="recent", when="first_seen(country)", severity="high"),
        RuleSpec(name="fifth", table="windows", when="n >= 3", severity="medium"),
        RuleSpec(name="crowd", table="shops", when="n >= 5", severity="medium"),
    ]
    detector = DetectorSpec(
        name="jump", kind="threshold", table="windows", value="n", threshold=1.0, severity="info", params={"above": 4.0}
    )
    base = {
        "name": "app",
        "log": "local://unused",
        "streams": {"payments": PAYMENTS},
        "tables": {table.name: table for table in tables},
        "rules": {rule.name: rule for rule in rules},
        "detectors": {"jump": detector},
        "health": False,
    }
    return AppConfig(**(base | changes))


def chunk_of(values: Sequence[bytes | None], *, topic: str = "payments", partition: int = 0, start: int = 0) -> Chunk:
    """Values as a chunk that begins at offset ``start``."""
    n = len(values)
    return Chunk(
        topic=topic,
        partition=partition,
        offsets=np.arange(start, start + n),
        timestamps_ms=np.full(n, 10**9),
        keys=[None] * n,
        values=values,
        next_offset=start + n,
    )


def payload(record: dict) -> bytes:
    """A record as it stands in the log."""
    return orjson.dumps(record)


def feed(shard: Shard, values: Sequence[bytes | None], sizes: Sequence[int]) -> list[Output]:
    """Process ``values`` from the shard's position on, in chunks of the given sizes, again and again."""
    outputs, turn = [], 0
    while shard.position < len(values):
        size = sizes[turn % len(sizes)] if sizes else len(values)
        turn += 1
        start = shard.position
        outputs.append(shard.process(chunk_of(values[start : start + size], topic=shard.source.topic, start=start)))
    return outputs


def records_of(outputs: Iterable[Output], topic: str) -> list[bytes | None]:
    """Everything that was sent to ``topic``, in order."""
    sent: list[Records] = [out.records for output in outputs for out in output.outgoing if out.topic == topic]
    return [value for records in sent for value in records.values]


def fresh(config: AppConfig | None = None, topic: str = "payments") -> Shard:
    """A new shard of partition 0."""
    return build_shard(config or app(), TopicPartition(topic, 0))


def build_shard(config: AppConfig, source: TopicPartition) -> Shard:
    """A fresh shard for one source partition."""
    return Shard(plans(config)[source.topic], source.partition)
