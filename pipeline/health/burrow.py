"""Does a consumer keep up with a partition? Burrow's rules over a window of observations; no thresholds on lag.

In order, the first that holds decides:

====== ========================================================================================================
OK     nothing waits now
REWIND the position went back within the window and hasn't reached again where it was
OK     at some point of the window nothing waited; or the window is too short for an opinion
STOP   since the last commit more time has passed than between the first and the last commit of the window
STALL  commits come, but the position doesn't move
WARN   the position moves, but the lag never shrank and has grown
OK     none of these
====== ========================================================================================================

A quiet partition is OK although nothing is ever committed: nothing waits.

Where Burrow differs: its window is a number of commits, this one a length of time, for commits are seen by looking now
and then; it also warns of a lag that stays the same, which is what a steady stream looks like between two commits.

Reference: LinkedIn Burrow, wiki page "Consumer Lag Evaluation Rules"; core/internal/evaluator/caching.go; pull request
716 for a rewind after a lag of zero.
"""

from collections.abc import Sequence
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple


class Status(IntEnum):
    """How a consumer does on a partition; the order is that of Burrow's severity."""

    OK = 0
    WARN = 1
    STALL = 2
    STOP = 3
    REWIND = 4


class Observation(NamedTuple):
    """A partition as a group left it, seen at one moment.

    ``committed`` is the position, ``committed_ms`` when it was written; both ``None`` when there was never a commit,
    and the latter where that is not told.
    ``lag`` is how many records wait behind it; 0 when no record can be read there, whatever the offsets say.
    """

    time_ms: int
    committed: int | None
    committed_ms: int | None
    lag: int


class Verdict(NamedTuple):
    """A status, and a sentence that says why."""

    status: Status
    reason: str


def evaluate(window: Sequence[Observation], now_ms: int, least_ms: int) -> Verdict:
    """Apply the rules.

    Args:
        window: Observations, oldest first, at increasing times.
        now_ms: The moment of judging, Unix ms.
        least_ms: A window shorter than this, and a silence shorter than this, mean nothing: several commit intervals.

    Cost: a pass over the window for each rule.
    """
    if not window:
        return Verdict(Status.OK, "not looked at yet")
    last = window[-1]
    if last.lag <= 0:
        return Verdict(Status.OK, "nothing waits")
    rewind = _rewind(window)
    if rewind is not None:
        return rewind
    if any(seen.lag <= 0 for seen in window):
        return Verdict(Status.OK, f"caught up within the last {_seconds(now_ms - window[0].time_ms)}")
    span_ms = last.time_ms - window[0].time_ms
    if span_ms < least_ms:
        return Verdict(Status.OK, f"watched for {_seconds(span_ms)} only, an opinion takes {_seconds(least_ms)}")
    return _stop(window, now_ms, least_ms) or _stall(window) or _warn(window) or _keeps_up(window)


def _seconds(span_ms: int) -> str:
    return f"{max(span_ms, 0) / 1_000:.1f} s"


def _rewind(window: Sequence[Observation]) -> Verdict | None:
    highest, back = -1, None
    for seen in window:
        if seen.committed is not None:
            if seen.committed < highest and back is None:
                back = seen.committed
            highest = max(highest, seen.committed)
    now_at = window[-1].committed
    if now_at is None or now_at >= highest:
        return None
    return Verdict(Status.REWIND, f"the position went back from {highest} to {back}, and is at {now_at} now")


def _stop(window: Sequence[Observation], now_ms: int, least_ms: int) -> Verdict | None:
    last = window[-1]
    if last.committed is None:
        return Verdict(Status.STOP, f"{last.lag} records wait and nothing was ever committed")
    if last.committed_ms is None:
        return None
    first_ms = next(seen.committed_ms for seen in window if seen.committed_ms is not None)
    silence_ms = now_ms - last.committed_ms
    if silence_ms <= max(last.committed_ms - first_ms, least_ms):
        return None
    return Verdict(Status.STOP, f"{last.lag} records wait and the last commit was {_seconds(silence_ms)} ago")


def _stall(window: Sequence[Observation]) -> Verdict | None:
    first, last = window[0], window[-1]
    if any(seen.committed != last.committed for seen in window):
        return None
    span = _seconds(last.time_ms - first.time_ms)
    return Verdict(Status.STALL, f"{last.lag} records wait and the position stands at {last.committed} for {span}")


def _warn(window: Sequence[Observation]) -> Verdict | None:
    lags = [seen.lag for seen in window]
    if lags[-1] <= lags[0] or any(after < before for before, after in pairwise(lags)):
        return None
    span = _seconds(window[-1].time_ms - window[0].time_ms)
    return Verdict(Status.WARN, f"the lag only grew, from {lags[0]} to {lags[-1]} records in {span}")


def _keeps_up(window: Sequence[Observation]) -> Verdict:
    first, last = window[0], window[-1]
    moved = (last.committed or 0) - (first.committed or 0)
    return Verdict(Status.OK, f"moved by {moved} records in {_seconds(last.time_ms - first.time_ms)}")
