"""Samples a group's lag at intervals: in records, in time, its rates, when it will be gone, and Burrow's status."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agents.events import TopicPartition
from pipeline.health.burrow import Status, evaluate
from pipeline.health.events import BUSY_PER_S, encode_event
from pipeline.health.look import Look, look
from pipeline.log.api import Log

NEVER: Final = -1
"""The ETA of a lag that does not shrink at the present pace."""
_RATE_MS: Final = 10_000
_LEAST_RATE_MS: Final = 500
_LEAST_WINDOW_MS: Final = 15_000
_COMMITS_PER_WINDOW: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class LagSample:
    """What waits in one partition.

    Args:
        source: The partition.
        time_ms: When, Unix ms.
        lag_records: Records not yet covered by a commit.
        lag_processed: Records not yet processed.
        lag_ms: True lag: age of the next unprocessed record, 0 when there is none.
        produce_per_s: Records appended a second; ``None`` until there are two looks.
        consume_per_s: Records processed a second; ``None`` until there are two looks.
        eta_ms: When the lag will be gone at this pace, ``NEVER`` if never, ``None`` while the pace is unknown.
        status: After Burrow's rules.
        reason: Why this status.
    """

    source: TopicPartition
    time_ms: int
    lag_records: int
    lag_processed: int
    lag_ms: int
    produce_per_s: float | None
    consume_per_s: float | None
    eta_ms: int | None
    status: Status
    reason: str

    def encode(self) -> bytes:
        """As a health event."""
        return encode_event(
            self.source,
            self.time_ms,
            {
                "lag_records": self.lag_records,
                "lag_processed": self.lag_processed,
                "lag_ms": self.lag_ms,
                "produce_per_s": self.produce_per_s,
                "busy_per_s": None if self.produce_per_s is None else max(self.produce_per_s, BUSY_PER_S),
                "consume_per_s": self.consume_per_s,
                "eta_ms": self.eta_ms,
                "status": int(self.status),
                "reason": self.reason,
            },
        )


class LagSampler:
    """Keeps the looks of a short window, from which rates and status follow.

    One sampler serves all partitions of a group: whoever owns the health partition runs it, about once a second, also
    for partitions that other workers own or nobody does.

    Args:
        commit_ms: Longest time between two commits of a healthy worker; the window for the status spans ten of them,
            and at least 15 s. No status but OK comes before two thirds of the window are seen.

    Raises:
        ValueError: If ``commit_ms`` is not positive.

    Cost: a look at the log for each sample; memory for the looks of one window.
    """

    def __init__(self, *, commit_ms: int) -> None:
        if commit_ms <= 0:
            raise ValueError(f"commit_ms must be positive, got {commit_ms}")
        self._window_ms = max(_LEAST_WINDOW_MS, _COMMITS_PER_WINDOW * commit_ms)
        self._windows: dict[TopicPartition, deque[Look]] = {}

    async def sample(
        self,
        log: Log,
        group: str,
        topics: Collection[str],
        now_ms: int,
        processed: Mapping[TopicPartition, int] | None = None,
    ) -> list[bytes]:
        """Look at the log now and return one health event for each partition.

        Args:
            log: The log.
            group: The consumer group.
            topics: What it consumes.
            now_ms: This moment, Unix ms.
            processed: Next offset to process of the partitions that this worker owns.

        Raises:
            UnknownTopicError: If a topic doesn't exist.
        """
        looks = await look(log, group, topics, now_ms, processed)
        return [lag.encode() for lag in self.measure(looks)]

    def measure(self, looks: Iterable[Look]) -> list[LagSample]:
        """The same from looks at hand; partitions that were not looked at are forgotten."""
        windows: dict[TopicPartition, deque[Look]] = {}
        for seen in looks:
            window = self._windows.get(seen.source, deque())
            # A topic that was made anew, or a clock set back: what was seen before is of another world.
            if window and (seen.end < window[-1].end or seen.time_ms <= window[-1].time_ms):
                window.clear()
            window.append(seen)
            while window[0].time_ms < seen.time_ms - self._window_ms:
                window.popleft()
            windows[seen.source] = window
        self._windows = windows
        return [self._sample(window) for window in windows.values()]

    def _sample(self, window: Sequence[Look]) -> LagSample:
        seen = window[-1]
        before = next(earlier for earlier in window if earlier.time_ms >= seen.time_ms - _RATE_MS)
        span_ms = seen.time_ms - before.time_ms
        produced, consumed = rates(span_ms, seen.end - before.end, seen.position - before.position)
        verdict = evaluate([each.observation for each in window], seen.time_ms, self._window_ms * 2 // 3)
        return LagSample(
            source=seen.source,
            time_ms=seen.time_ms,
            lag_records=seen.lag_records,
            lag_processed=seen.lag_processed,
            lag_ms=seen.lag_ms,
            produce_per_s=produced,
            consume_per_s=consumed,
            eta_ms=eta_ms(seen.lag_processed, produced, consumed),
            status=verdict.status,
            reason=verdict.reason,
        )


def rates(span_ms: int, produced: int, consumed: int) -> tuple[float | None, float | None]:
    """Records produced and consumed a second; ``None`` when the two looks were less than half a second apart."""
    if span_ms < _LEAST_RATE_MS:
        return None, None
    # A position that went back has consumed nothing.
    return 1_000 * max(produced, 0) / span_ms, 1_000 * max(consumed, 0) / span_ms


def eta_ms(lag: int, produce_per_s: float | None, consume_per_s: float | None) -> int | None:
    """Milliseconds until ``lag`` records are worked off at this pace; ``NEVER``, or ``None`` for an unknown pace."""
    if lag == 0:
        return 0
    if produce_per_s is None or consume_per_s is None:
        return None
    if consume_per_s <= produce_per_s:
        return NEVER
    return round(1_000 * lag / (consume_per_s - produce_per_s))
