"""What the questions and answers of several subjects have in common."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from agents.spec import SEVERITIES, Severity

MAX_PAGE: Final = 500
MAX_TEXT: Final = 1_000
Number = float | int | None
Scalar = float | int | str | bool
UnixMs = Annotated[int, Field(description="Unix time in ms", examples=[1_700_000_000_000])]
Cursor = Annotated[
    str | None, Field(description="`next_cursor` of the page before; the first page without it", max_length=2_000)
]
NextCursor = Annotated[str | None, Field(description="Give it as `cursor` for what follows; null at the end")]
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE, description="Most rows to return")]
Rules = Annotated[list[str], Field(default_factory=list, description="Any of these; without it all")]
_SEVERITIES = f"Any of {', '.join(SEVERITIES)}; without it all"
Severities = Annotated[list[Severity], Field(default_factory=list, description=_SEVERITIES)]
Key = Annotated[str | None, Field(description="Exactly this key", examples=["a17"])]
Words = Annotated[str, Field(description="Occurs in key, rule or explanation, whatever its case", max_length=MAX_TEXT)]


class Asked(BaseModel):
    """A question; a parameter that does not exist is refused rather than passed over."""

    model_config = ConfigDict(extra="forbid")


class NothingAsked(Asked):
    """A question without parameters."""


class ListAsked(Asked):
    """Which part of a list."""

    cursor: Cursor = None
    limit: Limit = MAX_PAGE


class Problem(BaseModel):
    """An error, after RFC 9457 (problem details)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "Wrong parameter",
                    "status": 422,
                    "detail": "limit: input should be greater than or equal to 1, got '0'",
                    "errors": ["limit: input should be greater than or equal to 1, got '0'"],
                }
            ]
        }
    )

    title: str = Field(description="The kind of error, the same for the same status")
    status: int = Field(description="Status of the answer")
    detail: str = Field(description="One sentence: what was found, what is allowed")
    errors: list[str] = Field(default_factory=list, description="One sentence for each wrong parameter")


class RecordOut(BaseModel):
    """Where a record stands."""

    topic: str = Field(examples=["payments"])
    partition: int = Field(examples=[0])
    offset: int = Field(examples=[812])
    id: str | None = Field(description="The record's own id, if its stream has one", examples=["p1"])


Phase = Literal["open", "updated", "acknowledged", "resolved"]
