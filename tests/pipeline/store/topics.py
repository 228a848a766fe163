"""Topics with alerts, incidents, labels and refused records in them, and a store that follows them."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import orjson

from agents.events import Alert, Outgoing, RecordRef, Records
from pipeline.alerts import encode_alert
from pipeline.deadletter import dead_letters
from pipeline.incidents.model import Incident, Notice, Snoozed
from pipeline.incidents.records import encode_notice, encode_record
from pipeline.log.api import TopicSpec
from pipeline.store.answers import StoredAnswers
from pipeline.store.follower import Follower
from pipeline.store.topics.feeds import feeds_of
from tests.pipeline.shards import app, chunk_of

CONFIG = app(alerts_topic="alerts")
STATE, NOTICES, LABELS = "app-alert-state", "app-alert-notices", "app-labels"
NOW_MS = 100 * 3_600_000  # of the store's clock
SEVERITIES = ("info", "low", "medium", "high", "critical")


async def create(log, *, partitions=2):
    """The topics of ``CONFIG`` that the store follows."""
    await log.create_topic(TopicSpec(name="alerts", partitions=partitions))
    await log.create_topic(TopicSpec(name="payments.dead-letter", partitions=partitions))
    await log.create_topic(TopicSpec(name=STATE, partitions=1, cleanup="compact"))
    await log.create_topic(TopicSpec(name=NOTICES, partitions=1))
    await log.create_topic(TopicSpec(name=LABELS, partitions=1))


def alert(number, *, rule="busy", severity="low", key=None, record=None):
    """An alert, another one for each number."""
    ref = RecordRef("payments", 0, number, record or f"r{number}")
    return Alert(
        id=f"{number:032x}",
        rule=rule,
        version="v",
        severity=severity,
        stream="payments",
        table="recent",
        key=key or f"Acct-{number % 7}",
        event_time_ms=number,
        appended_ms=number,
        window_start_ms=0,
        window_end_ms=600,
        source=ref,
        records=(ref,),
        condition="n >= 4",
        thresholds={"n": 4},
        values={"n": 5},
    )


def alerts(pairs, *, partition=None):
    """Alerts with the times of their detection, bound for their topic."""
    encoded = [encode_alert(each, detected_ms=detected_ms, app="app") for each, detected_ms in pairs]
    records = Records(
        keys=[each.key for each in encoded],
        values=[each.value for each in encoded],
        headers=[each.headers for each in encoded],
    )
    return Outgoing("alerts", partition, records)


def incident(number, *, opened_ms=0, severity="low", resolved_ms=None, alerts=(), key="Acct-1"):
    """An incident, another one for each number."""
    return Incident(
        id=f"{number:032x}",
        group={"key": key},
        state="open" if resolved_ms is None else "resolved",
        severity=severity,
        rule="busy",
        key=key,
        why="busy fired",
        opened_ms=opened_ms,
        last_alert_ms=opened_ms,
        count=len(alerts),
        alerts=tuple(each.id for each in alerts),
        hold_ms=1_000,
        resolved_ms=resolved_ms,
    )


def state(records):
    """Records of the state topic by group; ``None`` ends one."""
    keys = [place.encode() for place, _ in records]
    return Outgoing(STATE, 0, Records(keys=keys, values=[encode_record(record) for _, record in records]))


def snooze(name, until_ms):
    return Snoozed(id=name, until_ms=until_ms, reason="", rule="busy", key=None, by="ann", since_ms=0)


_numbers = itertools.count()


def notice(of, kind="opened", *, time_ms=0):
    """A notice of an incident."""
    name = f"notice-{next(_numbers)}"
    made = Notice(id=name, kind=kind, time_ms=time_ms, severity="low", rule="busy", key=of.key, summary="", incident=of)
    encoded = encode_notice(made, "app")
    return Outgoing(NOTICES, 0, Records(keys=[encoded.key], values=[encoded.value], headers=[encoded.headers]))


def label(record, *, fraud=True, alert_id="", ts=0):
    """What somebody said of a record; ``None`` for the payload takes it back."""
    value = {"type": "label", "id": record, "ts": ts, "fraud": fraud, "alert": alert_id, "by": "ann"}
    return Outgoing(LABELS, 0, Records(keys=[record.encode()], values=[orjson.dumps(value)]))


def letters(rejects, *, partition=0):
    """Refused records with what was wrong of each."""
    values = [payload for payload, _ in rejects]
    chunk = chunk_of(values, partition=partition)
    made = dead_letters(chunk, [reject for _, reject in rejects])
    return Outgoing(made.topic, partition, made.records)


class Setting:
    """A log, a store that follows it, and what the store says."""

    def __init__(self, log, database, feeds=None):
        self.log = log
        self._thread = ThreadPoolExecutor(1)
        self.follower = Follower(log, database, feeds or feeds_of(CONFIG), self._thread)
        self.answers = StoredAnswers(database, CONFIG, {}, clock_ms=lambda: NOW_MS)

    async def tell(self, *outgoing):
        """Append, and let the store follow."""
        await self.log.append(outgoing)
        while await self.follower.refresh():
            pass

    def close(self):
        self._thread.shutdown()


async def paged(ask, asked):
    """All rows of a list, page by page."""
    rows, cursor = [], None
    while True:
        page = await ask(type(asked)(**({name: getattr(asked, name) for name in asked.__slots__} | {"cursor": cursor})))
        assert len(page.rows) <= asked.limit
        rows += page.rows
        cursor = page.next_cursor
        if cursor is None:
            return rows
        assert len(page.rows) == asked.limit
