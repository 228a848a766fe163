"""What the JSON API answers; the OpenAPI document is made from these."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from agents.spec import SEVERITIES, Severity
from pipeline.readmodel.query import MAX_LIMIT

Number = float | int | None
UnixMs = Annotated[int, Field(description="Unix time in ms")]


class PageAsked(BaseModel):
    """Which part of the rows."""

    offset: int = Field(0, ge=0, le=1 << 40, description="Rows to skip")
    limit: int = Field(50, ge=1, le=MAX_LIMIT, description="Most rows to return")


class RowsAsked(PageAsked):
    """Which rows, in which order."""

    q: str = Field("", description="Words that the key must hold, whatever their case")
    where: list[str] = Field([], description="Comparisons that must all hold: `spent>=1000`; k, M, G may follow")
    partition: int | None = Field(None, ge=0, le=1 << 40, description="Only this partition")
    sort: str | None = Field(None, description="A column; `-column` for largest first")


class AlertsAsked(BaseModel):
    """Which alerts."""

    rule: list[str] = Field([], description="Only these rules")
    severity: list[Severity] = Field([], description=f"Only these of {', '.join(SEVERITIES)}")
    q: str = Field("", description="Text in key, rule or explanation")
    cursor: str | None = Field(None, description="Id of the last alert you have")
    limit: int = Field(50, ge=1, le=MAX_LIMIT, description="Most alerts to return")


class Problem(BaseModel):
    """An error, after RFC 9457 (problem details)."""

    title: str
    status: int
    detail: str = Field(description="One sentence: what was found, what is allowed")
    errors: list[str] = Field(default_factory=list, description="One sentence for each wrong parameter")


class WindowOut(BaseModel):
    """The window of a table."""

    kind: Literal["tumbling", "sliding"]
    size_ms: int
    pane_ms: int
    grace_ms: int


class ColumnOut(BaseModel):
    """A column that can be shown, filtered and sorted by."""

    name: str
    kind: Literal["number", "ms", "bytes", "time"]
    meaning: str


class FreshnessOut(BaseModel):
    """How current the state of one partition is."""

    partition: int
    applied: int = Field(description="Next offset of the source that is not in the state yet")
    end: int = Field(description="Offset after the last record of the source")
    behind: int = Field(description="Records of the source that are not in the state yet")
    watermark_ms: UnixMs | None
    committed_ms: UnixMs | None


class TableOut(BaseModel):
    """A windowed table."""

    name: str
    stream: str
    by: str
    window: WindowOut
    keys: int
    columns: list[ColumnOut]
    freshness: list[FreshnessOut]


class RowOut(BaseModel):
    """One key of one partition in one window."""

    key: str
    partition: int
    window_start_ms: UnixMs
    window_end_ms: UnixMs
    values: dict[str, Number] = Field(description="By column; null where there is no value")


class RowsOut(BaseModel):
    """A page of a table."""

    table: str
    total: int = Field(description="Rows in the table")
    matching: int = Field(description="Rows that pass the filter")
    offset: int
    limit: int
    next_offset: int | None = Field(description="Where the next page begins; null on the last one")
    rows: list[RowOut]
    freshness: list[FreshnessOut]


class RecordOut(BaseModel):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int
    id: str | None


class AlertOut(BaseModel):
    """An alert with its evidence."""

    id: str
    rule: str
    version: str
    severity: str
    why: str
    stream: str
    table: str | None
    key: str
    event_time_ms: UnixMs
    appended_ms: UnixMs
    detected_ms: UnixMs
    window_start_ms: UnixMs
    window_end_ms: UnixMs
    condition: str
    values: dict[str, float | int | str | bool | None]
    thresholds: dict[str, float | int | str | bool]
    source: RecordOut
    records: list[RecordOut]
    trace: str | None
    explanation: str


class AlertsOut(BaseModel):
    """A page of alerts, newest first."""

    alerts: list[AlertOut]
    next_cursor: str | None = Field(description="Give it as cursor for older ones; null when there are no more")


class LagOut(BaseModel):
    """How far the application is behind in one partition."""

    topic: str
    partition: int
    status: str
    reason: str
    lag_records: int
    lag_ms: int = Field(description="How long the next record that is not committed has been waiting")
    produce_per_s: float | None
    consume_per_s: float | None
    eta_ms: int | None = Field(description="When the lag will be gone; -1 never, null unknown")
    committed: int | None
    committed_ms: UnixMs | None
    owner: str | None


class SkewOut(BaseModel):
    """How unevenly the partitions of one topic are loaded."""

    topic: str
    partitions: int
    lag_ratio: float = Field(description="Largest lag over the mean lag; 1 when all are equal or nothing waits")
    busiest: int = Field(description="The partition with the largest share of the records")
    share: float = Field(description="That share, 0-1: of the rates where they are known, else of the records kept")


class LagsOut(BaseModel):
    """How far the application is behind, and how evenly."""

    rows: list[LagOut]
    skew: list[SkewOut] = Field(description="Of each topic with more than one partition")


class PartitionOut(BaseModel):
    """Bounds of a partition."""

    partition: int
    start: int
    end: int
    size_bytes: int


class TopicOut(BaseModel):
    """A topic of the log."""

    name: str
    cleanup: Literal["delete", "compact"]
    retention_ms: int | None
    partitions: list[PartitionOut]


class StatusOut(BaseModel):
    """Whether the view itself is well, and the whole in one sentence."""

    app: str
    log: str
    state: Literal["ok", "waiting", "warning", "bad"]
    sentence: str
    refreshed_ms: UnixMs | None = Field(description="When the log was last read through")
    age_ms: int
    refresh_took_ms: float
    problem: str | None
    tables: int
    topics: int
    alerts_kept: int
    unreadable: int = Field(description="Records of the alert and health topics that could not be read")
    workers: list[str]
