"""Labels: what people said of the records that fired, and what that says of the rules."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from agents.events import Chunk
from pipeline.readmodel.questions import RuleFacts
from pipeline.store.database import Database, Writer, clean

HOUR_MS: Final = 3_600_000
HOURS: Final = 24

_COUNTS: Final = """
SELECT rule, count(*) FILTER (WHERE fraud), count(*) FILTER (WHERE NOT fraud)
FROM (
    SELECT a.rule, coalesce(la.fraud, lr.fraud) AS fraud
    FROM alerts a
    LEFT JOIN labels la ON la.kind = 'alert' AND la.ref = a.id
    LEFT JOIN labels lr ON lr.kind = 'record' AND lr.ref = a.record
) labelled
GROUP BY rule
"""


class Label(msgspec.Struct, frozen=True):
    """What somebody says of a record.

    Args:
        type: ``label``.
        id: The record's own id.
        ts: When it was said, Unix ms.
        fraud: Whether it is fraud; ``None`` takes back what was said.
        alert: Id of the alert that made somebody look; empty for none.
        by: Who says so.
    """

    type: Literal["label"]
    id: str
    ts: int
    fraud: bool | None = None
    alert: str = ""
    by: str = ""


_decode = msgspec.json.Decoder(Label).decode


class LabelFeed:
    """Keeps the newest label of each record and alert.

    Args:
        topic: Its name.
    """

    def __init__(self, topic: str) -> None:
        self.topics: Sequence[str] = (topic,)
        self.first: int | None = None

    def clear(self, writer: Writer) -> None:
        """Forget all labels."""
        writer.run("DELETE FROM labels")

    def take(self, writer: Writer, chunks: Sequence[Chunk]) -> int:
        """Keep what is new; a record without payload takes back what was said of its key."""
        said: dict[str, Label | None] = {}
        unreadable = 0
        for chunk in chunks:
            for key, value in zip(chunk.keys, chunk.values, strict=True):
                if value is None:
                    said[clean((key or b"").decode(errors="replace"))] = None
                    continue
                try:
                    label = _decode(value)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    unreadable += 1
                    continue
                said[clean(label.id)] = label
        if said:
            alerts = [clean(label.alert) for label in said.values() if label and label.alert]
            writer.run("DELETE FROM labels WHERE source = ANY($1::text[])", [list(said)])
            writer.run("DELETE FROM labels WHERE kind = 'alert' AND ref = ANY($1::text[])", [alerts])
            _insert(writer, {name: label for name, label in said.items() if label and label.fraud is not None})
        return unreadable


def _insert(writer: Writer, labels: dict[str, Label]) -> None:
    alerts = {clean(label.alert): (name, label) for name, label in labels.items() if label.alert}
    rows = [("record", name, name, label) for name, label in labels.items()]
    rows += [("alert", alert, name, label) for alert, (name, label) in alerts.items()]
    kinds, refs, sources, said = zip(*rows, strict=True) if rows else ((), (), (), ())
    columns = {
        "kind": kinds,
        "ref": refs,
        "source": sources,
        "fraud": [label.fraud for label in said],
        "labelled_ms": [label.ts for label in said],
    }
    writer.insert("labels", columns)


def rule_facts(database: Database, names: Sequence[str], now_ms: int) -> list[RuleFacts]:
    """What each of these rules did, by the alerts that are kept."""
    begin_ms = now_ms - now_ms % HOUR_MS - (HOURS - 1) * HOUR_MS
    hourly: dict[str, list[int]] = {name: [0] * HOURS for name in names}
    by_hour = (
        "SELECT rule, detected_ms - detected_ms % 3600000 AS hour_ms, count(*) FROM alerts WHERE detected_ms >= $1 "
        "GROUP BY rule, hour_ms"
    )
    for rule, hour_ms, count in database.read(by_hour, [begin_ms]):
        hour = (hour_ms - begin_ms) // HOUR_MS
        if rule in hourly and hour < HOURS:
            hourly[rule][hour] = count
    newest = database.read("SELECT rule, max(detected_ms) FROM alerts GROUP BY rule")
    last: dict[str, int] = dict(newest)
    right = {rule: (confirmed, dismissed) for rule, confirmed, dismissed in database.read(_COUNTS)}
    return [
        RuleFacts(
            name=name,
            hourly=tuple(hourly[name]),
            last_ms=last.get(name),
            confirmed=right.get(name, (0, 0))[0],
            dismissed=right.get(name, (0, 0))[1],
        )
        for name in names
    ]
