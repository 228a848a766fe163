"""What the web view and its API ask of the store, and the answers; every list comes in pages with an opaque cursor.

A cursor says where the next page begins in the order of the question, so that what arrives meanwhile neither repeats
nor hides a row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from agents.spec import Severity
from pipeline.incidents.model import Incident, Notice, Snoozed
from pipeline.readmodel.query import Page, Row, TableQuery

T = TypeVar("T")
MAX_LIMIT = 500
ON_A_PAGE = 200
"""Most alerts, and most notices, on the page of an incident."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice(Generic[T]):
    """Part of a list.

    Args:
        rows: At most as many as asked for.
        next_cursor: Where to go on; ``None`` at the end.
    """

    rows: list[T]
    next_cursor: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredAlert:
    """An alert as read from its topic.

    Args:
        number: Counts arrivals in the store, only grows.
        detected_ms: When it was detected, Unix ms.
        document: As in ``docs/schemas/alert.schema.json``, ``why`` included.
        incident: Id of the incident that it belongs to, if known.
        fraud: What a person said of the record that fired; ``None`` while nobody did.
    """

    number: int
    detected_ms: int
    document: dict[str, Any]
    incident: str | None
    fraud: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertsAsked:
    """Which alerts, newest first; what is empty or ``None`` lets all through.

    Args:
        rules: Any of these.
        severities: Any of these.
        key: Exactly this key.
        text: Occurs in key, rule or explanation, whatever its case.
        incident: Of this incident.
        since_ms: Detected at or after, Unix ms.
    """

    rules: Sequence[str] = ()
    severities: Sequence[Severity] = ()
    key: str | None = None
    text: str = ""
    incident: str | None = None
    since_ms: int | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class IncidentsAsked:
    """Which incidents: live ones worst first, resolved ones newest first.

    Args:
        state: ``live`` is all but the resolved ones.
        rules: Any of these.
        severities: Any of these.
        key: Exactly this key.
        text: Occurs in key, rule or explanation, whatever its case.
    """

    state: Literal["live", "resolved"] = "live"
    rules: Sequence[str] = ()
    severities: Sequence[Severity] = ()
    key: str | None = None
    text: str = ""
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class IncidentPage:
    """All about one incident.

    Args:
        incident: As the state topic has it.
        alerts: The newest ones, newest first.
        notices: What people were told, newest first.
    """

    incident: Incident
    alerts: list[StoredAlert]
    notices: list[Notice]


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleFacts:
    """What a rule, detector or score did.

    Args:
        name: As configured.
        hourly: Alerts in each of the last 24 hours, oldest first; the last one is not over.
        last_ms: When it last fired, Unix ms.
        confirmed: Alerts whose record was called fraud.
        dismissed: Alerts whose record was called no fraud.
    """

    name: str
    hourly: tuple[int, ...]
    last_ms: int | None
    confirmed: int
    dismissed: int

    @property
    def precision(self) -> float | None:
        """Share of the labelled alerts that were right; ``None`` without labels."""
        labelled = self.confirmed + self.dismissed
        return self.confirmed / labelled if labelled else None


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredLetter:
    """A refused record.

    Args:
        topic: The dead-letter topic.
        partition: Of that topic.
        offset: In that partition.
        time_ms: When it was refused, Unix ms.
        reason: Why, as in ``pipeline.deadletter``.
        error: Class of the error.
        message: What was wrong.
        origin: ``topic/partition@offset`` where it first stood.
        key: Its key, as text.
        payload: Its first 4 KiB, as text.
    """

    topic: str
    partition: int
    offset: int
    time_ms: int
    reason: str
    error: str
    message: str
    origin: str
    key: str | None
    payload: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LettersAsked:
    """Which refused records, newest first.

    Args:
        topics: Any of these dead-letter topics.
        reasons: Any of these.
        text: Occurs in message, key or payload, whatever its case.
    """

    topics: Sequence[str] = ()
    reasons: Sequence[str] = ()
    text: str = ""
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyHistory:
    """How the measures of a key went in a table, oldest first: one point for each commit that changed them.

    Args:
        times_ms: When the state was committed, Unix ms.
        values: By column, ``None`` where there was no value.
    """

    times_ms: list[int]
    values: dict[str, list[float | None]]


class Answers(Protocol):
    """The store as readers see it. No method waits for a worker or for the log; each takes well under 200 ms.

    Raises, all of them:
        UsageError: If the question can't be understood, for example a cursor that is none.
    """

    async def alerts(self, asked: AlertsAsked) -> Slice[StoredAlert]:
        """Alerts, newest first."""

    async def alert(self, alert_id: str) -> StoredAlert | None:
        """One alert."""

    async def alerts_after(self, number: int, limit: int = 500) -> list[StoredAlert]:
        """Alerts that arrived after another one, oldest first: what a live feed goes on with."""

    async def severities_since(self, since_ms: int) -> dict[str, int]:
        """How many alerts of each severity were detected at or after a time."""

    async def alert_count(self) -> int:
        """How many alerts there are."""

    async def incidents(self, asked: IncidentsAsked) -> Slice[Incident]:
        """Incidents."""

    async def incident(self, incident_id: str) -> IncidentPage | None:
        """One incident; the first digits of its id will do where they are enough."""

    async def open_incidents(self) -> dict[str, int]:
        """How many incidents of each severity go on."""

    async def snoozes(self) -> list[Snoozed]:
        """Snoozes in force, the one that ends first coming first."""

    async def rules(self) -> list[RuleFacts]:
        """Of every rule, detector and score of the configuration, in its order."""

    async def letters(self, asked: LettersAsked) -> Slice[StoredLetter]:
        """Refused records."""

    async def letter_counts(self) -> dict[tuple[str, str], int]:
        """How many refused records there are by topic and reason."""

    async def rows(self, table: str, asked: TableQuery) -> Page:
        """A page of a table's rows."""

    def stream(self, table: str, asked: TableQuery, size: int) -> Iterator[list[Row]]:
        """All of a table's rows that were asked for, whatever offset and limit: of one moment, ``size`` at a time.

        To be iterated in a thread: each step waits for the database.
        """

    async def key_history(self, table: str, key: str) -> KeyHistory:
        """How a key went."""
