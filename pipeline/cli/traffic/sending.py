"""A load on its way into the log: paced by the clock alone, with what was sent and how late."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from agents.events import Outgoing
from load import DelayHistogram, Load, OpenLoop
from pipeline.log import Log

_REPORT_EVERY_S = 1.0


def clock_ms() -> int:
    """A clock that never goes back, ms."""
    return time.monotonic_ns() // 1_000_000


@dataclass(kw_only=True, slots=True)
class Tally:
    """What has been sent.

    Args:
        truth_topic: Records to this topic are labels of campaigns, not load.
        started_ms: Monotonic time of the start.
        records: Records, labels not.
        size_bytes: Their payloads and keys.
        campaign_records: Labelled records by kind of campaign.
        campaigns: Campaigns by kind, by their ids.
        elapsed_ms: Since the start, as of the last report.
        behind_ms: By how much the sender is late, as of the last report.
        delays: Of each record, from when it was due; ``None`` without pacing.
    """

    truth_topic: str | None = None
    started_ms: int = field(default_factory=clock_ms)
    records: int = 0
    size_bytes: int = 0
    campaign_records: Counter[str] = field(default_factory=Counter)
    campaigns: dict[str, set[str]] = field(default_factory=dict)
    elapsed_ms: int = 0
    behind_ms: int = 0
    delays: DelayHistogram | None = None

    @property
    def per_s(self) -> float:
        """Records a second since the start."""
        return 1_000 * self.records / self.elapsed_ms if self.elapsed_ms else 0.0

    def add(self, batch: Sequence[Outgoing]) -> int:
        """Count a batch; how many records of the load it holds."""
        count = 0
        for outgoing in batch:
            values = outgoing.records.values
            if outgoing.topic == self.truth_topic:
                self._label(value for value in values if value is not None)
                continue
            count += len(values)
            self.size_bytes += sum(len(value) for value in values if value is not None)
            self.size_bytes += sum(len(key) for key in outgoing.records.keys or () if key is not None)
        self.records += count
        return count

    def _label(self, labels: Iterable[bytes]) -> None:
        for label in labels:
            truth = orjson.loads(label)
            self.campaign_records[truth["kind"]] += 1
            self.campaigns.setdefault(truth["kind"], set()).add(truth["campaign"])

    def as_object(self) -> dict[str, Any]:
        """For programs."""
        found: dict[str, Any] = {
            "records": self.records,
            "bytes": self.size_bytes,
            "elapsed_ms": self.elapsed_ms,
            "records_per_s": round(self.per_s, 1),
        }
        if self.delays is not None:
            found["behind_ms"] = self.behind_ms
        return found


class Reporter(Protocol):
    """Told about progress once a second, and at the end."""

    def progress(self, tally: Tally) -> None:
        """So far."""


async def send_paced(
    log: Log, load: Load, pace: OpenLoop, tally: Tally, reporter: Reporter, stop: asyncio.Event
) -> bool:
    """Send what is due until the end of the run or of the load; whether it came to its end."""
    tally.delays = pace.delays
    async with _reporting(reporter, tally, lambda: pace.behind_ms(clock_ms())):
        while not stop.is_set():
            due = pace.due(clock_ms())
            batch = load.until(due.end_ms) if due.end_ms > due.start_ms else []
            if batch:
                await log.append(batch)
                pace.sent(due, tally.add(batch), clock_ms())
            if due.finished or load.finished:
                return True
            await _sleep(due.wait_ms, stop)
    return False


async def send_all(
    log: Log, batches: Iterable[Sequence[Outgoing]], tally: Tally, reporter: Reporter, stop: asyncio.Event
) -> bool:
    """Send everything as fast as the log takes it; whether all was sent."""
    async with _reporting(reporter, tally, lambda: 0):
        for batch in batches:
            if stop.is_set():
                return False
            if batch:
                await log.append(batch)
                tally.add(batch)
    return True


@contextlib.asynccontextmanager
async def _reporting(reporter: Reporter, tally: Tally, behind_ms: Callable[[], int]) -> AsyncIterator[None]:
    def report() -> None:
        tally.elapsed_ms, tally.behind_ms = max(1, clock_ms() - tally.started_ms), behind_ms()
        reporter.progress(tally)

    async def repeat() -> None:
        while True:
            await asyncio.sleep(_REPORT_EVERY_S)
            report()

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    tally.elapsed_ms, tally.behind_ms = max(1, clock_ms() - tally.started_ms), behind_ms()


async def _sleep(wait_ms: int, stop: asyncio.Event) -> None:
    if wait_ms <= 0:
        await asyncio.sleep(0)
        return
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), wait_ms / 1_000)
