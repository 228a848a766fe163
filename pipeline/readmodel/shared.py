"""Answers that many readers share: what fifty open pages ask in the same second is asked once."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar

from pipeline.incidents import Incident
from pipeline.incidents.model import Snoozed
from pipeline.readmodel.query import Page, Row, TableQuery
from pipeline.readmodel.questions import (
    AlertsAsked,
    Answers,
    IncidentPage,
    IncidentsAsked,
    KeyHistory,
    LettersAsked,
    RuleFacts,
    Slice,
    StoredAlert,
    StoredLetter,
)

T = TypeVar("T")
MOST: Final = 2_000


class SharedAnswers:
    """Asks each question once in a generation; who asks again gets the same answer, which nobody may change.

    Args:
        answers: Who knows.
        generation: Of what is known; it grows when something may have changed.

    Raises, all methods:
        As those of ``answers``; whoever shares a question shares its error.

    Cost: one answer of each question, and at most ``MOST`` of them, are kept until the next generation.
    """

    def __init__(self, answers: Answers, generation: Callable[[], int]) -> None:
        self._answers = answers
        self._generation = generation
        self._of = -1
        self._asked: dict[str, asyncio.Task[Any]] = {}

    async def alerts(self, asked: AlertsAsked) -> Slice[StoredAlert]:
        """Alerts, newest first."""
        return await self._once(f"alerts {asked!r}", lambda: self._answers.alerts(asked))

    async def alert(self, alert_id: str) -> StoredAlert | None:
        """One alert."""
        return await self._once(f"alert {alert_id}", lambda: self._answers.alert(alert_id))

    async def alerts_after(self, number: int, limit: int = 500) -> list[StoredAlert]:
        """Alerts that arrived after another one."""
        return await self._once(f"after {number} {limit}", lambda: self._answers.alerts_after(number, limit))

    async def severities_since(self, since_ms: int) -> dict[str, int]:
        """How many alerts of each severity were detected at or after a time."""
        return await self._once(f"since {since_ms}", lambda: self._answers.severities_since(since_ms))

    async def alert_count(self) -> int:
        """How many alerts there are."""
        return await self._once("alert count", self._answers.alert_count)

    async def incidents(self, asked: IncidentsAsked) -> Slice[Incident]:
        """Incidents."""
        return await self._once(f"incidents {asked!r}", lambda: self._answers.incidents(asked))

    async def incident(self, incident_id: str) -> IncidentPage | None:
        """One incident."""
        return await self._once(f"incident {incident_id}", lambda: self._answers.incident(incident_id))

    async def open_incidents(self) -> dict[str, int]:
        """How many incidents of each severity go on."""
        return await self._once("open incidents", self._answers.open_incidents)

    async def snoozes(self) -> list[Snoozed]:
        """Snoozes in force."""
        return await self._once("snoozes", self._answers.snoozes)

    async def rules(self) -> list[RuleFacts]:
        """Of every rule, detector and score."""
        return await self._once("rules", self._answers.rules)

    async def letters(self, asked: LettersAsked) -> Slice[StoredLetter]:
        """Refused records."""
        return await self._once(f"letters {asked!r}", lambda: self._answers.letters(asked))

    async def letter_counts(self) -> dict[tuple[str, str], int]:
        """How many refused records there are by topic and reason."""
        return await self._once("letter counts", self._answers.letter_counts)

    async def rows(self, table: str, asked: TableQuery) -> Page:
        """A page of a table's rows."""
        return await self._once(f"rows {table} {asked!r}", lambda: self._answers.rows(table, asked))

    def stream(self, table: str, asked: TableQuery, size: int) -> Iterator[list[Row]]:
        """All of a table's rows that were asked for; not shared."""
        return self._answers.stream(table, asked, size)

    async def key_history(self, table: str, key: str) -> KeyHistory:
        """How a key went."""
        return await self._once(f"history {table} {key}", lambda: self._answers.key_history(table, key))

    async def _once(self, question: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        generation = self._generation()
        if generation != self._of or len(self._asked) >= MOST:
            self._of, self._asked = generation, {}
        asking = self._asked.get(question)
        if asking is None:
            asking = self._asked[question] = asyncio.create_task(ask())
        answer: T = await asyncio.shield(asking)  # who goes away must not take the answer from the others
        return answer
