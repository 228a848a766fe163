"""Incidents, snoozes and notices, as the topics of incidents tell them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from agents.events import Chunk
from agents.spec import SEVERITIES
from pipeline.errors import StateError, UsageError
from pipeline.incidents import Incident, Notice
from pipeline.incidents.model import Snoozed
from pipeline.incidents.records import decode_notice, decode_record
from pipeline.plan import incidents_topic, notices_topic
from pipeline.readmodel.questions import ON_A_PAGE, AlertsAsked, IncidentPage, IncidentsAsked, Slice
from pipeline.store.conditions import Conditions, folded
from pipeline.store.cursors import checked_limit, decode_cursor, encode_cursor
from pipeline.store.database import Database, Writer, clean
from pipeline.store.schema import take_number
from pipeline.store.topics.alerts import ALERTS_KEPT, find_alerts

RESOLVED_KEPT: Final = 20_000
NOTICES_KEPT: Final = 50_000
_encode = msgspec.json.Encoder().encode
_incident = msgspec.json.Decoder(Incident).decode
_snoozed = msgspec.json.Decoder(Snoozed).decode


@dataclass(slots=True)
class _News:
    """What the chunks of a turn add up to: the newest of each, and the members that any version named."""

    incidents: dict[str, tuple[str, Incident]] = field(default_factory=dict)
    snoozes: dict[str, Snoozed | None] = field(default_factory=dict)
    places: set[str] = field(default_factory=set)
    members: dict[str, str] = field(default_factory=dict)
    notices: dict[str, Notice] = field(default_factory=dict)
    unreadable: int = 0

    def note_members(self, incident: Incident) -> None:
        """A version names the newest alerts only, so older versions count too."""
        self.members |= dict.fromkeys(map(clean, incident.alerts), clean(incident.id))


class IncidentFeed:
    """Keeps the live incidents, the newest resolved ones, the snoozes, and the newest notices.

    The state topic holds the newest incident of a group only; a resolved one stays here when the next one begins.

    Args:
        app: Name of the application.
        resolved_kept: Most resolved incidents kept.
        notices_kept: Most notices kept.
    """

    def __init__(self, app: str, *, resolved_kept: int = RESOLVED_KEPT, notices_kept: int = NOTICES_KEPT) -> None:
        self.topics: Sequence[str] = (incidents_topic(app), notices_topic(app))
        self.first: int | None = None
        self._resolved_kept = resolved_kept
        self._notices_kept = notices_kept

    def clear(self, writer: Writer) -> None:
        """Forget all of it."""
        for table in ("incidents", "snoozes", "notices", "members"):
            writer.run(f'DELETE FROM "{table}"')  # noqa: S608 - names of ours

    def take(self, writer: Writer, chunks: Sequence[Chunk]) -> int:
        """Keep what is new."""
        news = _News()
        for chunk in chunks:
            for key, value in zip(chunk.keys, chunk.values, strict=True):
                try:
                    if chunk.topic == self.topics[0]:
                        _note_record(news, clean((key or b"").decode(errors="replace")), value)
                    else:
                        notice = decode_notice(value)
                        news.notices.setdefault(clean(notice.id), notice)
                        if notice.incident is not None:
                            news.note_members(notice.incident)
                except StateError:
                    news.unreadable += 1
        _write_state(writer, news)
        _write_members(writer, news.members)
        _write_notices(writer, news.notices)
        self._forget(writer)
        return news.unreadable

    def _forget(self, writer: Writer) -> None:
        oldest = "SELECT ordered_ms FROM incidents WHERE NOT live ORDER BY ordered_ms DESC LIMIT 1 OFFSET $1"
        for (ordered_ms,) in writer.run(oldest, [self._resolved_kept]):
            writer.run("DELETE FROM incidents WHERE NOT live AND ordered_ms <= $1", [ordered_ms])
        for table, kept in (("notices", self._notices_kept), ("members", 2 * ALERTS_KEPT)):
            newest = writer.run(f'SELECT coalesce(max(number), 0) FROM "{table}"')[0][0]  # noqa: S608 - names of ours
            writer.run(f'DELETE FROM "{table}" WHERE number <= $1', [newest - kept])  # noqa: S608


def _note_record(news: _News, place: str, value: bytes | None) -> None:
    record = None if value is None else decode_record(value)
    if record is None or isinstance(record, Incident):
        # A group has one live incident: what is there of it has ended, though its end was not read.
        for name in [name for name, (at, found) in news.incidents.items() if at == place and found.is_live]:
            del news.incidents[name]
        news.places.add(place)
    if record is None:
        news.snoozes[place] = None
    elif isinstance(record, Incident):
        news.incidents[clean(record.id)] = (place, record)
        news.note_members(record)
    elif isinstance(record, Snoozed):
        news.snoozes[place] = record


def _write_state(writer: Writer, news: _News) -> None:
    if news.places:
        writer.run("DELETE FROM incidents WHERE live AND place = ANY($1::text[])", [list(news.places)])
    if news.incidents:
        _replace_incidents(writer, news.incidents)
    if news.snoozes:
        writer.run("DELETE FROM snoozes WHERE place = ANY($1::text[])", [list(news.snoozes)])
        begun = {place: snooze for place, snooze in news.snoozes.items() if snooze is not None}
        columns: dict[str, list[Any]] = {
            "place": [*begun],
            "until_ms": [snooze.until_ms for snooze in begun.values()],
            "record": [_text(snooze) for snooze in begun.values()],
        }
        writer.insert("snoozes", columns)


def _replace_incidents(writer: Writer, incidents: dict[str, tuple[str, Incident]]) -> None:
    writer.run("DELETE FROM incidents WHERE id = ANY($1::text[])", [list(incidents)])
    found = [incident for _, incident in incidents.values()]
    columns: dict[str, list[Any]] = {
        "id": [*incidents],
        "place": [place for place, _ in incidents.values()],
        "live": [incident.is_live for incident in found],
        "rank": [SEVERITIES.index(incident.severity) for incident in found],
        "severity": [incident.severity for incident in found],
        "rule": [clean(incident.rule) for incident in found],
        "key": [clean(incident.key) for incident in found],
        "folded": [folded(incident.key, incident.rule, incident.why) for incident in found],
        "ordered_ms": [_ordered_ms(incident) for incident in found],
        "record": [_text(incident) for incident in found],
    }
    writer.insert("incidents", columns)


def _write_members(writer: Writer, members: dict[str, str]) -> None:
    if not members:
        return
    known = {alert for (alert,) in writer.run("SELECT alert FROM members WHERE alert = ANY($1::text[])", [[*members]])}
    new = {alert: incident for alert, incident in members.items() if alert not in known}
    first = take_number(writer, "member", len(new))
    columns = {"number": [*range(first, first + len(new))], "alert": [*new], "incident": [*new.values()]}
    writer.insert("members", columns)


def _write_notices(writer: Writer, notices: dict[str, Notice]) -> None:
    for (name,) in writer.run("SELECT id FROM notices WHERE id = ANY($1::text[])", [[*notices]]):
        del notices[name]
    if not notices:
        return
    first = take_number(writer, "notice", len(notices))
    columns: dict[str, list[Any]] = {
        "number": [*range(first, first + len(notices))],
        "id": [*notices],
        "incident": [None if notice.incident is None else clean(notice.incident.id) for notice in notices.values()],
        "time_ms": [notice.time_ms for notice in notices.values()],
        "record": [_text(notice) for notice in notices.values()],
    }
    writer.insert("notices", columns)
    # A resolved incident that compaction has taken from the state topic stands in the notice that told of its end.
    told = {clean(found.id): found for found in (notice.incident for notice in notices.values()) if found}
    ended = {name: incident for name, incident in told.items() if not incident.is_live}
    for (name,) in writer.run("SELECT id FROM incidents WHERE id = ANY($1::text[])", [[*ended]]):
        del ended[name]
    if ended:
        _replace_incidents(writer, {name: ("", incident) for name, incident in ended.items()})


def _ordered_ms(incident: Incident) -> int:
    if incident.is_live:
        return incident.opened_ms
    return incident.last_alert_ms if incident.resolved_ms is None else incident.resolved_ms


def _text(record: Incident | Snoozed | Notice) -> str:
    return _encode(record).decode()


def find_incidents(database: Database, asked: IncidentsAsked) -> Slice[Incident]:
    """Incidents: live ones worst first, among equals the newest; resolved ones newest first."""
    limit = checked_limit(asked.limit)
    live = asked.state == "live"
    # Nothing that changes often: else an incident could move over the place where a page ended.
    order = ("rank", "ordered_ms", "id") if live else ("ordered_ms", "id")
    chosen = Conditions()
    chosen.add("live" if live else "NOT live")
    chosen.any_of("rule", asked.rules)
    chosen.any_of("severity", asked.severities)
    chosen.holds("folded", asked.text)
    if asked.key is not None:
        chosen.add("key = ?", asked.key)
    if asked.cursor is not None:
        place = decode_cursor(asked.state, asked.cursor, [*(int for _ in order[1:]), str])
        chosen.add(f"({', '.join(order)}) < ({', '.join('?' for _ in order)})", *place)
    sql = (
        f"SELECT record, {', '.join(order)} FROM incidents {chosen.where()} "  # noqa: S608 - names and parameters
        f"ORDER BY {', '.join(f'{name} DESC' for name in order)} LIMIT {limit + 1}"
    )
    rows = database.read(sql, chosen.values)
    cursor = encode_cursor(asked.state, rows[limit - 1][1:]) if len(rows) > limit else None
    return Slice(rows=[_incident(row[0]) for row in rows[:limit]], next_cursor=cursor)


def find_incident(database: Database, incident_id: str) -> IncidentPage | None:
    """One incident, by its id or the first digits of it.

    Raises:
        UsageError: If more than one begins so.
    """
    sql = "SELECT id, record FROM incidents WHERE starts_with(id, $1) ORDER BY id LIMIT 2"
    rows = database.read(sql, [clean(incident_id)]) if incident_id else []
    if not rows:
        return None
    if len(rows) > 1 and rows[0][0] != incident_id:
        raise UsageError(f"more than one incident begins with '{incident_id}'; give more digits of its id")
    name, record = rows[0]
    sql = f"SELECT record FROM notices WHERE incident = $1 ORDER BY time_ms DESC, number DESC LIMIT {ON_A_PAGE}"  # noqa: S608
    return IncidentPage(
        incident=_incident(record),
        alerts=find_alerts(database, AlertsAsked(incident=name, limit=ON_A_PAGE)).rows,
        notices=[decode_notice(text.encode()) for (text,) in database.read(sql, [name])],
    )


def open_incidents(database: Database) -> dict[str, int]:
    """How many incidents of each severity go on."""
    sql = "SELECT severity, count(*) FROM incidents WHERE live GROUP BY severity ORDER BY severity"
    return {str(severity): int(count) for severity, count in database.read(sql)}


def snoozes_at(database: Database, now_ms: int) -> list[Snoozed]:
    """Snoozes in force, the one that ends first coming first."""
    sql = "SELECT record FROM snoozes WHERE until_ms > $1 ORDER BY until_ms, place"
    return [_snoozed(record) for (record,) in database.read(sql, [now_ms])]
