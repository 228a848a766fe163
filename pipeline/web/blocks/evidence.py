"""Why an alert fired: its values beside their thresholds, where and when, and the records that contributed."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote

from pipeline.readmodel.columns import ColumnInfo
from pipeline.readmodel.questions import KeyHistory, StoredAlert
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.parts import human
from pipeline.web.parts.elements import Tag, table_head, when
from pipeline.web.parts.figure import Course, lines
from pipeline.web.parts.layout import command

Document = dict[str, Any]
RECORDS: Final = 50
NEAR_MS: Final = 10 * 24 * 3_600_000


def key_address(table: str, key: str) -> str:
    """Address of the page of a key in a table."""
    return f"/tables/{quote(table, safe='')}/key?key={quote(key, safe='')}"


def columns_of(model: ReadModel, table: str | None) -> dict[str, ColumnInfo]:
    """Columns of an alert's table by name; none where it has no table."""
    return {column.name: column for column in model.columns(table)} if table in model.specs else {}


def courses(model: ReadModel, alerts: Sequence[StoredAlert], history: KeyHistory | None) -> list[Course]:
    """How the measures of alerts went; those with a threshold first.

    Args:
        model: For the columns of their table.
        alerts: Newest first, of one table.
        history: Of their key in that table, if there is one.
    """
    if not alerts:
        return []
    newest = alerts[0].document
    columns = columns_of(model, newest["table"])
    names = [*map(_measured, newest["thresholds"]), *newest["values"]]
    found = []
    for name in dict.fromkeys(names):
        dots = [
            (alert.detected_ms, float(value))
            for alert in reversed(alerts)
            if _is_number(value := alert.document["values"].get(name))
        ]
        if not dots or _is_time(dots[-1][1], newest):
            continue
        limit = newest["thresholds"].get("threshold" if name == "score" else name)
        found.append(
            Course(
                name=name,
                kind=columns[name].kind if name in columns else "number",
                line=lines(history.times_ms, history.values, name) if history else (),
                dots=dots,
                limit=float(limit) if _is_number(limit) else None,
            )
        )
    return sorted(found, key=lambda course: course.limit is None)


def _measured(threshold: str) -> str:
    """What a threshold is a threshold of: a detector's is of its score."""
    return "score" if threshold == "threshold" else threshold


def _is_time(value: object, alert: Document) -> bool:
    """Whether a value is a moment: Unix ms near the alert's own time."""
    return _is_number(value) and abs(value - alert["event_time_ms"]) < NEAR_MS


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def values_table(alert: Document) -> None:
    """Values beside their thresholds."""
    names = [*alert["thresholds"], *(name for name in alert["values"] if name not in alert["thresholds"])]
    Tag("h3", "Values beside their thresholds")
    with Tag("div", classes="sg-scroll"), Tag("table", classes="sg-table"):
        table_head([("Measure", ""), ("Value", "r"), ("Threshold", "r")], "Values and thresholds")
        with Tag("tbody"):
            for name in names:
                with Tag("tr"):
                    Tag("td", name)
                    value = alert["values"].get(name)
                    _value(value, is_time=_is_time(value, alert))
                    Tag("td", _text(alert["thresholds"].get(name)), "r")


def _value(value: float | str | bool | None, *, is_time: bool) -> None:
    if is_time and isinstance(value, int | float):
        with Tag("td", classes="r strong"):
            when(value)
    else:
        Tag("td", _text(value), "r strong")


def _text(value: float | str | bool | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else human.number(value)


def facts_list(stored: StoredAlert) -> None:
    """When and where an alert fired."""
    alert = stored.document
    Tag("h3", "When and where")
    with Tag("dl", classes="sg-facts"):
        _moment("Event time", alert["event_time_ms"])
        took = human.duration(stored.detected_ms - alert["appended_ms"])
        _moment("Detected", stored.detected_ms, f"{took} after the record was appended")
        Tag("dt", "Window")
        with Tag("dd"):
            when(alert["window_start_ms"])
            Tag("span", " to ")
            when(alert["window_end_ms"])
            length = human.duration(alert["window_end_ms"] - alert["window_start_ms"])
            Tag("span", f" · {length}, end excluded", "sg-muted")
        fact("Stream", alert["stream"])
        if alert["table"] is not None:
            Tag("dt", "Table")
            with Tag("dd"):
                Tag("a", alert["table"], attributes={"href": key_address(alert["table"], alert["key"])})
        if stored.incident is not None:
            Tag("dt", "Incident")
            with Tag("dd"):
                Tag("a", stored.incident[:12], attributes={"href": f"/incidents/{stored.incident}"})
        fact("Rule version", alert["version"])
        if alert.get("trace"):
            fact("Trace", alert["trace"])
        fact("Alert id", alert["id"])


def fact(title: str, text: str) -> None:
    """A name and what it is."""
    Tag("dt", title)
    Tag("dd", text)


def _moment(title: str, ms: int, note: str = "") -> None:
    Tag("dt", title)
    with Tag("dd"):
        when(ms)
        if note:
            Tag("span", f" · {note}", "sg-muted")


def records_table(model: ReadModel, alerts: Sequence[Document]) -> None:
    """Records that contributed to alerts, newest first, and how to read the one that fired last.

    Args:
        model: For the command.
        alerts: Newest first.
    """
    fired = {_place(alert["source"]) for alert in alerts}
    found = list(_records(alerts))
    shown = found[:RECORDS]
    Tag("h3", f"Contributing records ({len(found):,})")
    with Tag("div", classes="sg-scroll"), Tag("table", classes="sg-table"):
        table_head(
            [("Record", ""), ("Topic", ""), ("Partition", "r"), ("Offset", "r")], "Contributing records, newest first"
        )
        with Tag("tbody"):
            for record in shown:
                with Tag("tr"):
                    name = record["id"] or human.NOTHING
                    Tag("td", f"{name} · fired" if _place(record) in fired else name)
                    Tag("td", record["topic"])
                    Tag("td", f"{record['partition']}", "r")
                    Tag("td", f"{record['offset']:,}", "r")
    if len(found) > RECORDS:
        Tag("p", f"and {len(found) - RECORDS:,} older ones", "sg-small sg-muted")
    source = alerts[0]["source"]
    Tag("h3", "Read the record that fired")
    Tag("code", command(model.config, f"consume {source['topic']} --from {source['offset']}"), "sg-cmd")


def _records(alerts: Sequence[Document]) -> Iterable[Document]:
    seen: set[tuple[str, int, int]] = set()
    for alert in alerts:
        for record in reversed(alert["records"] or [alert["source"]]):
            if _place(record) not in seen:
                seen.add(_place(record))
                yield record


def _place(record: Document) -> tuple[str, int, int]:
    return record["topic"], record["partition"], record["offset"]
