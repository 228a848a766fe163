"""What is said about rules, and about the system itself."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from agents.spec import Severity
from pipeline.web.schemas.common import NextCursor, UnixMs


class RuleOut(BaseModel):
    """A rule, series detector or score: what it is, and what it did."""

    name: str = Field(examples=["rapid-large"])
    kind: Literal["rule", "detector", "score"]
    severity: Severity | None = Field(description="Null for a score, whose alerts have their own")
    condition: str = Field(description="When it fires, in words of the configuration", examples=["large >= 3"])
    on: str = Field(description="The table or stream that it looks at", examples=["account_10m"])
    version: str = Field(description="Hash of the definition")
    description: str = Field(description="What it means, for people")
    hourly: list[int] = Field(description="Alerts in each of the last 24 hours, oldest first; the last one is not over")
    last_ms: UnixMs | None = Field(description="When it last fired, Unix ms; null if it never did")
    confirmed: int = Field(description="Alerts whose record was called fraud")
    dismissed: int = Field(description="Alerts whose record was called no fraud")
    precision: float | None = Field(description="Share of the labelled alerts that were right; null without labels")


class RulesOut(BaseModel):
    """Rules, detectors and scores, in the order of the configuration."""

    rules: list[RuleOut]
    next_cursor: NextCursor


class MemberOut(BaseModel):
    """A worker of the application."""

    name: str = Field(examples=["host-1234"])
    partitions: list[str] = Field(description="What it owns", examples=[["payments/0", "payments/1"]])


class SystemOut(BaseModel):
    """What runs here, and with which settings."""

    app: str = Field(examples=["shop"])
    version: str = Field(description="Of streamgauge", examples=["0.1.0"])
    python: str = Field(examples=["3.11.9"])
    platform: str = Field(description="Operating system and processor")
    packages: dict[str, str] = Field(description="Versions by name", examples=[{"numpy": "2.2.0"}])
    started_ms: UnixMs = Field(description="When the web view was started, Unix ms")
    members: list[MemberOut] = Field(description="Living workers, also those that own nothing")
    configuration: dict[str, Any] = Field(
        description="What is in force, defaults included; secrets are `***`",
        examples=[{"name": "shop", "kafka": {"username": "shop", "password": "***"}}],
    )
