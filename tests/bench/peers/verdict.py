"""What the alerts of a run say: whether they are right, and how fast the payments were processed.

The broker stamps each alert as it is appended, whatever engine sends it, and brute force knows which payment raised it.
So each alert says: by this moment, this partition was processed up to there. The rate is that of the payments between
the first alert and the last one, which lie within a thousand payments of the first payment and the last.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.bench.peers.reference import Alert, Place

_APART_MS = 200


class Stamped(NamedTuple):
    """An alert as read back, and when the broker appended it, Unix ms."""

    alert: Alert
    appended_ms: int


class Progress(NamedTuple):
    """How many payments were processed by a moment."""

    at_ms: int
    processed: int


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
    steps = progress(found, expected)
    return Verdict(
        per_s=rate(steps),
        warm_per_s=rate(last_quarter(steps)),
        processed=steps[-1].processed - steps[0].processed,
        exact=exact,
        missing=len(expected) - exact,
        extra=len(found) - exact,
    )


def progress(found: Iterable[Stamped], expected: Mapping[Alert, Place]) -> list[Progress]:
    """Payments processed by each moment at which an alert was appended, oldest first."""
    # A wrong sum is a wrong alert, but its window still says where the engine was.
    places = {(alert.account, alert.window_start_ms): place for alert, place in expected.items()}
    upto: dict[int, int] = {}
    steps: list[Progress] = []
    for alert, at_ms in sorted(found, key=lambda each: each.appended_ms):
        place = places.get((alert.account, alert.window_start_ms))
        if place is None:
            continue
        upto[place.partition] = max(upto.get(place.partition, 0), place.offset + 1)
        if steps and steps[-1].at_ms == at_ms:
            steps.pop()
        steps.append(Progress(at_ms, sum(upto.values())))
    return steps


def last_quarter(steps: Sequence[Progress]) -> Sequence[Progress]:
    """The steps from the last one by which no more than three quarters were processed.

    It lies a while before the end: alerts that were committed together say nothing of the time between them.
    """
    if not steps:
        return steps
    end, bound = steps[-1], steps[-1].processed * 3 / 4
    early = [step.processed <= bound and step.at_ms <= end.at_ms - _APART_MS for step in steps]
    return steps[max(0, sum(early) - 1) :]


def rate(steps: Sequence[Progress]) -> float:
    """Payments a second from the first step to the last."""
    if len(steps) < 2 or steps[-1].at_ms == steps[0].at_ms:
        raise ValueError(f"a rate needs two alerts with time between them, found {len(steps)} moments with alerts")
    return (steps[-1].processed - steps[0].processed) / (steps[-1].at_ms - steps[0].at_ms) * 1_000
