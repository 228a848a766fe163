"""Five minutes of throughput, latency and lag for the charts, one point a second."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tables.histogram import WIDTH, quantile

SPAN_MS: Final = 300_000
STEP_MS: Final = 1_000
SMOOTH_MS: Final = 5_000
SILENT_MS: Final = 10_000


class HealthRow(msgspec.Struct, frozen=True):
    """What the charts need of a closed one-second health window; its other measures are passed over.

    Args:
        key: ``topic/partition``.
        window_start_ms: Start of the window.
        records: Processed records.
        late: Records too late to count.
        rejected: Records that could not be decoded.
        worst_lag_ms: Largest lag measured in it; ``None`` if none was.
        append_processed: Histogram from append to processed.
    """

    key: str
    window_start_ms: int
    records: int = 0
    late: int = 0
    rejected: int = 0
    worst_lag_ms: float | None = None
    append_processed: list[int] = []


read_row = msgspec.json.Decoder(HealthRow).decode


@dataclass(kw_only=True, slots=True)
class Bucket:
    """What one second brought, over all partitions.

    Args:
        records: Processed records by topic.
        latency: Histogram from append to processed, shape ``(WIDTH,)``.
        lag_ms: Age of the oldest unprocessed record, by topic; the worst of its partitions.
        measured: Topics whose lag this process saw itself, which counts more than what a worker said of itself.
        late: Records too late to count.
        rejected: Records that could not be decoded.
        changed: Generation of the last change, so that a reader can ask for what is new to it.
    """

    records: dict[str, int] = field(default_factory=dict)
    latency: NDArray[np.int64] = field(default_factory=lambda: np.zeros(WIDTH, np.int64))
    lag_ms: dict[str, float] = field(default_factory=dict)
    measured: set[str] = field(default_factory=set)
    late: int = 0
    rejected: int = 0
    changed: int = 0


class History:
    """Merge closed one-second health windows, and lag as this process measured it, into points on one time axis.

    A window counts once: windows are emitted exactly once and the topic is read once. Points older than
    ``SPAN_MS`` before the newest are dropped.

    Cost: at most 301 buckets of about 1.5 kB.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def add_window(self, row: HealthRow, generation: int) -> None:
        """Take one closed window of the table ``health_1s``."""
        bucket = self._bucket(row.window_start_ms, generation)
        if bucket is None:
            return
        topic = row.key.rpartition("/")[0]
        bucket.records[topic] = bucket.records.get(topic, 0) + row.records
        bucket.late += row.late
        bucket.rejected += row.rejected
        if row.worst_lag_ms is not None and topic not in bucket.measured:
            bucket.lag_ms[topic] = max(bucket.lag_ms.get(topic, 0.0), row.worst_lag_ms)
        if len(row.append_processed) == WIDTH:
            bucket.latency += np.asarray(row.append_processed, np.int64)

    def add_lag(self, time_ms: int, lag_ms: Mapping[str, float], generation: int) -> None:
        """Take the lag of each topic as measured at ``time_ms``; a second measured twice keeps the worse."""
        bucket = self._bucket(time_ms // STEP_MS * STEP_MS, generation)
        if bucket is None:
            return
        for topic, lag in lag_ms.items():
            known = bucket.lag_ms.get(topic, 0.0) if topic in bucket.measured else 0.0
            bucket.lag_ms[topic] = max(known, lag)
            bucket.measured.add(topic)

    def forget(self, now_ms: int) -> None:
        """Drop what is older than the charts show."""
        limit = now_ms - SPAN_MS
        for start_ms in [start for start in self._buckets if start < limit]:
            del self._buckets[start_ms]

    def throughput(self, after: int = 0) -> dict[str, list[tuple[int, float | None]]]:
        """Records a second by topic, each point the mean of ``SMOOTH_MS`` up to it.

        Workers count when they commit, so single seconds swing. The line ends with the newest window, since windows
        close a few seconds late; when none has come for ``SILENT_MS``, it goes on at 0.

        Args:
            after: Only points that changed after this generation, or that silence has made valid since.
        """
        known = sorted(self._buckets.items(), key=itemgetter(0))
        flowing = [start for start, bucket in known if bucket.records]
        if not flowing:
            return {}
        first, last = flowing[0], max(flowing[-1], known[-1][0] - SILENT_MS)
        settled = last - SILENT_MS if last > flowing[-1] else last
        topics = sorted({topic for _, bucket in known for topic in bucket.records})
        points: dict[str, list[tuple[int, float | None]]] = {topic: [] for topic in topics}
        for place, (start, _) in enumerate(known):
            around = known[max(0, place - SMOOTH_MS // STEP_MS + 1) : place + 1]
            near = [bucket for at, bucket in around if at > start - SMOOTH_MS]
            is_new = start > settled or any(bucket.changed > after for bucket in near)
            if first <= start <= last and is_new:
                for topic in topics:
                    records = sum(bucket.records.get(topic, 0) for bucket in near)
                    points[topic].append((start, records * 1_000 / SMOOTH_MS))
        return points

    def latency(self, after: int = 0) -> dict[str, list[tuple[int, float | None]]]:
        """Quantiles of append to processed in ms; a second in which nothing was processed has no point."""
        chosen = [(start, bucket.latency) for start, bucket in self._changed(after) if bucket.latency.any()]
        if not chosen:
            return {"p50": [], "p99": []}
        counts = np.stack([latency for _, latency in chosen])
        starts = [start for start, _ in chosen]
        return {
            name: list(zip(starts, quantile(counts, q).tolist(), strict=True))
            for name, q in (("p50", 0.5), ("p99", 0.99))
        }

    def lag(self, after: int = 0) -> dict[str, list[tuple[int, float | None]]]:
        """True lag in seconds by topic, the worst of its partitions."""
        topics = sorted({topic for bucket in self._buckets.values() for topic in bucket.lag_ms})
        chosen = [(start, bucket.lag_ms) for start, bucket in self._changed(after)]
        return {topic: [(start, lag[topic] / 1_000) for start, lag in chosen if topic in lag] for topic in topics}

    def recent(self, now_ms: int, span_ms: int, *, topics: Collection[str] | None = None) -> "Recent":
        """Totals of the windows that began within ``span_ms`` before ``now_ms``; records of ``topics`` only."""
        buckets = [bucket for start, bucket in self._buckets.items() if start >= now_ms - span_ms]
        counted = [bucket for bucket in buckets if bucket.records]
        latency = sum((bucket.latency for bucket in counted), np.zeros(WIDTH, np.int64))
        return Recent(
            records=sum(
                count
                for bucket in counted
                for topic, count in bucket.records.items()
                if topics is None or topic in topics
            ),
            seconds=len(counted),
            latency=latency,
            late=sum(bucket.late for bucket in counted),
            rejected=sum(bucket.rejected for bucket in counted),
        )

    def _bucket(self, start_ms: int, generation: int) -> Bucket | None:
        newest = max(self._buckets, default=start_ms)
        if start_ms < newest - SPAN_MS:
            return None
        bucket = self._buckets.setdefault(start_ms, Bucket())
        bucket.changed = generation
        return bucket

    def _changed(self, after: int) -> Iterable[tuple[int, Bucket]]:
        return sorted(
            ((start, bucket) for start, bucket in self._buckets.items() if bucket.changed > after),
            key=itemgetter(0),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Recent:
    """Totals over the newest closed windows; ``seconds`` of them had something."""

    records: int
    seconds: int
    latency: NDArray[np.int64]
    late: int
    rejected: int

    @property
    def rate(self) -> float | None:
        """Processed records a second; ``None`` while nothing is known."""
        return self.records / self.seconds if self.seconds else None

    def latency_ms(self, q: float) -> float | None:
        """A quantile of append to processed in ms; ``None`` while nothing is known."""
        return float(quantile(self.latency, q)) if self.latency.any() else None
