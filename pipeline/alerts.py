"""Alerts as records of a topic: JSON for every subscriber, CloudEvents headers for those that route by them.

The payload is described by ``docs/schemas/alert.schema.json``, which is made from the types here. Fields may be added;
a reader ignores those that it doesn't know. The headers follow CloudEvents 1.0, Kafka protocol binding, binary mode.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

import msgspec
import orjson

from agents.events import Alert, RecordRef
from agents.spec import Severity
from pipeline.errors import StateError
from pipeline.explanation import Scalar, explanation, moment, value_text

CONTENT_TYPE = b"application/json"
EVENT_TYPE = "streamgauge.alert.v1"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOVELTY = re.compile(r"(?:is_new|first_seen)\((\w+)\)")
_IS_TIME_MS, _NEAR_MS = 10**11, 10 * 24 * 3_600_000
_CALL = re.compile(r"\w+\([^()]*\)")

UnixMs = Annotated[int, msgspec.Meta(description="Unix time in milliseconds")]


class EncodedAlert(NamedTuple):
    """A record of the alert topic."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class DetectedAlert(NamedTuple):
    """An alert as read back, when it was detected (Unix ms), and the sentence that says why."""

    alert: Alert
    detected_ms: int
    why: str


class Position(msgspec.Struct, frozen=True):
    """Where a record stands, and its own id if its stream has one."""

    topic: str
    partition: int
    offset: int
    id: str | None


class AlertMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Why somebody should look, with the evidence."""

    id: Annotated[str, msgspec.Meta(description="Same input, same id: drop repeats by it")]
    rule: Annotated[str, msgspec.Meta(description="Rule or series detector that fired")]
    version: Annotated[str, msgspec.Meta(description="Hash of its definition")]
    severity: Severity
    why: Annotated[str, msgspec.Meta(description="What fired and on which values, one sentence")]
    stream: str
    table: Annotated[str | None, msgspec.Meta(description="Null for a detector on a raw series")]
    key: Annotated[str, msgspec.Meta(description="Key of the table, or name of the series")]
    event_time_ms: UnixMs
    appended_ms: UnixMs
    detected_ms: UnixMs
    window_start_ms: Annotated[int, msgspec.Meta(description="Unix time in milliseconds, inclusive")]
    window_end_ms: Annotated[int, msgspec.Meta(description="Unix time in milliseconds, exclusive")]
    condition: Annotated[str, msgspec.Meta(description="As written in the configuration")]
    values: Annotated[dict[str, Scalar | None], msgspec.Meta(description="What it was evaluated on")]
    thresholds: Annotated[dict[str, Scalar], msgspec.Meta(description="The limits that values were compared with")]
    source: Annotated[Position, msgspec.Meta(description="The record that fired")]
    records: Annotated[list[Position], msgspec.Meta(description="Contributing records, newest last, capped")]
    trace: Annotated[str | None, msgspec.Meta(description="W3C traceparent of the source record")] = None
    explanation: Annotated[str, msgspec.Meta(description="All that made it fire, in one sentence")] = ""


_MADE = ("why", "detected_ms", "explanation")
_decode = msgspec.json.Decoder(AlertMessage).decode
_OWN = tuple(name for name in AlertMessage.__struct_fields__ if name not in _MADE)
_values = attrgetter(*_OWN)


def encode_alert(alert: Alert, *, detected_ms: int, app: str) -> EncodedAlert:
    """The alert as a record, keyed by its key so that the alerts of a key stay in order.

    Args:
        alert: What fired. NaN among its values becomes null.
        detected_ms: Wall time of the detection, Unix ms.
        app: Name of the application.

    Cost: about 25 us.
    """
    message: dict[str, Any] = dict(zip(_OWN, _values(alert), strict=True))
    message |= {"detected_ms": detected_ms, "why": explain(alert), "explanation": explanation(alert)}
    message["source"], message["records"] = _position(alert.source), [_position(ref) for ref in alert.records]
    value = orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)
    return EncodedAlert(alert.key.encode(), value, _headers(alert, app))


def decode_alert(value: bytes | None) -> dict[str, Any]:
    """An alert's payload as plain values, in the order of the schema, checked against it.

    Raises:
        StateError: If the payload is no alert.
    """
    plain: dict[str, Any] = msgspec.to_builtins(_message(value))
    return plain


def read_alert(value: bytes | None) -> DetectedAlert:
    """An alert's payload as the value that was encoded.

    Raises:
        StateError: If the payload is no alert.
    """
    message = _message(value)
    own = {name: getattr(message, name) for name in _OWN}
    own["source"] = _ref(message.source)
    own["records"] = tuple(map(_ref, message.records))
    return DetectedAlert(Alert(**own), message.detected_ms, message.why)


def explain(alert: Alert) -> str:
    """One sentence: what fired, for whom, on which values and limits.

    >>> ref = RecordRef("payments", 0, 7, None)
    >>> explain(Alert(
    ...     id="", rule="rapid-large", version="", severity="high", stream="payments", table="account_10m", key="a17",
    ...     event_time_ms=0, appended_ms=0, window_start_ms=0, window_end_ms=0, source=ref, records=(ref,),
    ...     condition="large >= 3 and first_seen(country)", thresholds={"large": 3},
    ...     values={"country": "FR", "is_new(country)": True, "large": 3}))
    'rapid-large fired for "a17": large = 3 (limit 3) and country "FR" is new.'
    """
    values = {name: _moment(value, alert.event_time_ms) for name, value in alert.values.items()}
    limits = dict(alert.thresholds)
    news = _news(values)
    is_series = "score" in values and "threshold" in limits
    if is_series:  # a series detector: both directions have one threshold
        threshold, score = limits.pop("threshold"), values["score"]
        is_below = isinstance(score, int | float) and isinstance(threshold, int | float) and score < 0 < threshold
        limits = {"score": -threshold if is_below else threshold}  # type: ignore[operator]
        values.pop("spread", None)
    facts = [_against(name, values.pop(name), limits[name]) for name in limits if name in values]
    facts += news
    facts += [
        f"{name} = {value_text(value)}"
        for name, value in values.items()
        if is_series or _is_said(name, alert.condition)
    ]
    listed = " and ".join(filter(None, (", ".join(facts[:-1]), *facts[-1:]))) or alert.condition
    return f"{alert.rule} fired for {value_text(alert.key)}: {listed}."


def alert_schema() -> bytes:
    """The JSON Schema of an alert's payload, as it stands in ``docs/schemas``."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": EVENT_TYPE,
        **msgspec.json.schema(AlertMessage),
    }
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _message(value: bytes | None) -> AlertMessage:
    if value is None:
        raise StateError("alert can't be read: the record has no payload, expected docs/schemas/alert.schema.json")
    try:
        return _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        message = f"alert can't be read: {error}; expected docs/schemas/alert.schema.json, is it the right topic?"
        raise StateError(message) from error


