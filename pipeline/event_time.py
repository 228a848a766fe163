"""Event times that can't be meant."""

import numpy as np

from agents.events import Int64
from agents.spec import StreamSpec


def absurd_times(stream: StreamSpec, time_ms: Int64, appended_ms: Int64) -> dict[int, str]:
    """Index of each absurd event time, and why it is: too early, or too far ahead, which would close every window.

    Args:
        stream: Says what is too early and too far ahead.
        time_ms: Event times, Unix ms, shape ``(n,)``, none beyond the year 9999.
        appended_ms: When the log took the records, Unix ms, shape ``(n,)``.

    Cost: three NumPy operations, and a sentence for each absurd time.
    """
    ahead_ms = time_ms - appended_ms
    (found,) = np.nonzero((ahead_ms > stream.max_ahead_ms) | (time_ms < stream.earliest_ms))
    return {at: _why(stream, int(time_ms[at]), int(ahead_ms[at])) for at in found.tolist()}


def _why(stream: StreamSpec, time_ms: int, ahead_ms: int) -> str:
    if time_ms >= stream.earliest_ms:
        return f"event time is {ahead_ms} ms after the append time, at most {stream.max_ahead_ms} ms are allowed"
    meant_ms = 1_000 * time_ms
    would_do = meant_ms >= stream.earliest_ms and meant_ms - time_ms + ahead_ms <= stream.max_ahead_ms
    hint = f"; these look like seconds, send {meant_ms}" if would_do else ""
    return f"event time is {time_ms}, expected milliseconds since 1970, at least {stream.earliest_ms}{hint}"
