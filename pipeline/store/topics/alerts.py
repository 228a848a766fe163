"""Alerts: the newest ones, each once."""

from collections.abc import Sequence
from typing import Any, Final

from agents.events import Chunk
from pipeline.alerts import decode_alert
from pipeline.errors import StateError
from pipeline.readmodel.questions import AlertsAsked, Slice, StoredAlert
from pipeline.store.conditions import Conditions, folded
from pipeline.store.cursors import checked_limit, decode_cursor, encode_cursor
from pipeline.store.database import Database, Row, Writer, clean
from pipeline.store.schema import take_number

ALERTS_KEPT: Final = 200_000

# Which ones is decided on small columns; what is large is read of these alone.
_FOUND = """
SELECT a.number, a.detected_ms, a.document, m.incident, coalesce(la.fraud, lr.fraud)
FROM alerts a
LEFT JOIN members m ON m.alert = a.id
LEFT JOIN labels la ON la.kind = 'alert' AND la.ref = a.id
LEFT JOIN labels lr ON lr.kind = 'record' AND lr.ref = a.record
WHERE a.number IN (SELECT number FROM alerts {where} ORDER BY {order} LIMIT {limit})
ORDER BY {order}
"""
_NEWEST_FIRST = "detected_ms DESC, number DESC"


class AlertFeed:
    """Keeps the alerts of a topic.

    Args:
        topic: Its name.
        kept: Most alerts kept; those that came first go first.
    """

    def __init__(self, topic: str, *, kept: int = ALERTS_KEPT) -> None:
        self.topics: Sequence[str] = (topic,)
        self.first: int | None = kept
        self._kept = kept

    def clear(self, writer: Writer) -> None:
        """Forget all alerts; their numbers are not given again."""
        writer.run("DELETE FROM alerts")

    def take(self, writer: Writer, chunks: Sequence[Chunk]) -> int:
        """Keep new ones; a repeat of one that is kept is dropped."""
        found: dict[str, tuple[dict[str, Any], str]] = {}
        unreadable = 0
        for value in (value for chunk in chunks for value in chunk.values):
            try:
                alert = decode_alert(value)
            except StateError:
                unreadable += 1
                continue
            found.setdefault(clean(alert["id"]), (alert, clean((value or b"").decode(errors="replace"))))
        known = writer.run("SELECT id FROM alerts WHERE id = ANY($1::text[])", [list(found)])
        for (name,) in known:
            del found[name]
        # Partitions are read one after the other; people read by time.
        new = sorted(found.values(), key=lambda each: each[0]["detected_ms"])
        if new:
            last = self._insert(writer, new)
            writer.run("DELETE FROM alerts WHERE number <= $1", [last - self._kept])
        return unreadable

    def _insert(self, writer: Writer, new: list[tuple[dict[str, Any], str]]) -> int:
        first = take_number(writer, "alert", len(new))
        alerts = [alert for alert, _ in new]
        columns: dict[str, list[Any]] = {
            "number": [*range(first, first + len(new))],
            "detected_ms": [alert["detected_ms"] for alert in alerts],
            "record": [None if alert["source"]["id"] is None else clean(alert["source"]["id"]) for alert in alerts],
            "folded": [folded(alert["key"], alert["rule"], alert["why"], alert["explanation"]) for alert in alerts],
            "document": [document for _, document in new],
        }
        texts = {name: [clean(alert[name]) for alert in alerts] for name in ("id", "rule", "severity", "key")}
        writer.insert("alerts", columns | texts)
        return first + len(new) - 1


def find_alerts(database: Database, asked: AlertsAsked) -> Slice[StoredAlert]:
    """Alerts, newest first."""
    limit = checked_limit(asked.limit)
    chosen = Conditions()
    chosen.any_of("rule", asked.rules)
    chosen.any_of("severity", asked.severities)
    chosen.holds("folded", asked.text)
    if asked.key is not None:
        chosen.add("key = ?", asked.key)
    if asked.incident is not None:
        chosen.add("id IN (SELECT alert FROM members WHERE incident = ?)", asked.incident)
    if asked.since_ms is not None:
        chosen.add("detected_ms >= ?", asked.since_ms)
    if asked.cursor is not None:
        chosen.add("(detected_ms, number) < (?, ?)", *decode_cursor("alerts", asked.cursor, [int, int]))
    sql = _FOUND.format(where=chosen.where(), order=_NEWEST_FIRST, limit=limit + 1)
    rows = [_stored(row) for row in database.read(sql, chosen.values)]
    more = len(rows) > limit
    last = rows[limit - 1] if more else None
    cursor = None if last is None else encode_cursor("alerts", [last.detected_ms, last.number])
    return Slice(rows=rows[:limit], next_cursor=cursor)


def find_alert(database: Database, alert_id: str) -> StoredAlert | None:
    """The alert of that id, if it is kept."""
    sql = _FOUND.format(where="WHERE id = $1", order=_NEWEST_FIRST, limit=1)
    rows = database.read(sql, [clean(alert_id)])
    return _stored(rows[0]) if rows else None


def alerts_after(database: Database, number: int, limit: int) -> list[StoredAlert]:
    """Alerts that arrived after another one, oldest first."""
    sql = _FOUND.format(where="WHERE number > $1", order="number", limit=checked_limit(limit))
    return [_stored(row) for row in database.read(sql, [number])]


def alert_count(database: Database) -> int:
    """How many alerts there are."""
    return int(database.read("SELECT count(*) FROM alerts")[0][0])


def severities_since(database: Database, since_ms: int) -> dict[str, int]:
    """How many alerts of each severity were detected at or after a time."""
    sql = "SELECT severity, count(*) FROM alerts WHERE detected_ms >= $1 GROUP BY severity ORDER BY severity"
    return {str(severity): int(count) for severity, count in database.read(sql, [since_ms])}


def _stored(row: Row) -> StoredAlert:
    number, detected_ms, document, incident, fraud = row
    return StoredAlert(
        number=number,
        detected_ms=detected_ms,
        document=decode_alert(document.encode()),
        incident=incident,
        fraud=fraud,
    )
