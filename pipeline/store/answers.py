"""The store's answers to what the web view and its API ask."""

import asyncio
from collections.abc import Callable, Iterator, Mapping

from pipeline.config.model import AppConfig
from pipeline.errors import UsageError
from pipeline.incidents import Incident
from pipeline.incidents.model import Snoozed
from pipeline.readmodel.query import Page, Row, TableQuery
from pipeline.readmodel.questions import (
    AlertsAsked,
    IncidentPage,
    IncidentsAsked,
    KeyHistory,
    LettersAsked,
    RuleFacts,
    Slice,
    StoredAlert,
    StoredLetter,
)
from pipeline.store.database import Database
from pipeline.store.rows.layout import Layout
from pipeline.store.rows.pages import find_rows, stream_rows
from pipeline.store.rows.points import key_history
from pipeline.store.topics import alerts, incidents, labels, letters


class StoredAnswers:
    """Answers from a database, off the event loop.

    Args:
        database: The store.
        config: The application.
        tables: How windowed tables stand in it, by name.
        clock_ms: Wall clock, Unix ms.
    """

    def __init__(
        self, database: Database, config: AppConfig, tables: Mapping[str, Layout], *, clock_ms: Callable[[], int]
    ) -> None:
        self._tables = tables
        self._database = database
        self._clock_ms = clock_ms
        self._rules = [*config.rules, *config.detectors, *config.scores]

    async def alerts(self, asked: AlertsAsked) -> Slice[StoredAlert]:
        """Alerts, newest first."""
        return await asyncio.to_thread(alerts.find_alerts, self._database, asked)

    async def alert(self, alert_id: str) -> StoredAlert | None:
        """One alert."""
        return await asyncio.to_thread(alerts.find_alert, self._database, alert_id)

    async def alerts_after(self, number: int, limit: int = 500) -> list[StoredAlert]:
        """Alerts that arrived after another one, oldest first."""
        return await asyncio.to_thread(alerts.alerts_after, self._database, number, limit)

    async def severities_since(self, since_ms: int) -> dict[str, int]:
        """How many alerts of each severity were detected at or after a time."""
        return await asyncio.to_thread(alerts.severities_since, self._database, since_ms)

    async def alert_count(self) -> int:
        """How many alerts there are."""
        return await asyncio.to_thread(alerts.alert_count, self._database)

    async def incidents(self, asked: IncidentsAsked) -> Slice[Incident]:
        """Incidents."""
        return await asyncio.to_thread(incidents.find_incidents, self._database, asked)

    async def incident(self, incident_id: str) -> IncidentPage | None:
        """One incident."""
        return await asyncio.to_thread(incidents.find_incident, self._database, incident_id)

    async def open_incidents(self) -> dict[str, int]:
        """How many incidents of each severity go on."""
        return await asyncio.to_thread(incidents.open_incidents, self._database)

    async def snoozes(self) -> list[Snoozed]:
        """Snoozes in force."""
        return await asyncio.to_thread(incidents.snoozes_at, self._database, self._clock_ms())

    async def rules(self) -> list[RuleFacts]:
        """Of every rule, detector and score of the configuration, in its order."""
        return await asyncio.to_thread(labels.rule_facts, self._database, self._rules, self._clock_ms())

    async def letters(self, asked: LettersAsked) -> Slice[StoredLetter]:
        """Refused records."""
        return await asyncio.to_thread(letters.find_letters, self._database, asked)

    async def letter_counts(self) -> dict[tuple[str, str], int]:
        """How many refused records there are by topic and reason."""
        return await asyncio.to_thread(letters.letter_counts, self._database)

    async def rows(self, table: str, asked: TableQuery) -> Page:
        """A page of a table's rows."""
        return await asyncio.to_thread(find_rows, self._database, self._layout(table), asked)

    def stream(self, table: str, asked: TableQuery, size: int) -> Iterator[list[Row]]:
        """All of a table's rows that were asked for."""
        return stream_rows(self._database, self._layout(table), asked, size)

    async def key_history(self, table: str, key: str) -> KeyHistory:
        """How a key went."""
        return await asyncio.to_thread(key_history, self._database, self._layout(table), key)

    def _layout(self, table: str) -> Layout:
        found = self._tables.get(table)
        if found is None:
            raise UsageError(f"there is no table '{table}'; there are: {', '.join(sorted(self._tables)) or 'none'}")
        return found
