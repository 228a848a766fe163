"""The newest alerts by id, bounded."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from agents.events import Alert


class KeptAlert(NamedTuple):
    """An alert as read from its topic; ``number`` counts arrivals and only grows."""

    number: int
    alert: Alert
    detected_ms: int
    why: str


class AlertFilter(NamedTuple):
    """Which alerts to show; an empty set or text lets all pass, ``text`` may stand in key, rule or explanation."""

    rules: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()
    text: str = ""

    def passes(self, kept: KeptAlert) -> bool:
        """Does this alert belong to the choice?"""
        alert = kept.alert
        if self.rules and alert.rule not in self.rules:
            return False
        if self.severities and alert.severity not in self.severities:
            return False
        word = self.text.casefold()
        return not word or word in f"{alert.key}\n{alert.rule}\n{kept.why}".casefold()


class AlertRing:
    """Keep the newest alerts; a repeat of one that is kept is dropped.

    Args:
        capacity: Most alerts kept; the one that came first goes first. Ids are remembered eight times as long, so
            that a repeat of an alert just let go is known too.

    Cost: about 2 kB an alert kept, O(1) to add.
    """

    def __init__(self, *, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self._capacity = capacity
        self._kept: OrderedDict[str, KeptAlert] = OrderedDict()
        self._seen: set[str] = set()
        self._seen_order: deque[str] = deque()
        self.newest = 0
        self.repeats = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, alert: Alert, detected_ms: int, why: str) -> bool:
        """Keep an alert; ``False`` if it is a repeat."""
        if alert.id in self._seen:
            self.repeats += 1
            return False
        self.newest += 1
        self._kept[alert.id] = KeptAlert(self.newest, alert, detected_ms, why)
        self._seen.add(alert.id)
        self._seen_order.append(alert.id)
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        if len(self._seen_order) > 8 * self._capacity:
            self._seen.discard(self._seen_order.popleft())
        return True

    def get(self, alert_id: str) -> KeptAlert | None:
        """The alert of that id, if it is kept."""
        return self._kept.get(alert_id)

    def newest_first(self, chosen: AlertFilter | None = None, *, before: int | None = None) -> Iterator[KeptAlert]:
        """Alerts that pass, newest first, of those that came before number ``before``."""
        for kept in reversed(self._kept.values()):
            if (before is None or kept.number < before) and (chosen is None or chosen.passes(kept)):
                yield kept

    def page(self, chosen: AlertFilter, *, limit: int, before: int | None = None) -> list[KeptAlert]:
        """At most ``limit`` alerts that pass, newest first."""
        return list(islice(self.newest_first(chosen, before=before), limit))

    def rules(self) -> dict[str, int]:
        """Rules of the kept alerts and how often each fired, busiest first."""
        counts: dict[str, int] = {}
        for kept in self._kept.values():
            counts[kept.alert.rule] = counts.get(kept.alert.rule, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def is_full_since(self, detected_ms: int) -> bool:
        """Whether alerts detected after a time may have been let go already, so that counts are too low."""
        if len(self._kept) < self._capacity:
            return False
        return next(iter(self._kept.values())).detected_ms >= detected_ms

    def count_since(self, detected_ms: int) -> dict[str, int]:
        """How many kept alerts of each severity were detected at or after a time."""
        counts: dict[str, int] = {}
        for kept in self._kept.values():
            if kept.detected_ms >= detected_ms:
                counts[kept.alert.severity] = counts.get(kept.alert.severity, 0) + 1
        return counts
