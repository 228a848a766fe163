"""Questions about alerts, and their answers."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from agents.spec import Severity
from pipeline.web.schemas.common import (
    Asked,
    Cursor,
    Key,
    Limit,
    NextCursor,
    RecordOut,
    Rules,
    Scalar,
    Severities,
    UnixMs,
    Words,
)

EXAMPLE: Final[dict[str, Any]] = {
    "id": "5f2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d",
    "rule": "rapid-large",
    "version": "0a1b2c3d",
    "severity": "high",
    "why": 'rapid-large fired for "a17": large = 3 (limit 3) and country "FR" is new.',
    "stream": "payments",
    "table": "account_10m",
    "key": "a17",
    "event_time_ms": 1_700_000_000_000,
    "appended_ms": 1_700_000_000_012,
    "detected_ms": 1_700_000_000_061,
    "window_start_ms": 1_699_999_400_000,
    "window_end_ms": 1_700_000_000_001,
    "condition": "large >= 3 and first_seen(country)",
    "values": {"large": 3, "country": "FR", "is_new(country)": True},
    "thresholds": {"large": 3},
    "source": {"topic": "payments", "partition": 0, "offset": 812, "id": "p7"},
    "records": [{"topic": "payments", "partition": 0, "offset": 812, "id": "p7"}],
    "trace": None,
    "explanation": 'rapid-large (version 0a1b2c3d) fired for "a17" at record p7 …',
    "incident": "4f0c12a59b7a4e0f8d6c3b2a19087f6e",
    "fraud": None,
}


class AlertsAsked(Asked):
    """Which alerts."""

    rule: Rules
    severity: Severities
    key: Key = None
    q: Words = ""
    incident: str | None = Field(None, description="Of the incident with this id")
    since_ms: int | None = Field(None, ge=0, le=1 << 53, description="Detected at or after, Unix ms")
    cursor: Cursor = None
    limit: Limit = 50


class AlertOut(BaseModel):
    """An alert with its evidence: the document of the topic, and what people did about it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: str = Field(description="Same input, same id: drop repeats by it")
    rule: str = Field(description="Rule, series detector or score that fired")
    version: str = Field(description="Hash of its definition")
    severity: Severity
    why: str = Field(description="What fired and on which values, one sentence")
    stream: str
    table: str | None = Field(description="Null for a detector on a raw series, and for a score")
    key: str = Field(description="Key of the table, or name of the series")
    event_time_ms: UnixMs
    appended_ms: UnixMs
    detected_ms: UnixMs
    window_start_ms: UnixMs = Field(description="Inclusive, Unix ms")
    window_end_ms: UnixMs = Field(description="Exclusive, Unix ms")
    condition: str = Field(description="As written in the configuration")
    values: dict[str, Scalar | None] = Field(description="What it was evaluated on")
    thresholds: dict[str, Scalar] = Field(description="The limits that values were compared with")
    source: RecordOut = Field(description="The record that fired")
    records: list[RecordOut] = Field(description="Contributing records, newest last, capped")
    trace: str | None = Field(None, description="W3C traceparent of the source record")
    explanation: str = Field("", description="All that made it fire, in one sentence")
    incident: str | None = Field(description="The incident that it belongs to, if known")
    fraud: bool | None = Field(description="What a person said of the record that fired; null while nobody did")


class AlertsOut(BaseModel):
    """A page of alerts, newest first."""

    alerts: list[AlertOut]
    next_cursor: NextCursor
