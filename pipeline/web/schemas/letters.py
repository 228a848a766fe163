"""Questions about refused records, and their answers."""

from pydantic import BaseModel, Field

from pipeline.web.schemas.common import MAX_TEXT, Asked, Cursor, Limit, NextCursor, UnixMs


class LettersAsked(Asked):
    """Which refused records."""

    topic: list[str] = Field([], description="Any of these dead-letter topics; without it all")
    reason: list[str] = Field([], description="Any of these reasons; without it all")
    q: str = Field("", description="Occurs in message, key or payload, whatever its case", max_length=MAX_TEXT)
    cursor: Cursor = None
    limit: Limit = 50


class LetterOut(BaseModel):
    """A refused record."""

    topic: str = Field(description="The dead-letter topic", examples=["payments.dead-letter"])
    partition: int = Field(description="Of that topic")
    offset: int = Field(description="In that partition")
    time_ms: UnixMs = Field(description="When it was refused, Unix ms")
    reason: str = Field(description="Kind of mistake", examples=["missing"])
    error: str = Field(description="Class of the error")
    message: str = Field(description="What was wrong")
    origin: str = Field(description="`topic/partition@offset` where it first stood", examples=["payments/0@17"])
    key: str | None = Field(description="Its key, as text")
    payload: str = Field(description="Its first 4 KiB, as text")


class LettersOut(BaseModel):
    """A page of refused records, newest first."""

    letters: list[LetterOut]
    next_cursor: NextCursor


class LetterCountOut(BaseModel):
    """How many records were refused for one reason."""

    topic: str = Field(description="The dead-letter topic", examples=["payments.dead-letter"])
    reason: str = Field(examples=["missing"])
    count: int


class LetterCountsOut(BaseModel):
    """How many records were refused, by topic and reason."""

    counts: list[LetterCountOut]
    next_cursor: NextCursor
