"""What changes incidents: alerts, commands of people, and the passing of time. JSON records of one topic.

All of them stand in one partition, so that everybody who reads it sees the same order.
"""

from typing import Annotated, cast

import msgspec

from agents.spec import Severity
from pipeline.alerts import DetectedAlert
from pipeline.errors import StateError
from pipeline.incidents.model import Scalar

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class Raised(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="alert"):
    """An alert, as far as incidents need it."""

    id: str
    rule: str
    key: str
    severity: Severity
    why: str
    stream: str
    table: str | None
    partition: int
    detected_ms: int
    values: dict[str, Scalar | None]
    event_ms: int = 0
    lasting: bool = False  # whether its end will be told


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="ended"):
    """The condition of an alert holds no longer. May come before the alert: they take different ways."""

    rule: str
    key: str
    time_ms: int


class Acknowledge(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="acknowledge"):
    """Somebody takes care of an incident. ``id`` is the command's own: a repeat of it does nothing."""

    id: _Text
    incident: _Text
    by: str = ""
    note: str = ""


class Resolve(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="resolve"):
    """Somebody says that an incident is over."""

    id: _Text
    incident: _Text
    by: str = ""
    note: str = ""


class Snooze(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="snooze"):
    """Tell nobody about a rule, a key, or a rule at a key until a moment. ``id`` names the snooze from then on."""

    id: _Text
    until_ms: int
    reason: _Text
    rule: _Text | None = None
    key: _Text | None = None
    by: str = ""


class Unsnooze(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="unsnooze"):
    """End a snooze early."""

    id: _Text
    snooze: _Text
    by: str = ""


class Tick(msgspec.Struct, frozen=True, tag_field="kind", tag="tick"):
    """Nothing happened, and time went on."""


Command = Acknowledge | Resolve | Snooze | Unsnooze
Event = Raised | Ended | Command | Tick

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_encode = msgspec.json.Encoder().encode


def raised(read: DetectedAlert) -> Raised:
    """An alert as incidents take it."""
    own = {name: getattr(read.alert, name) for name in ("id", "rule", "key", "stream", "table", "values")}
    severity = cast("Severity", read.alert.severity)
    partition = read.alert.source.partition
    return Raised(
        **own,
        severity=severity,
        why=read.why,
        partition=partition,
        detected_ms=read.detected_ms,
        event_ms=read.alert.event_time_ms,
        lasting="clear" in read.alert.thresholds,
    )


def encode_event(event: Event) -> bytes:
    """The event as a record's value.

    >>> encode_event(Acknowledge(id="c1", incident="i1", by="ann"))
    b'{"kind":"acknowledge","id":"c1","incident":"i1","by":"ann","note":""}'
    """
    return _encode(event)


def decode_event(value: bytes | None) -> Event:
    """The event of a record.

    Raises:
        StateError: If it is none.
    """
    try:
        return _decoder.decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateError(f"not an event of incidents: {error}; docs/alerts.md describes commands") from error
