"""Whether somebody is told about an incident, and what."""

from msgspec.structs import replace

from agents.spec import SEVERITIES
from pipeline.incidents.draft import Draft
from pipeline.incidents.model import Incident, Notice, NoticeKind, identity


def muted_until(draft: Draft, rule: str, key: str) -> int | None:
    """Until when nobody is told about a rule at a key; ``None`` if people are."""
    snoozes = [
        snooze.until_ms
        for snooze in draft.snoozes.values()
        if snooze.rule in (None, rule) and snooze.key in (None, key) and draft.now_ms < snooze.until_ms
    ]
    windows = [
        end_ms
        for window in draft.settings.maintenance
        if window.rule in (None, rule) and window.key in (None, key)
        if (end_ms := window.ends_ms(draft.now_ms)) is not None
    ]
    return max(snoozes + windows, default=None)


def wanted(draft: Draft, incident: Incident) -> NoticeKind | None:
    """What there is to tell about a live incident after an alert; ``None`` if its cool-down lasts.

    Who acknowledged an incident knows that it goes on, and is told only when it gets worse.
    """
    if incident.told_severity is None or incident.told_ms is None:
        return "opened"
    if SEVERITIES.index(incident.severity) > SEVERITIES.index(incident.told_severity):
        return "escalated"
    rested = draft.now_ms - incident.told_ms >= draft.settings.cooldown_ms
    return "updated" if rested and incident.state != "acknowledged" else None


def tell(draft: Draft, group: str, incident: Incident, kind: NoticeKind | None) -> None:
    """Note the incident, and with a ``kind`` tell people about it."""
    if kind is not None:
        number = incident.told
        incident = replace(
            incident,
            told=number + 1,
            told_ms=draft.now_ms,
            told_severity=max(incident.told_severity or "info", incident.severity, key=SEVERITIES.index),
        )
        draft.notices.append(
            Notice(
                id=identity(incident.id, str(number)),
                kind=kind,
                time_ms=draft.now_ms,
                severity=incident.severity,
                rule=incident.rule,
                key=incident.key,
                summary=_sentence(incident, kind),
                incident=incident,
            )
        )
    draft.set_incident(group, incident)


def _sentence(incident: Incident, kind: NoticeKind) -> str:
    times = "1 alert" if incident.count == 1 else f"{incident.count} alerts"
    by = f" by {incident.acknowledged_by}" if kind == "acknowledged" and incident.acknowledged_by else ""
    if kind == "resolved":
        by = f" by {incident.resolved_by}" if incident.resolved_by else " by itself"
    return f"{kind.capitalize()}{by}, {times}: {incident.why}"
