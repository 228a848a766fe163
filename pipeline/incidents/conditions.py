"""Conditions that hold for a while and whose end is told: episodes of series detectors."""

from typing import Final

from msgspec.structs import replace

from pipeline.incidents.draft import Draft
from pipeline.incidents.events import Ended, Raised

_MOST: Final = 100


def lasting(draft: Draft, before: dict[str, int], alert: Raised) -> dict[str, int]:
    """What holds of an incident after an alert: conditions, and since which event time each does."""
    name = _condition(alert)
    is_known = name in before and before[name] >= alert.event_ms
    if not alert.lasting or is_known or len(before) >= _MOST or draft.has_ended(name, alert.event_ms):
        return before
    return {**before, name: alert.event_ms}


def end(draft: Draft, event: Ended) -> None:
    """A condition holds no longer; incidents of which it was the last one are over once they were quiet for long."""
    name = _condition(event)
    draft.note_end(name, event.time_ms)
    for group, incident in sorted(draft.incidents.items()):
        if incident.lasting.get(name, event.time_ms + 1) <= event.time_ms:
            left = {each: since_ms for each, since_ms in incident.lasting.items() if each != name}
            draft.set_incident(group, replace(incident, lasting=left, ended_ms=draft.now_ms))


def _condition(event: Raised | Ended) -> str:
    return f"{event.rule} at {event.key}"
