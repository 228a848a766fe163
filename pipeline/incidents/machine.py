"""The life of incidents as a state machine: ``(state, event, time) -> (state, outputs)``.

::

                 alert                    acknowledge
    (nothing) ─────────▶ open ─▶ updated ─────────────▶ acknowledged
                           │        ▲  ▲                  │     │
                           │        │  └── gets worse ────┘     │
                           ▼        │ alert, soon enough        ▼
                           └───▶ resolved ◀─────────────────────┘
          no condition holds and no alert came for the hold time, or a person says so

What happens by itself (an end, a snooze that expires) happens at its own time, before an event that comes later: it
does not matter whether ticks came meanwhile. Equal events at equal times give equal states, ids and notices.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson
from msgspec.structs import replace

from agents.spec import SEVERITIES
from pipeline.incidents import conditions, storms
from pipeline.incidents.draft import Draft, incident_ends_ms, storm_ends_ms
from pipeline.incidents.events import Acknowledge, Ended, Event, Raised, Resolve, Snooze, Tick, Unsnooze
from pipeline.incidents.model import Incident, Notice, Record, Scalar, Snoozed, State, identity
from pipeline.incidents.settings import MINUTE_MS, IncidentSettings
from pipeline.incidents.telling import muted_until, tell, wanted

_ALERTS = 10
_MOST_HOLDS = 8
_OWN = ("rule", "key", "stream", "table", "partition")
_Due = tuple[int, int, str]
_SNOOZE, _STORM, _INCIDENT = range(3)  # the order of what happens at the same time


@dataclass(frozen=True, kw_only=True, slots=True)
class Outputs:
    """What a step gave.

    Args:
        changes: Records of the compacted topic; ``None`` is a tombstone.
        notices: What people are to be told, in order.
        refused: Why a command could not be done.
    """

    changes: dict[str, Record | None] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    refused: str | None = None


def step(state: State, event: Event, time_ms: int, settings: IncidentSettings) -> tuple[State, Outputs]:
    """Take in an event.

    Args:
        state: What was known before; stays as it is.
        event: What came.
        time_ms: When it came, Unix ms; a time before that of the event before counts as that.
        settings: The configuration.

    Cost: about 50 us; in proportion to what is known once a minute, or when something happens by itself.
    """
    draft = Draft(state, settings)
    _advance(draft, max(state.now_ms, time_ms))
    refused = None
    if isinstance(event, Raised):
        if draft.remember(event.id):
            _raise(draft, event)
    elif isinstance(event, Ended):
        conditions.end(draft, event)
    elif not isinstance(event, Tick) and draft.remember(f"command/{event.id}"):
        refused = _command(draft, event)
    return draft.state(), Outputs(changes=draft.changes, notices=tuple(draft.notices), refused=refused)


def group_of(alert: Raised, settings: IncidentSettings) -> dict[str, Scalar | None]:
    """What the incident of an alert is found by; a value that the alert does not have is null."""
    return {name: getattr(alert, name) if name in _OWN else alert.values.get(name) for name in settings.group_by}


# ---- what happens by itself


def _advance(draft: Draft, now_ms: int) -> None:
    minute = now_ms // MINUTE_MS
    is_new_minute = minute != draft.now_ms // MINUTE_MS
    if now_ms >= draft.next_ms:
        due = [each for each in _all_due(draft) if each[0] <= now_ms]
        heapq.heapify(due)
        while due:
            at_ms, kind, name = heapq.heappop(due)
            draft.move_to(max(draft.now_ms, at_ms))
            again_ms = _let_happen(draft, kind, name)
            if again_ms is not None and again_ms <= now_ms:
                heapq.heappush(due, (again_ms, kind, name))
        draft.look_ahead()
    if is_new_minute:
        _forget_old(draft, minute)
    draft.move_to(now_ms)


def _all_due(draft: Draft) -> Iterator[_Due]:
    for name, snooze in draft.snoozes.items():
        yield snooze.until_ms, _SNOOZE, name
    for rule, storm in draft.storms.items():
        yield storm_ends_ms(storm, draft.settings), _STORM, rule
    for group, incident in draft.incidents.items():
        yield incident_ends_ms(incident, draft.settings), _INCIDENT, group


def _let_happen(draft: Draft, kind: int, name: str) -> int | None:
    """Do what is due; when something is due there again."""
    if kind == _SNOOZE:
        draft.set_snooze(name, None)
        return None
    if kind == _STORM:
        storms.end(draft, name)
        storm = draft.storms.get(name)
        return None if storm is None else storm_ends_ms(storm, draft.settings)
    _age(draft, name, draft.incidents[name])
    incident = draft.incidents.get(name)
    return None if incident is None else incident_ends_ms(incident, draft.settings)


def _age(draft: Draft, group: str, incident: Incident) -> None:
    if not incident.is_live:
        draft.set_incident(group, None)
    elif incident.muted_until_ms is not None and incident.muted_until_ms <= draft.now_ms:
        until_ms = muted_until(draft, incident.rule, incident.key)
        incident = replace(incident, muted_until_ms=until_ms)
        is_quiet = until_ms is not None or _storms(draft, incident.rule)
        tell(draft, group, incident, None if is_quiet else wanted(draft, incident))
    else:
        _resolve(draft, group, incident, by="", note=incident.note)


def _storms(draft: Draft, rule: str) -> bool:
    storm = draft.storms.get(rule)
    return storm is not None and storm.began_ms is not None


def _forget_old(draft: Draft, minute: int) -> None:
    """Forget ids as of the start of a minute: a result that does not depend on how many events crossed it."""
    oldest_ms = minute * MINUTE_MS - draft.settings.remember_ms
    for name in [name for name, at_ms in draft.seen.items() if at_ms <= oldest_ms]:
        draft.forget(name)
    over = len(draft.seen) - draft.settings.remember
    if over > 0:
        for _, name in heapq.nsmallest(over, ((at_ms, name) for name, at_ms in draft.seen.items())):
            draft.forget(name)


# ---- alerts


def _raise(draft: Draft, alert: Raised) -> None:
    if draft.now_ms - alert.detected_ms > draft.settings.max_age_ms:
        return
    is_folded = storms.observe(draft, alert)
    found = group_of(alert, draft.settings)
    group = orjson.dumps(list(found.values())).decode()
    before = draft.incidents.get(group)
    is_back = False
    if before is not None and not before.is_live:
        is_back = draft.now_ms - (before.resolved_ms or 0) <= draft.settings.reopen_ms
        before = _reopened(before, draft.settings) if is_back else None
    incident = _opened(draft, alert, found) if before is None else _updated(draft, before, alert)
    until_ms = muted_until(draft, alert.rule, alert.key)
    is_muted = until_ms is not None
    incident = replace(
        incident,
        muted=incident.muted + is_muted,
        muted_until_ms=until_ms,
        folded=incident.folded + (is_folded and not is_muted),
    )
    kind = None if is_muted or is_folded else wanted(draft, incident)
    is_news = is_back and incident.told > 0 and not is_muted and not is_folded
    tell(draft, group, incident, "reopened" if is_news else kind)


def _opened(draft: Draft, alert: Raised, found: dict[str, Scalar | None]) -> Incident:
    return Incident(
        id=identity("incident", orjson.dumps(found).decode(), alert.id),
        group=found,
        state="open",
        severity=alert.severity,
        rule=alert.rule,
        key=alert.key,
        why=alert.why,
        opened_ms=draft.now_ms,
        last_alert_ms=draft.now_ms,
        count=1,
        alerts=(alert.id,),
        hold_ms=draft.settings.hold_of(alert.rule),
        lasting=conditions.lasting(draft, {}, alert),
    )


def _updated(draft: Draft, incident: Incident, alert: Raised) -> Incident:
    is_worse = SEVERITIES.index(alert.severity) > SEVERITIES.index(incident.severity)
    return replace(
        incident,
        state="acknowledged" if incident.state == "acknowledged" and not is_worse else "updated",
        severity=alert.severity if is_worse else incident.severity,
        rule=alert.rule,
        key=alert.key,
        why=alert.why,
        last_alert_ms=draft.now_ms,
        count=incident.count + 1,
        alerts=(*incident.alerts, alert.id)[-_ALERTS:],
        hold_ms=max(incident.hold_ms, draft.settings.hold_of(alert.rule)),
        lasting=conditions.lasting(draft, incident.lasting, alert),
    )


def _reopened(incident: Incident, settings: IncidentSettings) -> Incident:
    """An incident that came back: it must be quiet for longer before it is taken for resolved again."""
    base_ms = settings.hold_of(incident.rule)
    hold_ms = max(incident.hold_ms, min(2 * incident.hold_ms, _MOST_HOLDS * base_ms))
    return replace(
        incident,
        state="updated",
        hold_ms=hold_ms,
        reopened=incident.reopened + 1,
        ended_ms=None,
        acknowledged_ms=None,
        acknowledged_by="",
        resolved_ms=None,
        resolved_by="",
        note="",
    )


# ---- commands


def _command(draft: Draft, command: Acknowledge | Resolve | Snooze | Unsnooze) -> str | None:
    """Do a command; why not, if it can't be done."""
    if isinstance(command, Snooze):
        return _snooze(draft, command)
    if isinstance(command, Unsnooze):
        return _unsnooze(draft, command)
    found = draft.state().find(command.incident)
    if found is None or not found[1].is_live:
        return f"there is no live incident {command.incident!r}"
    group, incident = found
    if isinstance(command, Resolve):
        _resolve(draft, group, incident, by=command.by or "a person", note=command.note)
    else:
        changes = {"acknowledged_ms": draft.now_ms, "acknowledged_by": command.by, "note": command.note}
        tell(draft, group, replace(incident, state="acknowledged", **changes), "acknowledged")
    return None


