"""What the alerts of a run say: whether they are right, and how fast the payments were processed.

The broker stamps each alert as it is appended, whatever engine sends it, and brute force knows which payment raised it.
So each alert says: by this moment, this partition was processed up to there. The rate is that of the payments between
the first alert and the last one, which lie within a thousand payments of the first payment and the last.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tests.bench.peers.reference import Alert, Place


class Stamped(NamedTuple):
    """An alert as read back, and when the broker appended it, Unix ms."""

    alert: Alert
    appended_ms: int


class Progress(NamedTuple):
    """How many payments were processed by a moment."""

    at_ms: float
    processed: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Of one run.

    Args:
        per_s: Payments a second from the first alert to the last.
        warm_per_s: The same for the last quarter.
        processed: Payments between the first alert and the last.
        exact: Alerts that are right to the cent.
        missing: That are not there.
        extra: That must not be there, or not once more.
    """

    per_s: float
    warm_per_s: float
    processed: int
    exact: int
    missing: int
    extra: int

    @property
    def is_right(self) -> bool:
        """Whether the alerts are those of brute force."""
        return not self.missing and not self.extra


def judge(found: Sequence[Stamped], expected: Mapping[Alert, Place]) -> Verdict:
    """Compare a run with brute force, and measure it.

    Raises:
        ValueError: If there are not two right alerts with time between them.
    """
    said = Counter(each.alert for each in found)
    exact = len(expected.keys() & said.keys())
    known = tracks(found, expected)
    steps = progress(known)
    return Verdict(
        per_s=rate(steps),
        warm_per_s=rate(last_quarter(known)),
        processed=int(steps[-1].processed - steps[0].processed),
        exact=exact,
        missing=len(expected) - exact,
        extra=len(found) - exact,
    )


def tracks(found: Iterable[Stamped], expected: Mapping[Alert, Place]) -> dict[int, list[Progress]]:
    """How far each partition was processed by each moment at which one of its alerts was appended, oldest first."""
    # A wrong sum is a wrong alert, but its window still says where the engine was.
    places = {(alert.account, alert.window_start_ms): place for alert, place in expected.items()}
    steps: dict[int, list[Progress]] = defaultdict(list)
    for alert, at_ms in sorted(found, key=lambda each: each.appended_ms):
        place = places.get((alert.account, alert.window_start_ms))
        if place is not None:
            own = steps[place.partition]
            upto = max(own[-1].processed if own else 0, place.offset + 1)
            if own and own[-1].at_ms == at_ms:
                own.pop()
            own.append(Progress(at_ms, upto))
    return steps


def progress(steps: Mapping[int, Sequence[Progress]]) -> list[Progress]:
    """Payments of all partitions that were processed for certain by each moment, oldest first."""
    moments = sorted({step.at_ms for own in steps.values() for step in own})
    upto = np.zeros(len(moments), np.int64)
    for own in steps.values():
        at_ms, processed = zip(*own, strict=True)
        upto += np.array([0, *processed])[np.searchsorted(at_ms, moments, side="right")]
    return list(map(Progress, moments, upto.tolist()))


def last_quarter(steps: Mapping[int, Sequence[Progress]]) -> list[Progress]:
    """Begin and end of the last quarter.

    Engines that commit rarely say seldom how far they are, and at another moment for each partition. What lies between
    two moments of a partition is taken to have been processed evenly.
    """
    total = progress(steps)
    if not total:
        return []
    moments = [step.at_ms for step in total]
    evenly = np.zeros(len(moments))
    for own in steps.values():
        evenly += np.interp(moments, *zip(*own, strict=True), left=0)
    bound = total[-1].processed * 3 / 4
    return [Progress(float(np.interp(bound, evenly, moments)), bound), total[-1]]


def rate(steps: Sequence[Progress]) -> float:
    """Payments a second from the first step to the last."""
    if len(steps) < 2 or steps[-1].at_ms == steps[0].at_ms:
        raise ValueError(f"a rate needs two alerts with time between them, found {len(steps)} moments with alerts")
    return (steps[-1].processed - steps[0].processed) / (steps[-1].at_ms - steps[0].at_ms) * 1_000
