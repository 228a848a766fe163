"""Health events: what the worker measured of one partition, as JSON on the app's health topic.

A meter says what flowed, a sampler (``sampler.py``) what waits. Both speak one schema, so that one stream and one set
of tables serves them: counters and histograms are always there, 0 where they don't apply, so they may be summed;
gauges are null where they don't apply.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from agents.events import Alert, Chunk, Outgoing, Output, Records, TopicPartition
from pipeline.codec import Reason
from tables.histogram import WIDTH, bucket_counts, quantile
from tables.slices import payload_bytes

REJECTED: Final = {str(reason): f"rejected_{reason.replace('-', '_')}" for reason in Reason}
"""The counter of each reason for which a record is refused."""
COUNTERS: Final = (
    "records",
    "bytes",
    "late",
    "ahead",
    "alerts",
    "evicted",
    "expired",
    "rejected",
    *REJECTED.values(),
)
"""Whole numbers to be summed; ``ahead`` counts records whose event time is after their append time."""
HISTOGRAMS: Final = ("event_append", "append_processed", "event_alert", "append_alert")
"""Latencies from one moment of a record to another, as vectors of ``tables.histogram.WIDTH``."""
PEAKS: Final = tuple(f"{name}_p99_ms" for name in HISTOGRAMS)
"""The 99th percentile of each histogram since the last event, so that a latency can be followed as a series."""
SLOW_MS: Final = 1_000
"""``slow_ms`` is the 99th percentile from append to processed, but at least this: below a second nothing is slow, so a
detector sees a calm series until latency matters."""
BUSY_PER_S: Final = 10.0
"""``busy_per_s`` is the produce rate, but at least this: below it chance decides whether a second is a busy one."""
SAMPLED: Final = (
    "lag_records",
    "lag_processed",
    "lag_ms",
    "produce_per_s",
    "busy_per_s",
    "consume_per_s",
    "eta_ms",
    "status",
)
"""What a sampler says; see ``sampler.LagSample``."""
GAUGES: Final = (*SAMPLED, "stuck", "restored", "restore_eta_ms")
"""``stuck`` is what a watchdog says (``stuck.Cause``), the last two a restore: its share done, and the time left."""


def health_topic(app: str) -> str:
    """The topic of an app's health events. It has one partition, and is not metered itself: that would never end."""
    return f"{app}-health"


def outgoing(app: str, events: Sequence[bytes]) -> list[Outgoing]:
    """Health events as something to append or to commit; nothing for no events."""
    return [Outgoing(health_topic(app), 0, Records(values=events))] if events else []


def encode_event(source: TopicPartition, time_ms: int, values: Mapping[str, object]) -> bytes:
    """One health event; counters and histograms that ``values`` lacks are 0."""
    event = {"source": str(source), "ts": time_ms, **_ZEROS, **values}
    return orjson.dumps(event, option=orjson.OPT_SERIALIZE_NUMPY)


_ZEROS: Final[dict[str, object]] = {
    **dict.fromkeys(COUNTERS, 0),
    **dict.fromkeys(HISTOGRAMS, np.zeros(WIDTH, np.int64)),
}


class UnitMeter:
    """Measures what one partition's unit does; the unit commits what ``drain`` returns with its next commit.

    Assumes one clock for ``now_ms`` and the log's append times; where they disagree, a latency below 0 counts as 0.

    Args:
        source: The partition that is consumed.
        worker: Name of the worker, for people who read the events.

    Cost: about 40 ns a record; 5 KB of memory.
    """

    def __init__(self, source: TopicPartition, worker: str) -> None:
        self._source = source
        self._worker = worker
        self._counts: dict[str, int]
        self._latencies: NDArray[np.int64]
        self._reset()

    def _reset(self) -> None:
        self._counts = dict.fromkeys(COUNTERS, 0)
        self._latencies = np.zeros((len(HISTOGRAMS), WIDTH), np.int64)

    def observe(self, output: Output, chunk: Chunk, now_ms: int) -> None:
        """Count a chunk that was processed.

        Records are those accepted and those refused: a record of a repartition topic holds many.

        Args:
            output: What processing it gave.
            chunk: The chunk.
            now_ms: When that was done, Unix ms.
        """
        counts = self._counts
        counts["records"] += len(output.time_ms) + sum(output.rejects.values())
        counts["bytes"] += payload_bytes(chunk.values)
        counts["late"] += output.late
        counts["evicted"] += output.evicted
        counts["expired"] += output.expired
        for reason, number in output.rejects.items():
            counts["rejected"] += number
            if reason in REJECTED:
                counts[REJECTED[reason]] += number
        if len(output.time_ms):
            waited_ms = output.appended_ms - output.time_ms
            counts["ahead"] += int(np.count_nonzero(waited_ms < 0))
            self._latencies[0] += bucket_counts(waited_ms)
            self._latencies[1] += bucket_counts(now_ms - output.appended_ms)

    def alerted(self, alerts: Sequence[Alert], detected_ms: int) -> None:
        """Count alerts that were raised; ``detected_ms`` is the time of detection that they carry, Unix ms."""
        if not alerts:
            return
        self._counts["alerts"] += len(alerts)
        times_ms = np.array([(alert.event_time_ms, alert.appended_ms) for alert in alerts], np.int64)
        for row, moments_ms in zip((2, 3), times_ms.T, strict=True):
            self._latencies[row] += bucket_counts(detected_ms - moments_ms)

    def drain(self, now_ms: int) -> bytes | None:
        """What happened since the last call as one event, at ``now_ms``; ``None`` when nothing happened."""
        if not self._counts["records"] and not self._counts["alerts"]:
            return None
        values: dict[str, object] = {"worker": self._worker, **self._counts}
        values.update(zip(HISTOGRAMS, self._latencies, strict=True))
        peaks = quantile(self._latencies, 0.99)
        # orjson writes NaN, the percentile of an empty histogram, as null; a maximum with NaN is NaN.
        values.update(zip(PEAKS, peaks.tolist(), strict=True))
        values["slow_ms"] = float(np.maximum(peaks[1], SLOW_MS))
        event = encode_event(self._source, now_ms, values)
        self._reset()
        return event
