"""What is known about incidents: the records of the compacted state topic, and the state that they add up to."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Annotated, Literal

import msgspec
from rpds import HashTrieMap

from agents.spec import Severity

Phase = Literal["open", "updated", "acknowledged", "resolved"]
Scalar = float | int | str | bool
NEVER_MS = 1 << 62


class Incident(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="incident"):
    """Alerts that belong together, from the first of them to the end."""

    id: Annotated[str, msgspec.Meta(description="Same alerts, same id")]
    group: Annotated[dict[str, Scalar | None], msgspec.Meta(description="What its alerts have in common")]
    state: Phase
    severity: Annotated[Severity, msgspec.Meta(description="The highest of its alerts")]
    rule: Annotated[str, msgspec.Meta(description="Of the newest alert")]
    key: Annotated[str, msgspec.Meta(description="Of the newest alert")]
    why: Annotated[str, msgspec.Meta(description="Of the newest alert")]
    opened_ms: int
    last_alert_ms: int
    count: Annotated[int, msgspec.Meta(description="Alerts so far, those that nobody was told about included")]
    alerts: Annotated[tuple[str, ...], msgspec.Meta(description="Ids of the newest alerts, newest last")]
    hold_ms: Annotated[int, msgspec.Meta(description="Resolved when no alert came for so long")]
    muted: Annotated[int, msgspec.Meta(description="Alerts under a snooze or in maintenance")] = 0
    folded: Annotated[int, msgspec.Meta(description="Alerts that went into a storm's notice")] = 0
    reopened: Annotated[int, msgspec.Meta(description="How often it came back after it was resolved")] = 0
    told: Annotated[int, msgspec.Meta(description="Notices so far")] = 0
    told_ms: int | None = None
    told_severity: Severity | None = None
    muted_until_ms: int | None = None
    lasting: Annotated[
        dict[str, int],
        msgspec.Meta(description="Conditions that still hold, `rule at key`, by event time"),
    ] = {}
    ended_ms: Annotated[int | None, msgspec.Meta(description="When the last of them ended")] = None
    acknowledged_ms: int | None = None
    acknowledged_by: str = ""
    resolved_ms: int | None = None
    resolved_by: Annotated[str, msgspec.Meta(description="Empty when it ended by itself")] = ""
    note: str = ""

    @property
    def is_live(self) -> bool:
        """Whether it goes on."""
        return self.state != "resolved"


class Snoozed(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="snooze"):
    """A snooze in force."""

    id: str
    until_ms: int
    reason: str
    rule: str | None
    key: str | None
    by: str
    since_ms: int


class Storm(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="storm"):
    """The newest alerts of a rule, and the flood that they may be."""

    rule: str
    times_ms: tuple[int, ...]
    id: str = ""
    began_ms: int | None = None
    severity: Severity = "info"
    count: int = 0
    keys: dict[str, int] = {}
    other_keys: int = 0
    sample: tuple[str, ...] = ()
    told: int = 0


class Seen(msgspec.Struct, frozen=True, tag_field="kind", tag="seen"):
    """When an alert or command was taken in."""

    at_ms: int


class Clock(msgspec.Struct, frozen=True, tag_field="kind", tag="clock"):
    """The time of the newest event."""

    now_ms: int


class Position(msgspec.Struct, frozen=True, tag_field="kind", tag="position"):
    """Up to where (exclusive) the topic of commands has been taken in."""

    offset: int


Record = Incident | Snoozed | Storm | Seen | Clock | Position


class StormReport(msgspec.Struct, frozen=True, kw_only=True):
    """A flood of alerts of a rule, in numbers and examples."""

    id: str
    rule: str
    began_ms: int
    ended_ms: int | None
    count: Annotated[int, msgspec.Meta(description="Alerts folded so far")]
    keys: Annotated[dict[str, int], msgspec.Meta(description="Alerts by key, of the first keys")]
    other_keys: Annotated[int, msgspec.Meta(description="Alerts of all other keys")]
    sample: Annotated[tuple[str, ...], msgspec.Meta(description="Why the first of them fired")]


NoticeKind = Literal[
    "opened",
    "updated",
    "escalated",
    "reopened",
    "acknowledged",
    "resolved",
    "storm-began",
    "storm-grew",
    "storm-ended",
]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that people are to be told. Either ``incident`` or ``storm`` is there."""

    id: Annotated[str, msgspec.Meta(description="Same input, same id: drop repeats by it")]
    kind: NoticeKind
    time_ms: Annotated[int, msgspec.Meta(description="Unix time in milliseconds")]
    severity: Severity
    rule: str
    key: Annotated[str, msgspec.Meta(description="Empty for a storm")]
    summary: Annotated[str, msgspec.Meta(description="One sentence")]
    incident: Incident | None = None
    storm: StormReport | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """All that is known, as persistent maps: a step shares what it does not change.

    Args:
        now_ms: Time of the newest event.
        incidents: The newest incident of each group, by the text of the group.
        snoozes: By id.
        storms: By rule.
        seen: Times by id of alert or command.
        next_ms: Nothing happens by itself before; may be too early, never too late.
    """

    now_ms: int = 0
    incidents: "HashTrieMap[str, Incident]" = field(default_factory=HashTrieMap)
    snoozes: "HashTrieMap[str, Snoozed]" = field(default_factory=HashTrieMap)
    storms: "HashTrieMap[str, Storm]" = field(default_factory=HashTrieMap)
    seen: "HashTrieMap[str, int]" = field(default_factory=HashTrieMap)
    next_ms: int = field(default=NEVER_MS, compare=False)

    def find(self, incident: str) -> tuple[str, Incident] | None:
        """The incident with an id, and its group."""
        return next(((group, found) for group, found in self.incidents.items() if found.id == incident), None)


def identity(*parts: str) -> str:
    """32 hexadecimal digits, the same for the same texts."""
    return blake2b("\x00".join(parts).encode(errors="surrogatepass"), digest_size=16).hexdigest()