def _resolve(draft: Draft, group: str, incident: Incident, *, by: str, note: str) -> None:
    """End an incident; who was never told that it began is not told that it ended."""
    ended = replace(
        incident, state="resolved", resolved_ms=draft.now_ms, resolved_by=by, note=note, muted_until_ms=None, lasting={}
    )
    tell(draft, group, ended, "resolved" if incident.told or by else None)


def _snooze(draft: Draft, command: Snooze) -> str | None:
    if command.rule is None and command.key is None:
        return "a snooze needs a rule, a key or both"
    if command.until_ms <= draft.now_ms:
        return f"the snooze would have ended already, at {command.until_ms}"
    given = {name: getattr(command, name) for name in ("id", "until_ms", "reason", "rule", "key", "by")}
    draft.set_snooze(command.id, Snoozed(**given, since_ms=draft.now_ms))
    return None


def _unsnooze(draft: Draft, command: Unsnooze) -> str | None:
    if command.snooze not in draft.snoozes:
        return f"there is no snooze {command.snooze!r}"
    draft.set_snooze(command.snooze, None)
    for group, incident in sorted(draft.incidents.items()):
        if incident.muted_until_ms is not None:  # it may be time to tell
            _age(draft, group, replace(incident, muted_until_ms=draft.now_ms))
    return None
