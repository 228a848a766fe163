"""What a page is built from: what it may ask, and what it may do."""

from dataclasses import dataclass
from typing import Protocol

from pipeline.readmodel.questions import Answers
from pipeline.readmodel.read_model import ReadModel


class Commands(Protocol):
    """What people do on a page. Each is a record of the log that a worker acts on."""

    async def acknowledge(self, incident: str, *, by: str, note: str) -> None:
        """Somebody takes care of an incident."""

    async def resolve(self, incident: str, *, by: str, note: str) -> None:
        """An incident is over."""

    async def snooze(self, *, rule: str | None, key: str | None, until_ms: int, reason: str, by: str) -> None:
        """Tell nobody until a moment."""

    async def label(self, alert: str, *, fraud: bool, by: str) -> None:
        """Say whether the record that fired was fraud."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PageContext:
    """What a page is built from.

    Args:
        model: What the log says now: configuration, health, lag, topics.
        answers: The store of alerts, incidents, tables and refused records.
        commands: What people may do.
    """

    model: ReadModel
    answers: Answers
    commands: Commands
