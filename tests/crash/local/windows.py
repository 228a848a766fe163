"""Windows, rules and evidence as their definitions say, record by record, in plain dictionaries."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

REACH, PACKED_REACH, CAP = 65_536, 4_096, 10
"""An alert names the newest ten records of its key among so many offsets before the one that fired."""

_BASELINE = -1  # a key's first value is never new
_OLD_MS = 120_000  # longer than any window, its grace, and the skew between source partitions


class Row(NamedTuple):
    """A record on its way into the tables of one shard.

    Args:
        key: Key of the tables.
        other: The field whose distinct values they count.
        country: Of the payment.
        ts: Event time.
        amount_cents: Of the payment.
        own_ms: Clock of the partition that it came from first, its own time included.
        head_ms: Clock of the partition that is read.
        position: Offset there.
    """

    key: str
    other: str
    country: str
    ts: int
    amount_cents: int
    own_ms: int
    head_ms: int
    position: int


@dataclass(slots=True)
class Cell:
    """What one window holds of one key."""

    n: int = 0
    spent: int = 0
    large: int = 0
    others: set[str] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Count a record."""
        self.n += 1
        self.spent += row.amount_cents
        self.large += row.amount_cents >= 8_000
        self.others.add(row.other)

    def values(self, names: tuple[str, ...]) -> dict[str, int]:
        """The measures of the table."""
        return {name: len(self.others) if name == "others" else getattr(self, name) for name in names}


