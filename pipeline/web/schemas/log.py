"""What is said about the log and about reading it."""

from typing import Literal

from pydantic import BaseModel, Field

from pipeline.web.schemas.common import NextCursor, UnixMs


class LagOut(BaseModel):
    """How far the application is behind in one partition."""

    topic: str = Field(examples=["payments"])
    partition: int
    status: str = Field(description="OK, WARN, ERR, STOP or STALL", examples=["OK"])
    reason: str = Field(description="Why it is so")
    lag_records: int = Field(description="Records that are not committed")
    lag_ms: int = Field(description="How long the next record that is not committed has been waiting")
    produce_per_s: float | None = Field(description="Records appended a second; null while unknown")
    consume_per_s: float | None = Field(description="Records committed a second; null while unknown")
    eta_ms: int | None = Field(description="When the lag will be gone; -1 never, null unknown")
    committed: int | None = Field(description="Next offset to read; null before the first commit")
    committed_ms: UnixMs | None = Field(description="When that was committed, Unix ms")
    owner: str | None = Field(description="The worker that owns the partition; null if none does")


class SkewOut(BaseModel):
    """How unevenly the partitions of one topic are loaded."""

    topic: str = Field(examples=["payments"])
    partitions: int
    lag_ratio: float = Field(description="Largest lag over the mean lag; 1 when all are equal or nothing waits")
    busiest: int = Field(description="The partition with the largest share of the records")
    share: float = Field(description="That share, 0-1: of the rates where they are known, else of the records kept")


class LagsOut(BaseModel):
    """How far the application is behind, and how evenly."""

    rows: list[LagOut]
    next_cursor: NextCursor
    skew: list[SkewOut] = Field(description="Of each topic with more than one partition")


class PartitionOut(BaseModel):
    """Bounds of a partition."""

    partition: int
    start: int = Field(description="First offset kept")
    end: int = Field(description="Offset after the last record")
    size_bytes: int


class TopicOut(BaseModel):
    """A topic of the log."""

    name: str = Field(examples=["payments"])
    cleanup: Literal["delete", "compact"] = Field(description="What becomes of old records")
    retention_ms: int | None = Field(description="Age beyond which they may go; null keeps them")
    partitions: list[PartitionOut]


class TopicsOut(BaseModel):
    """Topics of the log, by name."""

    topics: list[TopicOut]
    next_cursor: NextCursor


class StatusOut(BaseModel):
    """Whether the view itself is well, and the whole in one sentence."""

    app: str = Field(examples=["shop"])
    log: str = Field(description="Where the log is, without secrets", examples=["local://var/shop.db"])
    state: Literal["ok", "waiting", "warning", "bad"]
    sentence: str = Field(description="The most important thing to know now")
    refreshed_ms: UnixMs | None = Field(description="When the log was last read through; null while it never was")
    age_ms: int = Field(description="How long ago that is")
    refresh_took_ms: float = Field(description="How long reading it took")
    problem: str | None = Field(description="Why the log can't be read; null if it can")
    tables: int
    topics: int
    alerts_kept: int = Field(description="Alerts held in memory for the charts")
    unreadable: int = Field(description="Records of the alert and health topics that could not be read")
    workers: list[str] = Field(description="Members that own a partition now")
