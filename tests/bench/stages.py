"""Where the time goes inside one process: decode, tables and rules, repartitioned tables, state."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from agents.events import Chunk, TopicPartition
from pipeline.codec import Decoder
from pipeline.plan import plans
from pipeline.shard import Shard
from tests.bench.job import Payments, config
from tests.pipeline.shards import build_shard

COMMIT_EVERY = 40_000  # records between two commits of a partition, as at 200,000 records/s with a commit a second


class Stopwatch:
    """Processor seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def on(self, stage: str) -> Iterator[None]:
        """Count what happens inside towards ``stage``."""
        start = time.process_time()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.process_time() - start


def decode_per_s(payments: Payments) -> float:
    """Records a second through the decoder of the payments stream, one core."""
    plan = plans(config("local://unused"))["payments"]
    decoder = Decoder(plan.stream, needed=plan.needed)
    watch = Stopwatch()
    for chunk in payments.chunks("payments"):
        with watch.on("decode"):
            decoder.decode(chunk)
    return len(payments) / watch.seconds["decode"]


def shard_stages(payments: Payments) -> dict[str, float]:
    """Processor microseconds a record by stage: everything that a worker does but the log and the frame."""
    app = config("local://unused")
    every = plans(app)
    shards = {
        TopicPartition(topic, number): build_shard(app, TopicPartition(topic, number))
        for topic, plan in every.items()
        if plan.stream.name == "payments"
        for number in range(plan.partitions)
    }
    watch = Stopwatch()
    applied: dict[TopicPartition, int] = dict.fromkeys(shards, 0)

    def commit(source: TopicPartition, shard: Shard, records: int) -> None:
        applied[source] += records
        if applied[source] >= COMMIT_EVERY:
            applied[source] = 0
            with watch.on("state"):
                shard.dirty()

    for chunk in payments.chunks("payments"):
        source = TopicPartition("payments", chunk.partition)
        with watch.on("decode, tables by account, rules"):
            output = shards[source].process(chunk)
        commit(source, shards[source], len(chunk))
        for outgoing in output.outgoing:
            target = TopicPartition(outgoing.topic, outgoing.partition or 0)
            if target in shards:
                passed = _chunk_for(shards[target], outgoing.records.values)
                with watch.on("tables by merchant, rules"):
                    shards[target].process(passed)
                commit(target, shards[target], len(chunk) // 4)
    return {stage: seconds / len(payments) * 1e6 for stage, seconds in watch.seconds.items()}


def _chunk_for(shard: Shard, payloads: Sequence[bytes | None]) -> Chunk:
    """Payloads as the chunk that a shard would be given next."""
    n = len(payloads)
    return Chunk(
        topic=shard.source.topic,
        partition=shard.source.partition,
        offsets=np.arange(shard.position, shard.position + n),
        timestamps_ms=np.zeros(n, np.int64),
        keys=[None] * n,
        values=payloads,
        next_offset=shard.position + n,
    )
