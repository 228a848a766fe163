"""Questions about incidents and snoozes, and their answers."""

from typing import Literal

from pydantic import BaseModel, Field

from agents.spec import Severity
from pipeline.incidents.model import NoticeKind
from pipeline.web.schemas.alerts import AlertOut
from pipeline.web.schemas.common import (
    Asked,
    Cursor,
    Key,
    Limit,
    NextCursor,
    Phase,
    Rules,
    Scalar,
    Severities,
    UnixMs,
    Words,
)


class IncidentsAsked(Asked):
    """Which incidents."""

    state: Literal["live", "resolved"] = Field(
        "live", description="Live ones come worst first, resolved ones newest first"
    )
    rule: Rules
    severity: Severities
    key: Key = None
    q: Words = ""
    cursor: Cursor = None
    limit: Limit = 50


class IncidentOut(BaseModel):
    """Alerts that belong together, from the first of them to the end."""

    id: str = Field(description="Same alerts, same id", examples=["4f0c12a59b7a4e0f8d6c3b2a19087f6e"])
    group: dict[str, Scalar | None] = Field(
        description="What its alerts have in common", examples=[{"rule": "rapid-large", "key": "a17"}]
    )
    state: Phase
    severity: Severity = Field(description="The highest of its alerts")
    rule: str = Field(description="Of the newest alert", examples=["rapid-large"])
    key: str = Field(description="Of the newest alert", examples=["a17"])
    why: str = Field(description="Of the newest alert")
    opened_ms: UnixMs
    last_alert_ms: UnixMs
    count: int = Field(description="Alerts so far, those that nobody was told about included")
    alerts: list[str] = Field(description="Ids of the newest alerts, newest last")
    hold_ms: int = Field(description="Resolved when no alert came for so long")
    muted: int = Field(description="Alerts under a snooze or in maintenance")
    folded: int = Field(description="Alerts that went into a storm's notice")
    reopened: int = Field(description="How often it came back after it was resolved")
    told: int = Field(description="Notices so far")
    told_ms: UnixMs | None = Field(description="Time of the newest notice, Unix ms")
    told_severity: Severity | None = Field(description="The highest severity that people were told of")
    muted_until_ms: UnixMs | None = Field(description="Until when nobody is told, Unix ms")
    acknowledged_ms: UnixMs | None = Field(description="When somebody took care of it, Unix ms")
    acknowledged_by: str = Field(description="Who; empty while nobody did", examples=["ann"])
    resolved_ms: UnixMs | None = Field(description="When it ended, Unix ms")
    resolved_by: str = Field(description="Who said so; empty when it ended by itself")
    note: str = Field(description="The newest note")


class IncidentsOut(BaseModel):
    """A page of incidents."""

    incidents: list[IncidentOut]
    next_cursor: NextCursor


class NoticeOut(BaseModel):
    """Something that people were told of an incident."""

    id: str
    kind: NoticeKind
    time_ms: UnixMs
    severity: Severity
    summary: str = Field(description="One sentence")


class IncidentPageOut(BaseModel):
    """All about one incident."""

    incident: IncidentOut
    alerts: list[AlertOut] = Field(description="The newest ones, newest first")
    notices: list[NoticeOut] = Field(description="What people were told, newest first")


class SnoozeOut(BaseModel):
    """A snooze in force: nobody is told about a rule, a key, or a rule at a key."""

    id: str = Field(examples=["c3"])
    until_ms: UnixMs = Field(description="When it ends, Unix ms")
    reason: str = Field(examples=["on holiday"])
    rule: str | None = Field(description="Null for every rule", examples=["rapid-large"])
    key: str | None = Field(description="Null for every key", examples=["a17"])
    by: str = Field(description="Who", examples=["ann"])
    since_ms: UnixMs = Field(description="When it began, Unix ms")


class SnoozesOut(BaseModel):
    """Snoozes in force, the one that ends first coming first."""

    snoozes: list[SnoozeOut]
    next_cursor: NextCursor