def _position(ref: RecordRef) -> dict[str, Any]:
    topic, partition, offset, own_id = ref
    return {"topic": topic, "partition": partition, "offset": offset, "id": own_id}


def _ref(position: Position) -> RecordRef:
    return RecordRef(position.topic, position.partition, position.offset, position.id)


def _headers(alert: Alert, app: str) -> list[tuple[str, bytes]]:
    version, source, kind, content_type = _shared_headers(app)
    headers = [
        version,
        ("ce_id", alert.id.encode()),
        source,
        kind,
        ("ce_subject", alert.key.encode()),
        ("ce_time", moment(alert.event_time_ms).encode()),
        ("traceparent", (alert.trace or "").encode()),
    ]
    return [*(header for header in headers if header[1]), content_type]  # an attribute is never empty


@lru_cache(maxsize=64)
def _shared_headers(app: str) -> tuple[tuple[str, bytes], ...]:
    return (
        ("ce_specversion", b"1.0"),
        ("ce_source", f"/streamgauge/{quote(app, safe='')}".encode()),
        ("ce_type", EVENT_TYPE.encode()),
        ("content-type", CONTENT_TYPE),
    )


def _against(name: str, value: Scalar | None, limit: Scalar) -> str:
    return f"{name} = {value_text(value)}" + (
        "" if value == limit and isinstance(limit, str) else f" (limit {value_text(limit)})"
    )


def _is_said(name: str, condition: str) -> bool:
    """Whether people would miss ``name``: the condition names it itself, and not only within a function call."""
    if not name.isidentifier():
        return False
    return "(" not in condition or re.search(rf"\b{name}\b", _CALL.sub("", condition)) is not None


def _news(values: dict[str, Scalar | None]) -> list[str]:
    """What is known about new values, each once, taken out of ``values`` together with the fields that held them."""
    facts: dict[str, str] = {}
    for name in [*values]:
        found = _NOVELTY.fullmatch(name)
        if found and found[1] not in facts:
            of = found[1]
            subject = f"{of} {value_text(values.pop(of))}" if of in values else of
            facts[of] = f"{subject} is {'new' if values[name] else 'not new'}"
    return list(facts.values())


def _moment(value: Scalar | None, event_time_ms: int) -> Scalar | None:
    """A number that can only be a time as the text of it; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not _IS_TIME_MS < value < math.inf:
        return value
    if abs(value - event_time_ms) > _NEAR_MS:
        return value
    return f"{(_EPOCH + timedelta(milliseconds=round(value))):%H:%M:%S.%f}"[:-3] + "Z"
