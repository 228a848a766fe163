"""The score of the Numenta Anomaly Benchmark (NAB): early detections count more, each false alarm costs a little.

A series has labelled windows in which something was wrong. Of the alarms within a window the earliest counts, the
more the earlier it is; a window without an alarm costs; each alarm outside costs less shortly after a window than far
from any. Alarms within the probation, when a detector may still learn, are not looked at.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class NabProfile:
    """What detections, false alarms and misses are worth.

    Args:
        hit: Worth of a window whose first sample raised an alarm.
        false: Cost of an alarm far from any window.
        miss: Cost of a window without an alarm.
    """

    hit: float = 1.0
    false: float = 0.11
    miss: float = 1.0


PROFILES: Final[Mapping[str, NabProfile]] = MappingProxyType(
    {"standard": NabProfile(), "low_fp": NabProfile(false=0.22), "low_fn": NabProfile(miss=2.0)}
)
"""NAB's profiles: standard, reward low false positive rate, reward low false negative rate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NabTally:
    """What happened in one or several series; tallies add up.

    Args:
        windows: Labelled windows.
        detected: Those with an alarm.
        hits: Sum of the detected windows' worth, each 0 to 1.
        false_alarms: Alarms outside of windows.
        false_cost: Sum of their cost, each 0 to 1.
    """

    windows: int = 0
    detected: int = 0
    hits: float = 0.0
    false_alarms: int = 0
    false_cost: float = 0.0

    def __add__(self, other: "NabTally") -> "NabTally":
        return NabTally(
            windows=self.windows + other.windows,
            detected=self.detected + other.detected,
            hits=self.hits + other.hits,
            false_alarms=self.false_alarms + other.false_alarms,
            false_cost=self.false_cost + other.false_cost,
        )


def probation(n: int) -> int:
    """How many first samples of a series of ``n`` are not scored: 15 %, at most 750."""
    return math.floor(0.15 * min(n, 5_000))


def tally(n: int, windows: Sequence[tuple[int, int]], alarms: ArrayLike) -> NabTally:
    """Count the alarms of one series.

    Args:
        n: Samples of the series.
        windows: First and last sample of each labelled window, both inclusive, in time order, not overlapping. One
            that ends within the probation is left out.
        alarms: Samples that raised an alarm, in any order.

    Returns:
        What they hit and missed.

    Raises:
        ValueError: If a window or an alarm lies outside of the series, or windows overlap.

    >>> tally(4000, [(2000, 2399)], [2000]).hits
    1.0
    >>> tally(4000, [(2000, 2399)], [100, 3900]).false_alarms
    1
    """
    at = np.unique(np.asarray(alarms, np.int64))
    if len(at) and not 0 <= at[0] <= at[-1] < n:
        raise ValueError(f"alarms lie at samples {at[0]} to {at[-1]}, expected 0 to {n - 1}")
    _check_windows(n, windows)
    first = probation(n)
    at = at[at >= first]
    result, outside = NabTally(), np.ones(len(at), np.bool_)
    for start, end in windows:
        inside = (at >= start) & (at <= end)
        outside &= ~inside
        if end < first:
            continue
        worth = _worth(int(at[inside][0]), start, end) if inside.any() else 0.0
        result += NabTally(windows=1, detected=int(inside.any()), hits=worth)
    cost = _false_cost(at[outside], windows)
    return result + NabTally(false_alarms=len(cost), false_cost=float(cost.sum()))


def nab_score(tallies: Iterable[NabTally], profile: NabProfile = PROFILES["standard"]) -> float:
    """The score of a detector over a set of series: 0 for one that never alarms, 100 for a perfect one.

    Args:
        tallies: One a series.
        profile: What is worth what.

    Returns:
        At most 100; negative when false alarms cost more than the detections are worth. NaN if no window is labelled.

    Reference: Lavin, Ahmad (2015), Evaluating real-time anomaly detection algorithms: the Numenta Anomaly Benchmark;
        Ahmad, Lavin, Purdy, Agha (2017), Unsupervised real-time anomaly detection for streaming data.

    >>> nab_score([tally(4000, [(2000, 2399)], [2000])])
    100.0
    >>> nab_score([tally(4000, [(2000, 2399)], [])])
    0.0
    """
    total = sum(tallies, NabTally())
    if total.windows == 0:
        return math.nan
    missed = total.windows - total.detected
    reached = profile.hit * total.hits - profile.false * total.false_cost - profile.miss * missed
    null, perfect = -profile.miss * total.windows, profile.hit * total.windows
    return 100.0 * (reached - null) / (perfect - null)


def _scaled_sigmoid(position: ArrayLike) -> NDArray[np.float64]:
    """NAB's weight of a sample by its position relative to a window: 0 at its end, -1 at its start, 1 one width on."""
    y = np.asarray(position, np.float64)
    return np.where(y > 3.0, -1.0, 2.0 / (1.0 + np.exp(np.minimum(5.0 * y, 700.0))) - 1.0)


def _worth(alarm: int, start: int, end: int) -> float:
    width = end - start + 1
    return float(_scaled_sigmoid(-(end - alarm + 1) / width) / _scaled_sigmoid(-1.0))


def _false_cost(alarms: NDArray[np.int64], windows: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """0 to 1 for each alarm: 1 before the first window and three widths after one, less in between."""
    ends = np.array([end for _, end in windows], np.int64)
    spans = np.array([max(end - start, 1) for start, end in windows], np.float64)  # NAB divides by the width less one
    before = np.searchsorted(ends, alarms) - 1
    cost = np.ones(len(alarms))
    known = before >= 0
    last = before[known]
    cost[known] = -_scaled_sigmoid((alarms[known] - ends[last]) / spans[last])
    return cost


def _check_windows(n: int, windows: Sequence[tuple[int, int]]) -> None:
    previous = -1
    for start, end in windows:
        if not previous < start <= end < n:
            raise ValueError(f"window {start} to {end} must begin after sample {previous} and end before sample {n}")
        previous = end
