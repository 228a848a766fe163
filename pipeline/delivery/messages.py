"""What is delivered: an alert or notice, as CloudEvent and as text for people."""

from dataclasses import dataclass
from typing import Any, Literal

import orjson

from pipeline.explanation import moment
from pipeline.subscribe import Received, decode


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """An alert or notice on its way.

    Args:
        id: Of the alert or notice: the idempotency key, the same at each attempt and after a crash.
        record: The record as it stands in the log.
        body: Its payload.
        summary: One sentence.
        time_ms: When it was raised, Unix ms.
    """

    id: str
    record: Received
    body: dict[str, Any]
    summary: str
    time_ms: int

    @property
    def time(self) -> str:
        """When it was raised, ISO 8601."""
        return moment(self.time_ms)

    def cloudevent(self) -> bytes:
        """The message in CloudEvents' JSON format, structured mode."""
        own = {name[3:]: value.decode() for name, value in self.record.headers if name.startswith("ce_")}
        return orjson.dumps(
            {"specversion": "1.0", "id": self.id, "time": self.time}
            | own
            | {"datacontenttype": "application/json", "data": self.body}
        )

    def variables(self) -> dict[str, Any]:
        """What templates can name."""
        return {**self.body, "id": self.id, "summary": self.summary, "time": self.time}


def message_of(record: Received, of: Literal["alerts", "notices"]) -> Message | None:
    """The message that a record holds; ``None`` if it is no alert or notice."""
    body = decode(record, of)
    if body is None:
        return None
    is_alert = of == "alerts"
    return Message(
        id=body["id"],
        record=record,
        body=body,
        summary=body["why" if is_alert else "summary"],
        time_ms=body["detected_ms" if is_alert else "time_ms"],
    )
