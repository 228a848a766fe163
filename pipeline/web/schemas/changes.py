"""What people ask to be changed, and the answers."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.web.schemas.common import MAX_TEXT, UnixMs

_Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class Wish(BaseModel):
    """A change; a field that does not exist is refused."""

    model_config = ConfigDict(extra="forbid")


class NoteIn(Wish):
    """What others are to read."""

    note: str = Field("", max_length=MAX_TEXT, description="For others to read", examples=["calling the customer"])


class SnoozeIn(Wish):
    """Tell nobody about a rule, a key, or a rule at a key, until a moment and for a reason."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"rule": "rapid-large", "key": "a17", "for_ms": 7_200_000, "reason": "on holiday"}],
            "anyOf": [{"required": ["rule"]}, {"required": ["key"]}],
            "oneOf": [{"required": ["until_ms"]}, {"required": ["for_ms"]}],
        }
    )

    rule: _Text = Field("", description="Alerts of this rule, detector or score")
    key: _Text = Field("", description="Alerts of this key; of both if both are given")
    until_ms: UnixMs = Field(0, ge=1, le=1 << 53, description="When it ends, Unix ms")
    for_ms: int = Field(0, ge=1_000, le=366 * 86_400_000, description="How long it lasts, ms, instead of `until_ms`")
    reason: _Text = Field(description="Why")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.rule and not self.key:
            raise ValueError("a snooze needs rule, key or both")
        if bool(self.until_ms) == bool(self.for_ms):
            raise ValueError("a snooze needs either until_ms or for_ms")
        return self


class LabelIn(Wish):
    """What a payment turned out to be."""

    fraud: bool = Field(strict=True, description="Whether it was fraud")


class AcceptedOut(BaseModel):
    """A change was written to the log; a worker does it, usually within a second."""

    id: str = Field(description="Of the command; a repeat of it does nothing", examples=["c1"])
    kind: Literal["acknowledge", "resolve", "snooze", "unsnooze"]
    of: str = Field(description="Id of the incident or of the snooze", examples=["4f0c12a59b7a4e0f8d6c3b2a19087f6e"])


class LabelOut(BaseModel):
    """A label was written to the log."""

    id: str = Field(description="Of this change; a repeat of it does nothing")
    record: str = Field(description="Id of the record that was labelled", examples=["p7"])
    topics: list[str] = Field(description="Where labels were written", examples=[["shop-labels", "payments"]])
    note: str = Field(description="What could not be done, and why; empty if all was")
