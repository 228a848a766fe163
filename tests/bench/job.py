"""The job that is measured: the payments example on seeded payments."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from agents.events import Chunk, Records
from load import CampaignConfig, PaymentsConfig, PaymentsLoad
from pipeline.config import AppConfig, load_config
from pipeline.log.partitioner import partition_column

EXAMPLE = Path(__file__).parents[2] / "examples" / "payments.toml"
START_MS = 1_700_000_000_000
RATE_PER_S = 5_000
CHUNK = 6_000  # what a fetch of 1 MiB brings


def config(log: str) -> AppConfig:
    """The payments example (three tables, six rules, health tables) on ``log``."""
    return replace(load_config(EXAMPLE, {}), log=log)


@dataclass(frozen=True)
class Payments:
    """Generated records, by partition."""

    keys: dict[int, list[bytes]]
    values: dict[int, list[bytes]]
    end_ms: int

    def __len__(self) -> int:
        return sum(map(len, self.values.values()))

    def records(self, partition: int, start: int, stop: int) -> Records:
        """A stretch of a partition, as a producer sends it."""
        return Records(values=self.values[partition][start:stop], keys=self.keys[partition][start:stop])

    def chunks(self, topic: str) -> Iterator[Chunk]:
        """All records as a worker fetches them, partitions in turn."""
        for start in range(0, max(map(len, self.values.values())), CHUNK):
            for partition, values in self.values.items():
                part = values[start : start + CHUNK]
                if part:
                    yield Chunk(
                        topic=topic,
                        partition=partition,
                        offsets=np.arange(start, start + len(part)),
                        timestamps_ms=np.full(len(part), self.end_ms),
                        keys=self.keys[partition][start : start + CHUNK],
                        values=part,
                        next_offset=start + len(part),
                    )


def payments(count: int, partitions: int) -> Payments:
    """At least ``count`` payments of about 176 bytes with their campaigns, at 5,000 a second of event time."""
    load = PaymentsLoad(PaymentsConfig(rate_per_s=RATE_PER_S, seed=7, start_ms=START_MS, campaigns=CampaignConfig()))
    keys: dict[int, list[bytes]] = defaultdict(list)
    values: dict[int, list[bytes]] = defaultdict(list)
    made, now_ms = 0, START_MS
    while made < count:
        now_ms += 1_000
        for outgoing in load.until(now_ms):
            if outgoing.topic != "payments":
                continue
            records = outgoing.records
            given = [key or b"" for key in records.keys or ()]
            for number, key, value in zip(
                partition_column(given, partitions, 0).tolist(), given, records.values, strict=True
            ):
                keys[number].append(key)
                values[number].append(value or b"")
            made += len(records)
    return Payments(dict(sorted(keys.items())), dict(sorted(values.items())), now_ms)
