"""A state while a step changes it: what changed is noted, as records of the compacted topic."""

from typing import Final

from pipeline.incidents.model import (
    NEVER_MS,
    Clock,
    Incident,
    Notice,
    Record,
    Seen,
    Snoozed,
    State,
    Storm,
)
from pipeline.incidents.settings import IncidentSettings

CLOCK: Final = "clock"
_ENDED: Final = "ended/"
_INCIDENT, _SNOOZE, _STORM, _SEEN = "incident/", "snooze/", "storm/", "seen/"


class Draft:
    """The next state in the making. The state it starts from stays as it is.

    Args:
        state: Where the step starts.
        settings: The configuration.
    """

    def __init__(self, state: State, settings: IncidentSettings) -> None:
        self.settings = settings
        self.now_ms = state.now_ms
        self.incidents, self.snoozes, self.storms, self.seen = (
            state.incidents,
            state.snoozes,
            state.storms,
            state.seen,
        )
        self.next_ms = state.next_ms
        self.changes: dict[str, Record | None] = {}
        self.notices: list[Notice] = []

    def state(self) -> State:
        """The state as it is now."""
        return State(
            now_ms=self.now_ms,
            incidents=self.incidents,
            snoozes=self.snoozes,
            storms=self.storms,
            seen=self.seen,
            next_ms=self.next_ms,
        )

    def move_to(self, now_ms: int) -> None:
        """Let time go on."""
        if now_ms != self.now_ms:
            self.now_ms = now_ms
            self.changes[CLOCK] = Clock(now_ms)

    def set_incident(self, group: str, incident: Incident | None) -> None:
        """Note the newest incident of a group; ``None`` forgets it."""
        self.changes[_INCIDENT + group] = incident
        if incident is None:
            self.incidents = self.incidents.discard(group)
        else:
            self.incidents = self.incidents.insert(group, incident)
            self._await(incident_ends_ms(incident, self.settings))

    def set_snooze(self, name: str, snooze: Snoozed | None) -> None:
        """Note a snooze; ``None`` ends it."""
        self.changes[_SNOOZE + name] = snooze
        if snooze is None:
            self.snoozes = self.snoozes.discard(name)
        else:
            self.snoozes = self.snoozes.insert(name, snooze)
            self._await(snooze.until_ms)

    def set_storm(self, rule: str, storm: Storm | None) -> None:
        """Note the newest alerts of a rule; ``None`` forgets them."""
        self.changes[_STORM + rule] = storm
        if storm is None:
            self.storms = self.storms.discard(rule)
        else:
            self.storms = self.storms.insert(rule, storm)
            self._await(storm_ends_ms(storm, self.settings))

    def remember(self, name: str) -> bool:
        """Note that an alert or command was taken in; whether it is the first time."""
        if name in self.seen:
            return False
        self.changes[_SEEN + name] = Seen(self.now_ms)
        self.seen = self.seen.insert(name, self.now_ms)
        return True

    def note_end(self, name: str, time_ms: int) -> None:
        """Note that a condition had ended at an event time."""
        name = _ENDED + name
        if time_ms > self.seen.get(name, -1):
            self.changes[_SEEN + name] = Seen(time_ms)
            self.seen = self.seen.insert(name, time_ms)

    def has_ended(self, name: str, since_ms: int) -> bool:
        """Whether a condition that held at an event time is known to have ended."""
        return bool(self.seen.get(_ENDED + name, -1) >= since_ms)

    def forget(self, name: str) -> None:
        """Take a repeat for new from now on."""
        self.changes[_SEEN + name] = None
        self.seen = self.seen.discard(name)

    def look_ahead(self) -> None:
        """Find out exactly when something happens by itself next."""
        self.next_ms = NEVER_MS
        for incident in self.incidents.values():
            self._await(incident_ends_ms(incident, self.settings))
        for snooze in self.snoozes.values():
            self._await(snooze.until_ms)
        for storm in self.storms.values():
            self._await(storm_ends_ms(storm, self.settings))

    def load(self, key: str, record: Record) -> None:
        """Take in a record of the topic, for restoring."""
        match record:
            case Clock():
                self.now_ms = record.now_ms
            case Incident():
                self.incidents = self.incidents.insert(key.removeprefix(_INCIDENT), record)
            case Snoozed():
                self.snoozes = self.snoozes.insert(key.removeprefix(_SNOOZE), record)
            case Storm():
                self.storms = self.storms.insert(key.removeprefix(_STORM), record)
            case Seen():
                self.seen = self.seen.insert(key.removeprefix(_SEEN), record.at_ms)

    def _await(self, time_ms: int) -> None:
        self.next_ms = min(self.next_ms, time_ms)


def incident_ends_ms(incident: Incident, settings: IncidentSettings) -> int:
    """When something happens to an incident by itself."""
    if incident.resolved_ms is not None:
        return incident.resolved_ms + max(settings.keep_ms, settings.reopen_ms + 1)
    if incident.lasting:
        quiet_ms = incident.last_alert_ms + max(incident.hold_ms, settings.longest_ms)
    else:
        quiet_ms = max(incident.last_alert_ms, incident.ended_ms or 0) + incident.hold_ms
    return quiet_ms if incident.muted_until_ms is None else min(quiet_ms, incident.muted_until_ms)


def storm_ends_ms(storm: Storm, settings: IncidentSettings) -> int:
    """When a storm ends, or the alerts of a rule lie too far back for one."""
    at = 1 if storm.began_ms is None else max(1, settings.storm_limit // 2)
    return storm.times_ms[-min(at, len(storm.times_ms))] + settings.storm_window_ms
