"""What a run came to: how often what was wrong, with examples."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_MOST_EXAMPLES = 5


@dataclass(slots=True)
class Verdict:
    """How often what was wrong; all zero when nothing was.

    Args:
        records: In the source topic.
        alerts: Expected.
        facts: More of what was found, for the summary.
        lost: Expected and not there, of any kind.
        repeated: There once too often.
        unexpected: There and not expected.
        wrong_totals: Closed windows, repartitioned clocks, health counters with other values.
        wrong_state: Open windows and counters of shards with other values, or missing, or too many.
        wrong_alerts: Alerts with other facts or evidence.
        stuck_partitions: Partitions whose position is not at the end.
        examples: Some of each, as sentences.
    """

    records: int = 0
    alerts: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    lost: int = 0
    repeated: int = 0
    unexpected: int = 0
    wrong_totals: int = 0
    wrong_state: int = 0
    wrong_alerts: int = 0
    stuck_partitions: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing was wrong."""
        faults = (self.lost, self.repeated, self.unexpected, self.wrong_totals, self.wrong_state, self.wrong_alerts)
        return not any((*faults, self.stuck_partitions))

    def compare(
        self, what: str, expected: Mapping[Any, Any], found: Iterable[tuple[Hashable, Any]], wrong: str
    ) -> None:
        """Each expected key must be found exactly once, with its value; other values count under ``wrong``.

        So do missing and surplus rows of a state, which is no list of events.
        """
        times: Counter[Hashable] = Counter()
        for key, value in found:
            times[key] += 1
            if key in expected and value != expected[key]:
                self._count(wrong, f"{what} {key}: found {_facts(value, expected[key])}")
        is_state = wrong == "wrong_state"
        for key in expected.keys() - times.keys():
            self._count(wrong if is_state else "lost", f"{what} {key} is missing: {expected[key]}")
        for key, count in times.items():
            if key not in expected:
                self._count(wrong if is_state else "unexpected", f"{what} {key} should not be there")
            if count > 1:
                self._count("repeated", f"{what} {key} stands there {count} times", count - 1)

    def equal(self, what: str, expected: Any, found: Any, wrong: str) -> None:
        """One value."""
        if expected != found:
            self._count(wrong, f"{what}: found {_facts(found, expected)}")

    def _count(self, kind: str, example: str, times: int = 1) -> None:
        setattr(self, kind, getattr(self, kind) + times)
        if sum(line.startswith(f"{kind}: ") for line in self.examples) < _MOST_EXAMPLES:
            self.examples.append(f"{kind}: {example}")


def _facts(found: Any, expected: Any) -> str:
    """What differs."""
    if not isinstance(found, dict) or not isinstance(expected, dict):
        return f"{found}, expected {expected}"
    names = [name for name in {**expected, **found} if found.get(name) != expected.get(name)]
    return ", ".join(f"{name} {found.get(name)}, expected {expected.get(name)}" for name in names)
