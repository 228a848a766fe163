"""A store in memory: the answers of ``pipeline.readmodel.questions`` over lists that a test fills."""

from dataclasses import replace

import orjson

from agents.events import Alert, RecordRef
from agents.spec import SEVERITIES
from pipeline.alerts import decode_alert, encode_alert
from pipeline.errors import UsageError
from pipeline.incidents.model import Incident
from pipeline.plan import complete
from pipeline.readmodel.query import run
from pipeline.readmodel.questions import (
    IncidentPage,
    KeyHistory,
    RuleFacts,
    Slice,
    StoredAlert,
)


def alert(number, *, rule="rapid-large", severity="high", key="a17", offset=None, topic="payments", stream="payments"):
    """The ``number``-th stored alert."""
    source = RecordRef(topic, 0, number if offset is None else offset, f"p{number}")
    made = Alert(
        id=f"{number:032x}",
        rule=rule,
        version="0a1b2c3d",
        severity=severity,
        stream=stream,
        table="account_10m",
        key=key,
        event_time_ms=number,
        appended_ms=number,
        window_start_ms=0,
        window_end_ms=number,
        condition="large >= 3",
        values={"large": 3},
        thresholds={"large": 3},
        source=source,
        records=(source,),
    )
    document = decode_alert(encode_alert(made, detected_ms=number, app="app").value)
    return StoredAlert(number=number, detected_ms=number, document=document, incident=None, fraud=None)


def incident(name, *, state="open", severity="high", rule="rapid-large", key="a17", count=1, at_ms=1_000):
    """An incident."""
    return Incident(
        id=name,
        group={"rule": rule, "key": key},
        state=state,
        severity=severity,
        rule=rule,
        key=key,
        why=f"{rule} fired",
        opened_ms=at_ms,
        last_alert_ms=at_ms + count,
        count=count,
        alerts=(f"{1:032x}",),
        hold_ms=900_000,
    )


class MemoryAnswers:
    """All that a test put in, asked as the store is; ``asked`` counts the questions by name."""

    def __init__(self, model=None):
        self.model = model
        self.stored = []
        self.known = {}
        self.snoozed = []
        self.refused = []
        self.asked = {}

    def _count(self, name):
        self.asked[name] = self.asked.get(name, 0) + 1

    async def alerts(self, asked):
        self._count("alerts")
        rows = [
            each
            for each in sorted(self.stored, key=lambda each: (-each.detected_ms, -each.number))
            if (not asked.rules or each.document["rule"] in asked.rules)
            and (not asked.severities or each.document["severity"] in asked.severities)
            and (asked.key is None or each.document["key"] == asked.key)
            and asked.text.casefold() in orjson.dumps(each.document).decode().casefold()
            and (asked.incident is None or each.incident == asked.incident)
            and (asked.since_ms is None or each.detected_ms >= asked.since_ms)
        ]
        return paged(rows, asked)

    async def alert(self, alert_id):
        return next((each for each in self.stored if each.document["id"] == alert_id), None)

    async def alerts_after(self, number, limit=500):
        self._count("alerts_after")
        return sorted((each for each in self.stored if each.number > number), key=lambda each: each.number)[:limit]

    async def severities_since(self, since_ms):
        return {}

    async def incidents(self, asked):
        self._count("incidents")
        rows = [each for each in self.known.values() if each.is_live == (asked.state == "live")]
        rows = [each for each in rows if asked.key is None or each.key == asked.key]
        rows = [each for each in rows if not asked.rules or each.rule in asked.rules]
        rows = [each for each in rows if not asked.severities or each.severity in asked.severities]
        return paged(sorted(rows, key=lambda each: -SEVERITIES.index(each.severity)), asked)

    async def incident(self, incident_id):
        found = [each for each in self.known.values() if each.id.startswith(incident_id)]
        return IncidentPage(incident=found[0], alerts=self.stored[:3], notices=[]) if len(found) == 1 else None

    async def open_incidents(self):
        return {}

    async def snoozes(self):
        return sorted(self.snoozed, key=lambda each: (each.until_ms, each.id))

    async def rules(self):
        config = complete(self.model.config)
        return [
            RuleFacts(name=name, hourly=(0,) * 24, last_ms=None, confirmed=0, dismissed=0)
            for name in (*config.rules, *config.detectors, *config.scores)
        ]

    async def letters(self, asked):
        return paged([each for each in self.refused if not asked.topics or each.topic in asked.topics], asked)

    async def letter_counts(self):
        counts = {}
        for each in self.refused:
            counts[each.topic, each.reason] = counts.get((each.topic, each.reason), 0) + 1
        return counts

    async def rows(self, table, asked):
        return run(self.model.view(table), asked)

    def stream(self, table, asked, size):
        rows = run(self.model.view(table), replace(asked, offset=0, limit=1_000)).rows
        return (rows[start : start + size] for start in range(0, len(rows), size))

    async def alert_count(self):
        return len(self.stored)

    async def key_history(self, table, key):
        return KeyHistory(times_ms=[], values={})


def paged(rows, asked):
    """The asked part; a cursor is a number of rows in disguise."""
    try:
        start = int(asked.cursor.removeprefix("c")) if asked.cursor else 0
    except ValueError as error:
        raise UsageError(f"cursor '{asked.cursor}' was not given out for this list") from error
    end = start + asked.limit
    return Slice(rows=rows[start:end], next_cursor=f"c{end}" if end < len(rows) else None)
