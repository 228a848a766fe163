"""Questions about tables, and their answers."""

from typing import Literal

from pydantic import BaseModel, Field

from pipeline.readmodel.query import MAX_LIMIT
from pipeline.web.schemas.common import MAX_TEXT, Asked, Cursor, NextCursor, Number, UnixMs


class ChosenAsked(Asked):
    """Which rows, in which order."""

    q: str = Field("", description="Words that the key must hold, whatever their case", max_length=MAX_TEXT)
    where: list[str] = Field(
        [], description="Comparisons that must all hold; k, M, G may follow a number", examples=[["spent>=1k", "n>3"]]
    )
    partition: int | None = Field(None, ge=0, le=1 << 31, description="Only this partition")
    sort: str | None = Field(None, description="A column; `-column` for largest first", examples=["-spent"])


class PageAsked(Asked):
    """Which part of the rows."""

    cursor: Cursor = None
    offset: int = Field(0, ge=0, le=1 << 40, description="Rows to skip, instead of a cursor")
    limit: int = Field(50, ge=1, le=MAX_LIMIT, description="Most rows to return")


class RowsAsked(ChosenAsked, PageAsked):
    """Which rows, in which order, which part of them."""


class ExportAsked(ChosenAsked):
    """Which rows, in which order, as what."""

    format: Literal["csv", "ndjson", "parquet"] = Field("csv", description="How rows are written")


class WindowOut(BaseModel):
    """The window of a table."""

    kind: Literal["tumbling", "sliding"]
    size_ms: int = Field(description="Length", examples=[600_000])
    pane_ms: int = Field(description="Steps in which a sliding window moves", examples=[10_000])
    grace_ms: int = Field(description="How much later than the newest record a record may come", examples=[30_000])


class ColumnOut(BaseModel):
    """A column that can be shown, filtered and sorted by."""

    name: str = Field(description="`measure.p99` is a part of a histogram", examples=["spent"])
    kind: Literal["number", "ms", "bytes", "time"] = Field(description="How its values are to be read")
    meaning: str = Field(description="The definition of the measure", examples=["sum(amount_cents)"])


class FreshnessOut(BaseModel):
    """How current the state of one partition is."""

    partition: int
    applied: int = Field(description="Next offset of the source that is not in the state yet")
    end: int = Field(description="Offset after the last record of the source")
    behind: int = Field(description="Records of the source that are not in the state yet")
    watermark_ms: UnixMs = Field(description="Newest event time applied, Unix ms; 0 before the first record")
    committed_ms: UnixMs = Field(description="When the state was committed, Unix ms; 0 if never")


class TableOut(BaseModel):
    """A windowed table."""

    name: str = Field(examples=["account_10m"])
    stream: str = Field(description="The stream that it counts", examples=["payments"])
    by: str = Field(description="The field that its rows are for", examples=["account"])
    window: WindowOut
    keys: int = Field(description="Rows, over all partitions and open windows")
    columns: list[ColumnOut]
    freshness: list[FreshnessOut] = Field(description="Of each partition of the source")


class TablesOut(BaseModel):
    """Windowed tables, by name."""

    tables: list[TableOut]
    next_cursor: NextCursor


class RowOut(BaseModel):
    """One key of one partition in one window."""

    key: str = Field(examples=["a17"])
    partition: int
    window_start_ms: UnixMs = Field(description="Inclusive, Unix ms")
    window_end_ms: UnixMs = Field(description="Exclusive, Unix ms")
    values: dict[str, Number] = Field(
        description="By column; null where there is no value", examples=[{"n": 12, "spent": 91_250}]
    )


class RowsOut(BaseModel):
    """A page of a table."""

    table: str = Field(examples=["account_10m"])
    total: int = Field(description="Rows in the table")
    matching: int = Field(description="Rows that pass the filter")
    offset: int
    limit: int
    next_offset: int | None = Field(description="Where the next page begins; null on the last one")
    next_cursor: NextCursor
    rows: list[RowOut]
    freshness: list[FreshnessOut]


class HistoryOut(BaseModel):
    """How the measures of a key went, oldest first: a point for each commit that changed them."""

    times_ms: list[UnixMs] = Field(description="When the state was committed, Unix ms")
    values: dict[str, list[float | None]] = Field(
        description="By column, as many as times; null where there was no value", examples=[{"n": [11, 12]}]
    )


class KeyOut(BaseModel):
    """What a table knows of a key."""

    table: str = Field(examples=["account_10m"])
    key: str = Field(examples=["a17"])
    rows: list[RowOut] = Field(description="One for each open window")
    history: HistoryOut
    freshness: list[FreshnessOut]
