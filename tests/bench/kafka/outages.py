"""How long partitions stand still, seen by subscribers: a steady trickle of records, each of which raises an alert."""

import asyncio
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import orjson

from agents.events import TopicPartition
from pipeline.config import AppConfig
from pipeline.log import Log
from tests.bench.kafka.ground import until
from tests.bench.kafka.payments import producer
from tests.bench.kafka.subscriber import Seen, watch

PARTITIONS, RATE_PER_S = 8, 20
"""Partitions, and records a second for each of them."""
_TICK_S = 1 / RATE_PER_S


class Trickle:
    """Sends records to all partitions, and keeps what a subscriber of committed alerts sees.

    Args:
        log: The event log.
        config: An application that raises an alert for each record.
        servers: ``HOST:PORT,…``.
    """

    def __init__(self, log: Log, config: AppConfig, servers: str) -> None:
        self._log = log
        self._config = config
        self._client = producer(servers)
        self._seen: list[Seen] = []
        self._late: list[tuple[float, float]] = []  # when each round was due and how late it was
        self._newest_ms = dict.fromkeys(range(PARTITIONS), 0.0)

    @property
    def topic(self) -> str:
        """Where the records go."""
        return self._config.streams["records"].topic

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Records flow while the block runs."""
        tasks = [
            asyncio.create_task(watch(self._log, self._config.alerts_topic, self._on_alert)),
            asyncio.create_task(self._send()),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._client.flush(10)

    async def owners(self) -> dict[int, str]:
        """Member that owns each partition; some are missing while the group rebalances."""
        return {
            lease.source.partition: lease.member
            for lease in await self._log.leases(self._config.name)
            if lease.source == TopicPartition(self.topic, lease.source.partition)
        }

    async def shared_by(self, workers: int) -> dict[int, str]:
        """Wait until so many workers own all partitions and none lies behind; returns the owners."""
        owners: dict[int, str] = {}

        async def is_shared() -> bool:
            owners.clear()
            owners.update(await self.owners())
            return len(owners) == PARTITIONS and len(set(owners.values())) == workers

        await until(is_shared, f"{workers} workers owning all partitions")
        await self.all_seen_since(_now_ms())
        return dict(owners)

    async def all_seen_since(self, since_ms: float) -> None:
        """Wait until an alert about something newer was seen of every partition."""
        await until(lambda: min(self._newest_ms.values()) >= since_ms, "an alert of every partition")

    def gaps(self, partitions: Iterable[int], since_ms: float) -> dict[str, float | int | None]:
        """Of the longest waits of partitions from append to alert the worst and the median, after ``since_ms``.

        Where alerts are detected in time but seen late, the transaction of a dead worker holds up their readers.
        """
        seen, detected = dict.fromkeys(partitions, 0.0), dict.fromkeys(partitions, 0.0)
        for partition, appended_ms, detected_ms, visible_ms in self._seen:
            if partition in seen and appended_ms >= since_ms:
                seen[partition] = max(seen[partition], visible_ms - appended_ms)
                detected[partition] = max(detected[partition], detected_ms - appended_ms)
        return {
            "partitions": len(seen),
            "worst_ms": round(max(seen.values())) if seen else None,
            "median_ms": round(statistics.median(seen.values())) if seen else None,
            "worst_detected_ms": round(max(detected.values())) if seen else None,
        }

    def late_ms(self, since_ms: float) -> int:
        """How far the sender itself was behind at the most. Gaps hold that too: records tell when they were due."""
        return round(max((late_ms for due_ms, late_ms in self._late if due_ms >= since_ms), default=0.0))

    def _on_alert(self, seen: Seen) -> None:
        self._seen.append(seen)
        self._newest_ms[seen.partition] = max(self._newest_ms[seen.partition], seen.appended_ms)

    async def _send(self) -> None:
        due = time.monotonic()
        while True:
            due += _TICK_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            late_ms = 1000 * (time.monotonic() - due)
            now_ms = round(_now_ms() - late_ms)
            self._late.append((now_ms, late_ms))
            for number in range(PARTITIONS):
                value = orjson.dumps({"id": uuid.uuid4().hex, "ts": now_ms})
                self._client.produce(self.topic, value, partition=number, timestamp=now_ms)
            self._client.poll(0)


def _now_ms() -> float:
    return time.time() * 1000
