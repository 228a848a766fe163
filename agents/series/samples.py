"""Where samples of series come from, and what is said of them besides alerts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.events import Batch, Headers, RecordRef

Int64 = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRefs:
    """Where samples come from, as columns of length ``n``; only those of alerts are ever looked at one by one.

    Args:
        stream: Stream of the source records.
        topic: Topic in which they stand.
        partition: Of ``topic``, shape ``(n,)``.
        offsets: In ``topic``, shape ``(n,)``; for a closed window that of the record that closed it.
        appended_ms: Append times of the source records, Unix ms, shape ``(n,)``.
        window_start_ms: Start of the time that a sample stands for, inclusive, Unix ms, shape ``(n,)``.
        window_end_ms: Its end, exclusive, Unix ms, shape ``(n,)``.
        ids: The records' own ids; ``None`` if they have none.
        headers: Headers of each record; ``None`` when no record has any.
    """

    stream: str
    topic: str
    partition: Int64
    offsets: Int64
    appended_ms: Int64
    window_start_ms: Int64
    window_end_ms: Int64
    ids: Sequence[str] | None = None
    headers: Sequence[Headers] | None = None

    @classmethod
    def of_batch(cls, batch: Batch, *, ids: Sequence[str] | None = None) -> "SampleRefs":
        """References to the records of a batch, each a sample of one moment."""
        return cls(
            stream=batch.stream,
            topic=batch.topic,
            partition=batch.partition,
            offsets=batch.offsets,
            appended_ms=batch.appended_ms,
            window_start_ms=batch.time_ms,
            window_end_ms=batch.time_ms + 1,
            ids=ids,
            headers=batch.headers,
        )

    def source(self, i: int) -> RecordRef:
        """The record of sample ``i``."""
        own = None if self.ids is None else self.ids[i]
        return RecordRef(self.topic, int(self.partition[i]), int(self.offsets[i]), own)

    def trace(self, i: int) -> str | None:
        """The ``traceparent`` header of sample ``i``."""
        headers = () if self.headers is None else self.headers[i]
        return next((value.decode("ascii", "replace") for name, value in headers if name == "traceparent"), None)


class Ending(NamedTuple):
    """An episode that had raised an alert is over.

    Args:
        at: Index of the sample that showed it, in its call.
        rule: Name of the detector.
        key: Name of the series.
        time_ms: Event time of the sample that showed it, Unix ms.
    """

    at: int
    rule: str
    key: str
    time_ms: int
