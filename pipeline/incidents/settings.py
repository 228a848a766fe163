"""``[incidents]``: how alerts are grouped, told and folded. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, kw_only=True, slots=True)
class Maintenance:
    """A time in which alerts are recorded and nobody is told: once, or each day.

    Args:
        reason: Why, for people.
        rule: Only alerts of this rule; ``None`` for all.
        key: Only alerts of this key; ``None`` for all.
        from_ms: Start, inclusive: Unix ms, or ms after midnight UTC if ``daily``.
        until_ms: End, exclusive, likewise; a daily one that ends before it starts goes on over midnight.
        daily: Whether it comes each day.
        days: On which days a daily one starts; 0 is Monday.
    """

    reason: str
    rule: str | None = None
    key: str | None = None
    from_ms: int
    until_ms: int
    daily: bool = False
    days: frozenset[int] = EVERY_DAY

    def ends_ms(self, now_ms: int) -> int | None:
        """When the window that ``now_ms`` lies in ends; ``None`` outside.

        >>> night = Maintenance(reason="backup", from_ms=23 * HOUR_MS, until_ms=HOUR_MS, daily=True)
        >>> night.ends_ms(22 * HOUR_MS), night.ends_ms(23 * HOUR_MS) == DAY_MS + HOUR_MS, night.ends_ms(HOUR_MS)
        (None, True, None)
        """
        if not self.daily:
            return self.until_ms if self.from_ms <= now_ms < self.until_ms else None
        length_ms = (self.until_ms - self.from_ms) % DAY_MS or DAY_MS
        today = now_ms // DAY_MS
        for day in (today, today - 1):
            start_ms = day * DAY_MS + self.from_ms
            if (day + 3) % 7 in self.days and start_ms <= now_ms < start_ms + length_ms:  # day 0 was a Thursday
                return start_ms + length_ms
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class IncidentSettings:
    """How alerts become incidents.

    Args:
        group_by: What the alerts of an incident have in common: ``rule``, ``key``, ``stream``, ``table``,
            ``partition``, or a value of the alert such as ``device``.
        hold_ms: How long an incident's rule must not fire until it is resolved by itself; at least twice the rule's
            own cool-down counts, for a rule that rests says nothing.
        longest_ms: A condition whose end is told (an episode of a series detector) keeps its incident open, but not for
            longer than that without an alert: the end of a series that fell silent is never told.
        reopen_ms: An alert that comes so soon after the end continues the old incident, which must then be quiet for
            twice as long as before (hysteresis), up to eight times ``hold_ms``.
        cooldown_ms: Least time between two notices of an incident that goes on; a rise of severity breaks it.
        keep_ms: How long a resolved incident is kept in the state.
        remember_ms: How long ids of alerts and commands are remembered to drop repeats.
        remember: How many of them at most; the oldest are forgotten, looked at each minute.
        max_age_ms: An alert detected longer ago than that is remembered, but opens nothing.
        storm_limit: As many alerts of a rule within ``storm_window_ms`` are a storm; fewer than half end it.
        storm_window_ms: See there.
        maintenance: Times in which nobody is told.
        rests_ms: Cool-down of each rule.
    """

    group_by: tuple[str, ...] = ("rule", "key")
    hold_ms: int = 15 * MINUTE_MS
    longest_ms: int = DAY_MS
    reopen_ms: int = 15 * MINUTE_MS
    cooldown_ms: int = HOUR_MS
    keep_ms: int = DAY_MS
    remember_ms: int = 7 * DAY_MS
    remember: int = 100_000
    max_age_ms: int = HOUR_MS
    storm_limit: int = 50
    storm_window_ms: int = MINUTE_MS
    maintenance: tuple[Maintenance, ...] = ()
    rests_ms: Mapping[str, int] = field(default_factory=dict)

    def hold_of(self, rule: str) -> int:
        """How long ``rule`` must not fire until its incidents are resolved."""
        return max(self.hold_ms, 2 * self.rests_ms.get(rule, 0))