@dataclass(slots=True)
class Tumbling:
    """A tumbling table: ``[start, start + size)``, closed once the clock has passed its end and the grace."""

    name: str
    size_ms: int
    grace_ms: int
    measures: tuple[str, ...] = ("n", "spent", "others")
    cells: dict[tuple[str, int], Cell] = field(default_factory=dict)
    open_from: int = 0

    def close(self, now_ms: int) -> None:
        """Windows whose end and grace lie at or before ``now_ms`` take no more records."""
        self.open_from = max(self.open_from, (now_ms - self.grace_ms) // self.size_ms * self.size_ms)

    def take(self, row: Row) -> tuple[int, Callable[[str], Any]] | None:
        """Count a record; the start of its window and its measures so far, or ``None`` when it is late."""
        start_ms = row.ts // self.size_ms * self.size_ms
        if row.ts < row.own_ms - self.grace_ms or start_ms < self.open_from:
            return None
        cell = self.cells.setdefault((row.key, start_ms), Cell())
        cell.add(row)
        return start_ms, lambda name: cell.values((name,))[name]

    def rows(self, *, closed: bool) -> Iterator[tuple[tuple[str, int], dict[str, int]]]:
        """Key, start and measures of all windows that were closed, or of those that are still open."""
        for (key, start_ms), cell in self.cells.items():
            if (start_ms < self.open_from) == closed:
                yield (key, start_ms), cell.values(self.measures)


@dataclass(slots=True)
class _Trail:
    """What a sliding table knows of one key."""

    panes: dict[int, Cell] = field(default_factory=lambda: defaultdict(Cell))
    swept: int = 0  # panes before this one are gone
    first_ms: dict[str, int] = field(default_factory=dict)  # when each country was first seen


@dataclass(slots=True)
class Sliding:
    """A sliding table: the panes up to the one that holds the clock."""

    name: str
    size_ms: int
    pane_ms: int
    grace_ms: int
    measures: tuple[str, ...] = ("n", "spent", "large", "others")
    head: int = 0
    trails: dict[str, _Trail] = field(default_factory=lambda: defaultdict(_Trail))

    @property
    def first(self) -> int:
        """The oldest pane in the window."""
        return self.head - self.size_ms // self.pane_ms + 1

    def close(self, now_ms: int) -> None:
        """Nothing is closed: the window slides."""

    def take(self, row: Row) -> tuple[int, Callable[[str], Any]] | None:
        """Count a record; the start of the window and its measures so far, or ``None`` when it is late."""
        self.head = max(self.head, row.head_ms // self.pane_ms)
        pane = row.ts // self.pane_ms
        if row.ts < row.own_ms - self.grace_ms or pane < self.first:
            return None
        trail = self.trails[row.key]
        trail.panes[pane].add(row)
        trail.first_ms.setdefault(row.country, row.ts if trail.first_ms else _BASELINE)
        start_ms = self.first * self.pane_ms

        def measure(name: str) -> Any:
            if name == "is_new(country)":
                return trail.first_ms[row.country] >= start_ms
            return self._total(trail, name)

        return start_ms, measure

    def _total(self, trail: _Trail, name: str) -> int:
        first = self.first
        if trail.swept < first:  # the clock only moves forward
            for pane in [pane for pane in trail.panes if pane < first]:
                del trail.panes[pane]
            trail.swept = first
        if name == "others":
            return len(set().union(*(cell.others for cell in trail.panes.values())))
        return sum(getattr(cell, name) for cell in trail.panes.values())

    def rows(self, *, closed: bool) -> Iterator[tuple[tuple[str, int], dict[str, int]]]:
        """Key, start and measures of the window as it stands."""
        for key, trail in {} if closed else self.trails.items():
            values = {name: self._total(trail, name) for name in self.measures}
            if values["n"]:
                yield (key, self.first * self.pane_ms), values


Table = Tumbling | Sliding


class Firing(NamedTuple):
    """A rule that fired: the bounds of the window, and what the condition read."""

    rule: str
    window_start_ms: int
    window_end_ms: int
    values: dict[str, Any]


@dataclass(slots=True)
class Rule:
    """A rule: at the first record of a key for which it is true, then once a window or after a rest.

    Args:
        name: As configured.
        table: Its table.
        limits: Measures and the least value of each, cheap ones first.
        rest_ms: Event time until it may fire again for the same key; ``None``: once a window.
        reads: Fields of the record that are evidence too.
    """

    name: str
    table: Table
    limits: Mapping[str, int]
    rest_ms: int | None
    reads: tuple[str, ...] = ()
    last: dict[tuple[str, int | None], int] = field(default_factory=dict)

    def check(self, row: Row, start_ms: int, measure: Callable[[str], Any]) -> Firing | None:
        """Whether the record ``row`` fires it."""
        key = (row.key, start_ms if self.rest_ms is None else None)
        if key in self.last and (self.rest_ms is None or row.ts < self.last[key] + self.rest_ms):
            return None
        if any(measure(name) < least for name, least in self.limits.items()):
            return None
        self.last[key] = row.ts
        values = {name: measure(name) for name in self.limits} | {name: getattr(row, name) for name in self.reads}
        return Firing(self.name, start_ms, start_ms + self.table.size_ms, values)


@dataclass(slots=True)
class Evidence:
    """The newest records of each key; lateness is judged as the table of the rule does.

    Args:
        reach: Among how many offsets before the one that fired they are looked for, and at most ``REACH`` records.
    """

    reach: int
    _taken: int = 0
    _recent: dict[str, deque[tuple[Row, Any, int]]] = field(default_factory=lambda: defaultdict(deque))

    def add(self, row: Row, origin: Any) -> None:
        """Take a record in."""
        recent = self._recent[row.key]
        self._taken += 1
        recent.append((row, origin, self._taken))
        while recent[0][0].head_ms < row.head_ms - _OLD_MS:
            recent.popleft()

    def of(self, row: Row, firing: Firing, grace_ms: int) -> list[Any]:
        """Where the records that contributed stood, oldest first."""
        found = [
            origin
            for past, origin, number in reversed(self._recent[row.key])
            if firing.window_start_ms <= past.ts < firing.window_end_ms
            and past.ts >= past.own_ms - grace_ms
            and past.position > row.position - self.reach
            and number > self._taken - REACH
        ]
        return found[:CAP][::-1]
